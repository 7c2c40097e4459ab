//! Which tables and columns an MLflow database has.

use std::collections::{BTreeMap, BTreeSet};

use lemnis_tracking::Error;

use crate::sql::{Columns as _, Connection, query, query_scalar};
use crate::tracking::Done;

/// What every database has that can be read: MLflow 1.10 and later.
const NEEDED: &[(&str, &[&str])] = &[
    ("experiments", &["experiment_id", "name", "artifact_location", "lifecycle_stage"]),
    (
        "runs",
        &[
            "run_uuid",
            "experiment_id",
            "user_id",
            "status",
            "start_time",
            "end_time",
            "artifact_uri",
            "lifecycle_stage",
        ],
    ),
    ("metrics", &["key", "value", "timestamp", "run_uuid", "step", "is_nan"]),
    ("params", &["key", "value", "run_uuid"]),
    ("tags", &["key", "value", "run_uuid"]),
    ("latest_metrics", &["key", "value", "timestamp", "run_uuid", "step", "is_nan"]),
];

/// The tables of a database with their columns.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    tables: BTreeMap<String, BTreeSet<String>>,
    /// Alembic's name of the schema's version.
    pub(super) head: String,
}

impl Schema {
    /// Reads what is there. Fails where it is no MLflow database, or one that is too old to be read.
    pub(super) async fn read(connection: &mut Connection) -> Done<Self> {
        let sql = if connection.is_postgres() {
            "SELECT table_name::text, column_name::text FROM information_schema.columns \
             WHERE table_schema = current_schema()"
        } else {
            "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_xinfo(m.name) c WHERE m.type = 'table'"
        };
        let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        query(sql)
            .each(connection, |row| {
                tables.entry(row.try_get(0)?).or_default().insert(row.try_get(1)?);
                Ok(())
            })
            .await?;
        if !tables.contains_key("alembic_version") || !tables.contains_key("experiments") {
            return Err(Error::invalid(
                "the database holds no MLflow store; `mlflow db upgrade URL` makes an empty one",
            )
            .into());
        }
        let head: Option<String> =
            query_scalar("SELECT version_num FROM alembic_version").fetch_optional(connection).await?;
        let schema = Self { tables, head: head.unwrap_or_default() };
        for (table, columns) in NEEDED {
            if let Some(column) = columns.iter().find(|column| !schema.has(table, column)) {
                return Err(Error::invalid(format!(
                    "the MLflow database's schema ({}) is too old: it has no {table}.{column}; back it up, then bring it \
                     up to date with `mlflow db upgrade URL`",
                    schema.head
                ))
                .into());
            }
        }
        Ok(schema)
    }

    pub(super) fn has(&self, table: &str, column: &str) -> bool {
        self.tables.get(table).is_some_and(|columns| columns.contains(column))
    }

    pub(super) fn has_table(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    /// `table.column`, or NULL where there is none such; `kind` is `TEXT` or `BIGINT`.
    pub(super) fn or_null(&self, table: &str, column: &str, kind: &str) -> String {
        if self.has(table, column) { format!("{table}.{column}") } else { format!("CAST(NULL AS {kind})") }
    }

    /// A condition that leaves out other workspaces than the first one.
    pub(super) fn in_workspace(&self, table: &str) -> String {
        if self.has(table, "workspace") {
            format!("{table}.workspace = 'default'")
        } else {
            "true".to_owned()
        }
    }
}
