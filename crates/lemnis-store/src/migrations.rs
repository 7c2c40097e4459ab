//! The schema, as a list of files that only grows. A file that was released is never changed.
//!
//! Every migration has one file for each database, under the same number and subject. Each runs in a transaction of
//! its own, together with the row that says so. The table of those rows is the one that sqlx made for older databases.

use crate::sql::{Columns as _, Connection, query, query_scalar};
use crate::{Error, points};

struct Migration {
    version: i64,
    subject: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! migrations {
    ($($version:literal $subject:literal $file:literal;)*) => {
        &[$(Migration {
            version: $version,
            subject: $subject,
            sqlite: include_str!(concat!("../migrations/sqlite/", $file, ".sql")),
            postgres: include_str!(concat!("../migrations/postgres/", $file, ".sql")),
        }),*]
    };
}

const MIGRATIONS: &[Migration] = migrations![
    1 "tracking" "0001_tracking";
    2 "evidence" "0002_evidence";
    3 "flow" "0003_flow";
    4 "serving" "0004_serving";
    5 "endpoint place" "0005_endpoint_place";
    6 "traces" "0006_traces";
    7 "evaluation" "0007_evaluation";
    8 "webhooks" "0008_webhooks";
    9 "metric points" "0009_metric_points";
    10 "receipts of imports" "0010_receipts";
    11 "newest runs" "0011_newest_runs";
    20 "sealed secrets" "0020_sealed_secrets";
];

const TABLE_SQLITE: &str = "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT PRIMARY KEY, \
    description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, \
    checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)";
const TABLE_POSTGRES: &str = "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT PRIMARY KEY, \
    description TEXT NOT NULL, installed_on TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, \
    checksum BYTEA NOT NULL, execution_time BIGINT NOT NULL)";

/// Applies what is missing. The caller sees to it that nobody else does so at the same time.
///
/// Fails if a newer Lemnis wrote the database.
pub(crate) async fn run(connection: &mut Connection) -> Result<(), Error> {
    let cannot = |source| Error::Migrate { source: Box::new(source) };
    let table = if connection.is_postgres() { TABLE_POSTGRES } else { TABLE_SQLITE };
    connection.batch(table).await.map_err(cannot)?;
    let mut present: Vec<i64> = Vec::new();
    query("SELECT version FROM _sqlx_migrations ORDER BY version")
        .each(connection, |row| {
            present.push(row.try_get(0)?);
            Ok(())
        })
        .await
        .map_err(cannot)?;
    let known = MIGRATIONS.last().map_or(0, |migration| migration.version);
    if let Some(found) = present.last().copied().filter(|found| *found > known) {
        return Err(Error::TooNew { found, known });
    }
    for migration in MIGRATIONS.iter().filter(|migration| !present.contains(&migration.version)) {
        apply(connection, migration).await.map_err(cannot)?;
    }
    Ok(())
}

async fn apply(connection: &mut Connection, migration: &Migration) -> Result<(), crate::sql::Error> {
    let postgres = connection.is_postgres();
    connection.batch(if postgres { "BEGIN" } else { "BEGIN IMMEDIATE" }).await?;
    let done = async {
        // Another server may have been quicker while this one waited for the lock.
        let there: Option<i64> = query_scalar("SELECT version FROM _sqlx_migrations WHERE version = ?")
            .bind(migration.version)
            .fetch_optional(connection)
            .await?;
        if there.is_some() {
            return Ok(());
        }
        connection.batch(if postgres { migration.postgres } else { migration.sqlite }).await?;
        if migration.version == points::MIGRATION && !postgres {
            points::take_over_rows(connection).await?;
        }
        query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (?, ?, ?, ?, 0)",
        )
        .bind(migration.version)
        .bind(migration.subject)
        .bind(true)
        .bind(Vec::new())
        .execute(connection)
        .await?;
        Ok(())
    };
    let done: Result<(), crate::sql::Error> = done.await;
    connection.batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
    done
}
