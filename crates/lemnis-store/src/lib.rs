//! The adapters that keep our state: SQLite for every port, local files for artifacts.
//!
//! One connection writes and commits waiting jobs together, a small pool reads. What is acknowledged is in the
//! write-ahead log: it survives the death of the process at any instruction. `synchronous` is NORMAL, so a power cut
//! may take the last commits, but never damages the file.
//!
//! A port's methods are written with [`Store::read`] and [`Store::write`]; migrations are listed in `migrations.rs`.

mod artifacts;
mod error;
mod events;
mod flow;
mod gate_reports;
mod migrations;
mod names;
mod quality;
mod remotes;
mod serving;
mod tracking;
mod webhook_sender;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};

pub use artifacts::artifacts;
pub use error::Error;
pub use remotes::{AskSecret, CloudEnvironment, open_remote};
pub use webhook_sender::{HttpWebhookSender, WebhookSettings, webhook_sender};

pub(crate) use error::{Fail, Fault};
pub(crate) use names::Names;
pub(crate) use writer::{Pending, Writer};

/// What opening a store returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How long a job waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);
const READERS: u32 = 4;

/// The project's state in one SQLite file. Clones share their connections.
#[derive(Clone)]
pub struct Store {
    writer: Writer,
    /// `None` where everything goes through the writer: a database in memory has one connection.
    readers: Option<SqlitePool>,
    names: Arc<Names>,
}

impl Store {
    /// Opens or makes the database at `path` and brings it to the newest schema.
    ///
    /// Fails if the folder is missing, if the file is no database, or if a newer Lemnis wrote it.
    pub async fn open(path: &Path) -> Result<Self> {
        let options = options().filename(path).create_if_missing(true);
        let cannot = |source| Error::Open { path: path.to_owned(), source };
        let mut connection = options.connect().await.map_err(cannot)?;
        migrations::run(&mut connection).await?;
        let readers = SqlitePoolOptions::new()
            .min_connections(0)
            .max_connections(READERS)
            .connect_lazy_with(options.create_if_missing(false).pragma("query_only", "ON"));
        Ok(Self::new(connection, Some(readers)))
    }

    /// A store that is gone with its last clone.
    pub async fn in_memory() -> Result<Self> {
        let cannot = |source| Error::Open { path: ":memory:".into(), source };
        let mut connection = options().in_memory(true).connect().await.map_err(cannot)?;
        migrations::run(&mut connection).await?;
        Ok(Self::new(connection, None))
    }

    fn new(connection: SqliteConnection, readers: Option<SqlitePool>) -> Self {
        let names = Arc::new(Names::default());
        Self { writer: Writer::start(connection, names.clone()), readers, names }
    }

    /// Waits until everything written is committed, then closes the readers. The writer closes with the last clone.
    pub async fn close(self) {
        if let Some(readers) = &self.readers {
            readers.close().await;
        }
        self.writer.flush().await;
    }

    /// Runs `job` on a connection that only reads.
    pub(crate) async fn read<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Pending<'c, Result<T, Fail<E>>> + Send + 'static,
        T: Send + 'static,
        E: Fault,
    {
        let Some(readers) = &self.readers else { return self.writer.run(job).await };
        let mut connection = readers.acquire().await.map_err(|source| E::fault(Error::Sql { source }))?;
        job(&mut connection).await.map_err(Fail::into_domain)
    }

    /// Runs `job` inside a transaction and returns once it is committed. A job that fails leaves nothing behind.
    pub(crate) async fn write<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Pending<'c, Result<T, Fail<E>>> + Send + 'static,
        T: Send + 'static,
        E: Fault,
    {
        self.writer.run(job).await
    }
}

fn options() -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .pragma("case_sensitive_like", "ON")
        .with_regexp()
        .statement_cache_capacity(256)
        .disable_statement_logging()
}

/// Ends a connection that the writer owned.
pub(crate) async fn end(connection: SqliteConnection) {
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "the state's database did not close cleanly");
    }
}
