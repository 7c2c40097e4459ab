//! The adapters that keep our state: SQLite or PostgreSQL for every port, local files or a cloud's store for artifacts.
//!
//! A port's methods are written once, with [`Store::read`], [`Store::write`] and [`Store::append`], in SQL that both
//! databases understand (see `sql`). `sqlite.rs` and `postgres.rs` hold what differs: how jobs get a connection, how
//! their transactions are committed, and what happens when somebody is in the way. Migrations are listed in
//! `migrations.rs`.

mod artifacts;
mod error;
mod events;
mod flow;
mod gate_reports;
mod migrations;
mod mlflow;
mod names;
mod points;
mod postgres;
mod quality;
mod remotes;
mod secrets;
mod serving;
mod sql;
mod sqlite;
mod tracking;
mod transfer;
mod webhook_sender;

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use lemnis_core::Leader;

pub use artifacts::{Artifacts, artifacts, artifacts_at};
pub use error::Error;
pub use mlflow::{MlflowStore, open_mlflow, open_mlflow_target};
pub use remotes::{AskSecret, CloudEnvironment, open_remote};
pub use secrets::SecretKeys;
pub use webhook_sender::{HttpWebhookSender, WebhookSettings, webhook_sender};

pub(crate) use error::{Fail, Fault};
pub(crate) use names::Names;
use postgres::Isolation;
use sql::Connection;
use tracking::PointQueue;

/// What opening a store returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Work in progress on a connection.
pub(crate) type Pending<'c, T> = Pin<Box<dyn Future<Output = T> + Send + 'c>>;

/// A project's state in one database. Clones share their connections.
#[derive(Clone)]
pub struct Store {
    database: Database,
    names: Arc<Names>,
    points: PointQueue,
    secrets: Arc<SecretKeys>,
}

#[derive(Clone)]
pub(crate) enum Database {
    Sqlite(sqlite::Database),
    Postgres(Arc<postgres::Database>),
}

impl Store {
    /// Opens or makes the SQLite database at `path` and brings it to the newest schema.
    ///
    /// Fails if the folder is missing, if the file is no database, or if a newer Lemnis wrote it.
    pub async fn open(path: &Path) -> Result<Self> {
        let mut connection = sqlite::open(path)?;
        migrations::run(&mut connection).await?;
        Ok(Self::new(Database::Sqlite(sqlite::Database::start(connection, Some(path))?)))
    }

    /// A store that is gone with its last clone.
    pub async fn in_memory() -> Result<Self> {
        let mut connection = sqlite::in_memory()?;
        migrations::run(&mut connection).await?;
        let store = Self::new(Database::Sqlite(sqlite::Database::start(connection, None)?));
        Ok(Self { secrets: Arc::new(SecretKeys::of_the_moment()), ..store })
    }

    /// Connects to the PostgreSQL database at `url` (`postgres://user@host:port/name`; what it leaves out comes from
    /// libpq's environment variables and password file) and brings it to the newest schema. Many servers may do so at
    /// the same time.
    ///
    /// Fails if the database cannot be reached, or if a newer Lemnis wrote it.
    pub async fn connect(url: &str) -> Result<Self> {
        let database = postgres::Database::connect(url).await?;
        let mut connection =
            database.locked().await.map_err(|source| Error::open(postgres::shown(url), source))?;
        let migrated = migrations::run(&mut connection).await;
        database.unlock(connection).await;
        migrated?;
        Ok(Self::new(Database::Postgres(Arc::new(database))))
    }

    fn new(database: Database) -> Self {
        Self {
            points: PointQueue::start(database.clone()),
            database,
            names: Arc::default(),
            secrets: Arc::new(SecretKeys::none()),
        }
    }

    /// Encrypts secrets with `keys` from now on, also those that an older Lemnis left in plain text. A store without keys
    /// keeps no secret and reads none.
    pub async fn with_secrets(self, keys: SecretKeys) -> Result<Self, lemnis_tracking::Error> {
        let store = Self { secrets: Arc::new(keys), ..self };
        store.seal_plain_secrets().await?;
        Ok(store)
    }

    /// Waits until everything written is committed, then closes the connections that read.
    pub async fn close(self) {
        self.points.flush().await;
        match &self.database {
            Database::Sqlite(database) => {
                let nothing: Result<(), lemnis_tracking::Error> =
                    database.write(|_| Box::pin(async { Ok(()) })).await;
                if let Err(error) = nothing {
                    tracing::warn!(%error, "the last writes could not be awaited");
                }
                database.close_readers();
            }
            Database::Postgres(database) => database.close().await,
        }
    }

    /// Runs `job` on a connection that only reads.
    pub(crate) async fn read<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut Connection) -> Pending<'c, Result<T, Fail<E>>>
            + Clone
            + Send
            + Sync
            + 'static,
        T: Send + 'static,
        E: Fault,
    {
        match &self.database {
            Database::Sqlite(database) => database.read(job).await,
            Database::Postgres(database) => database.read(job).await,
        }
    }

    /// Runs `job` inside a transaction and returns once it is committed. A job that fails leaves nothing behind. It runs
    /// as if nobody else wrote at the same time, and may be started more than once for that.
    pub(crate) async fn write<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut Connection) -> Pending<'c, Result<T, Fail<E>>>
            + Clone
            + Send
            + Sync
            + 'static,
        T: Send + 'static,
        E: Fault,
    {
        self.database.write(Isolation::Serializable, job).await
    }

    /// As [`Self::write`], for jobs that others may write beside: what they check is about the rows that they write.
    pub(crate) async fn append<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut Connection) -> Pending<'c, Result<T, Fail<E>>>
            + Clone
            + Send
            + Sync
            + 'static,
        T: Send + 'static,
        E: Fault,
    {
        self.database.write(Isolation::Committed, job).await
    }
}

/// An SQLite file has one server; of those on a PostgreSQL database one leads, and another when its connection is gone.
#[async_trait]
impl Leader for Store {
    async fn leads(&self) -> bool {
        match &self.database {
            Database::Sqlite(_) => true,
            Database::Postgres(database) => database.leads().await,
        }
    }

    fn is_shared(&self) -> bool {
        matches!(self.database, Database::Postgres(_))
    }
}

impl Database {
    pub(crate) async fn write<T, E, F>(&self, isolation: Isolation, job: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut Connection) -> Pending<'c, Result<T, Fail<E>>>
            + Clone
            + Send
            + Sync
            + 'static,
        T: Send + 'static,
        E: Fault,
    {
        match self {
            Database::Sqlite(database) => database.write(job).await,
            Database::Postgres(database) => database.write(isolation, job).await,
        }
    }
}
