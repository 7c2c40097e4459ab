//! The schema, as a list of files that only grows. A file that was released is never changed.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::SqliteConnection;

use crate::Error;

/// Number, subject and SQL of every migration.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "tracking", include_str!("../migrations/0001_tracking.sql")),
    (2, "evidence", include_str!("../migrations/0002_evidence.sql")),
    (3, "flow", include_str!("../migrations/0003_flow.sql")),
    (4, "serving", include_str!("../migrations/0004_serving.sql")),
    (5, "endpoint place", include_str!("../migrations/0005_endpoint_place.sql")),
    (6, "traces", include_str!("../migrations/0006_traces.sql")),
    (7, "evaluation", include_str!("../migrations/0007_evaluation.sql")),
    (8, "webhooks", include_str!("../migrations/0008_webhooks.sql")),
];

/// Applies what is missing, each file in its own transaction.
pub(crate) async fn run(connection: &mut SqliteConnection) -> Result<(), Error> {
    let migrations = MIGRATIONS
        .iter()
        .map(|(version, subject, sql)| {
            Migration::new(*version, (*subject).into(), MigrationType::Simple, sql.into_sql_str(), false)
        })
        .collect();
    Migrator::with_migrations(migrations)
        .run_direct(None, connection, false)
        .await
        .map_err(|source| Error::Migrate { source })
}
