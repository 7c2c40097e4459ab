//! A connection to MLflow's database, and jobs that run on it in transactions.

use std::path::Path;
use std::sync::Arc;

use lemnis_tracking::{Error, Result};
use parking_lot::Mutex;
use rusqlite::OpenFlags;

use crate::postgres::{self, Isolation};
use crate::sql::Connection;
use crate::sqlite::{BUSY_TIMEOUT, at_once};
use crate::{Fail, Fault as _, Pending};

/// MLflow's database. Clones share the connection.
#[derive(Clone)]
pub(super) enum Side {
    Sqlite(Arc<Mutex<Connection>>),
    Postgres(Arc<postgres::Database>),
}

impl Side {
    /// Opens the file at `path`, which must be there. Neither its journal nor anything else of it is changed.
    pub(super) fn sqlite(path: &Path, writable: bool) -> Result<Self> {
        let access =
            if writable { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
        let opened = rusqlite::Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .and_then(|connection| {
                connection.busy_timeout(BUSY_TIMEOUT)?;
                connection.set_prepared_statement_cache_capacity(64);
                Ok(connection)
            });
        let connection =
            opened.map_err(|source| Error::store(crate::Error::open(path.display(), source.into())))?;
        Ok(Side::Sqlite(Arc::new(Mutex::new(Connection::Sqlite(connection)))))
    }

    /// Connects to the PostgreSQL database at `url`.
    pub(super) async fn postgres(url: &str) -> Result<Self> {
        let database = postgres::Database::connect(url).await.map_err(Error::store)?;
        Ok(Side::Postgres(Arc::new(database)))
    }

    /// Runs `job` in a transaction that sees one moment of the database.
    pub(super) async fn read<T, F>(&self, job: F) -> Result<T>
    where
        F: for<'c> FnOnce(&'c mut Connection) -> Pending<'c, Result<T, Fail<Error>>>
            + Clone
            + Send
            + Sync
            + 'static,
        T: Send + 'static,
    {
        self.run("BEGIN", job).await
    }

    /// Runs `job` in a transaction and returns after the commit.
    pub(super) async fn write<T, F>(&self, job: F) -> Result<T>
    where
        F: for<'c> FnOnce(&'c mut Connection) -> Pending<'c, Result<T, Fail<Error>>>
            + Clone
            + Send
            + Sync
            + 'static,
        T: Send + 'static,
    {
        self.run("BEGIN IMMEDIATE", job).await
    }

    async fn run<T, F>(&self, begin: &'static str, job: F) -> Result<T>
    where
        F: for<'c> FnOnce(&'c mut Connection) -> Pending<'c, Result<T, Fail<Error>>>
            + Clone
            + Send
            + Sync
            + 'static,
        T: Send + 'static,
    {
        match self {
            Side::Postgres(database) => database.write(Isolation::Serializable, job).await,
            Side::Sqlite(connection) => {
                let connection = connection.clone();
                let ended =
                    tokio::task::spawn_blocking(move || on_sqlite(&mut connection.lock(), begin, job));
                ended.await.unwrap_or_else(|_| Err(Error::fault(crate::Error::Stopped)))
            }
        }
    }
}

fn on_sqlite<T, F>(connection: &mut Connection, begin: &str, job: F) -> Result<T>
where
    F: for<'c> FnOnce(&'c mut Connection) -> Pending<'c, Result<T, Fail<Error>>>,
{
    let step = |connection: &mut Connection, sql: &str| match connection {
        Connection::Sqlite(connection) => {
            connection.execute_batch(sql).map_err(|source| Fail::<Error>::Sql(source.into()).into_domain())
        }
        _ => Ok(()),
    };
    step(connection, begin)?;
    let result =
        at_once(job(connection)).unwrap_or_else(|| Err(Fail::Domain(Error::fault(crate::Error::Stopped))));
    match result {
        Ok(value) => {
            step(connection, "COMMIT")?;
            Ok(value)
        }
        Err(fail) => {
            step(connection, "ROLLBACK")?;
            Err(fail.into_domain())
        }
    }
}
