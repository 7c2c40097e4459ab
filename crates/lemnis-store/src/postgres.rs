//! The state in a PostgreSQL database, which many servers may share.
//!
//! A job that writes runs in a transaction of its own and is done again where another transaction was in its way, so
//! that a rule which holds for one writer holds for many. A connection that is lost is replaced by the next job; a job
//! that was not committed is done again.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::Mutex;

use crate::sql::{self, Connection};
use crate::{Error, Fail, Fault, Pending};

/// Connections of one server.
const CONNECTIONS: u32 = 12;
/// How long a job waits for a connection: longer than a restart of the database that nobody should notice.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(8);
/// Statements that a connection keeps prepared.
const STATEMENTS: usize = 256;
/// How often a job is done again.
const ATTEMPTS: u32 = 24;
/// How often a job is done again whose connection was lost.
const LOST_ATTEMPTS: u32 = 4;
/// The longest pause between two attempts.
const LONGEST_PAUSE_MS: u64 = 400;
/// The advisory locks: one while the schema is changed, one while a server leads.
const MIGRATION_LOCK: i64 = 0x6c65_6d6e_6973_0001;
const LEADER_LOCK: i64 = 0x6c65_6d6e_6973_0002;

/// How much of other transactions a job may see.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Isolation {
    /// As if it ran alone: for rules that look at more than the rows they change.
    Serializable,
    /// Each statement sees what was committed before it: for jobs whose rules hold row by row.
    Committed,
}

/// A pool of connections. Clones share it.
#[derive(Clone)]
pub(crate) struct Database {
    pool: PgPool,
    options: PgConnectOptions,
    /// The connection that holds the leader's lock, if this server leads.
    leading: Arc<Mutex<Option<sqlx::PgConnection>>>,
}

/// The options that `url` and libpq's environment variables (`PGPASSWORD`, `PGPASSFILE`…) say.
fn options(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    Ok(PgConnectOptions::from_str(url)?
        .application_name("lemnis")
        .statement_cache_capacity(STATEMENTS)
        .disable_statement_logging())
}

impl Database {
    /// Connects to `url`, giving up after `ACQUIRE_TIMEOUT`.
    pub(crate) async fn connect(url: &str) -> Result<Self, Error> {
        let cannot = |source: sqlx::Error| Error::open(shown(url), source.into());
        let options = options(url).map_err(cannot)?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // Compiling a statement takes longer than running any of ours.
            .after_connect(|connection, _| {
                Box::pin(async move {
                    sqlx::query("SET jit = off").execute(connection).await?;
                    Ok(())
                })
            })
            .connect_with(options.clone())
            .await
            .map_err(cannot)?;
        Ok(Self { pool, options, leading: Arc::default() })
    }

    /// A connection that holds the lock of the schema; let go with [`Self::unlock`] or by closing it.
    pub(crate) async fn locked(&self) -> Result<Connection, sql::Error> {
        let mut connection = self.pool.acquire().await?;
        sqlx::query("SELECT pg_advisory_lock($1)").bind(MIGRATION_LOCK).execute(&mut *connection).await?;
        Ok(Connection::Postgres(connection))
    }

    pub(crate) async fn unlock(&self, connection: Connection) {
        if let Connection::Postgres(connection) = connection {
            // The lock goes with the session.
            let _ = connection.close().await;
        }
    }

    /// Runs `job` on a connection, each statement for itself.
    pub(crate) async fn read<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut Connection) -> Pending<'c, Result<T, Fail<E>>> + Clone + Send + Sync,
        E: Fault,
    {
        let mut failed = 0;
        loop {
            match self.try_read(job.clone()).await {
                Ok(result) => return Ok(result),
                Err(fail) => pause(fail, &mut failed).await?,
            }
        }
    }

    async fn try_read<T, E, F>(&self, job: F) -> Result<T, Fail<E>>
    where
        F: for<'c> FnOnce(&'c mut Connection) -> Pending<'c, Result<T, Fail<E>>>,
    {
        let mut connection = Connection::Postgres(self.pool.acquire().await.map_err(sql::Error::from)?);
        job(&mut connection).await
    }

    /// Runs `job` in a transaction and returns after the commit.
    pub(crate) async fn write<T, E, F>(&self, isolation: Isolation, job: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut Connection) -> Pending<'c, Result<T, Fail<E>>> + Clone + Send + Sync,
        E: Fault,
    {
        let mut failed = 0;
        loop {
            match self.try_write(isolation, job.clone()).await {
                Ok(result) => return Ok(result),
                Err(fail) => pause(fail, &mut failed).await?,
            }
        }
    }

    async fn try_write<T, E, F>(&self, isolation: Isolation, job: F) -> Result<T, Fail<E>>
    where
        F: for<'c> FnOnce(&'c mut Connection) -> Pending<'c, Result<T, Fail<E>>>,
        E: Fault,
    {
        let begin = match isolation {
            Isolation::Serializable => "BEGIN ISOLATION LEVEL SERIALIZABLE",
            Isolation::Committed => "BEGIN ISOLATION LEVEL READ COMMITTED",
        };
        let transaction = self.pool.begin_with(begin).await.map_err(sql::Error::from)?;
        let mut connection = Connection::Transaction(transaction);
        let result = job(&mut connection).await?;
        let Connection::Transaction(transaction) = connection else { return Ok(result) };
        match transaction.commit().await.map_err(sql::Error::from) {
            Ok(()) => Ok(result),
            Err(error) if error.is_conflict() => Err(error.into()),
            // Whether it was committed is not known: doing it again could do it twice.
            Err(error) => Err(Fail::Domain(E::fault(Error::lost(Arc::new(error))))),
        }
    }

    /// Whether this server leads: of all that share the database, one does, until its connection ends.
    pub(crate) async fn leads(&self) -> bool {
        let mut leading = self.leading.lock().await;
        if let Some(connection) = leading.as_mut() {
            if connection.ping().await.is_ok() {
                return true;
            }
            *leading = None;
            tracing::warn!("the connection that made this server the leader is lost");
        }
        let Ok(mut connection) = self.options.connect().await else { return false };
        let locked = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(LEADER_LOCK)
            .fetch_one(&mut connection)
            .await;
        match locked {
            Ok(true) => {
                *leading = Some(connection);
                tracing::info!("this server leads: it advances rollouts and runs monitors");
                true
            }
            _ => {
                let _ = connection.close().await;
                false
            }
        }
    }

    pub(crate) async fn close(&self) {
        if let Some(connection) = self.leading.lock().await.take() {
            let _ = connection.close().await;
        }
        self.pool.close().await;
    }
}

/// Waits a moment where the job may be done again, because others were in its way or its connection was lost; passes the
/// failure on where it may not.
async fn pause<E: Fault>(fail: Fail<E>, failed: &mut u32) -> Result<(), E> {
    let error = match fail {
        Fail::Sql(error) => error,
        Fail::Domain(error) => return Err(error),
    };
    *failed += 1;
    // Waiting for a connection has taken its time already.
    let timed_out = matches!(error, sql::Error::Postgres(sqlx::Error::PoolTimedOut));
    let lost = error.is_away() && !timed_out && *failed < LOST_ATTEMPTS;
    let in_the_way = error.is_conflict() && *failed < ATTEMPTS;
    if !lost && !in_the_way {
        return Err(Fail::Sql(error).into_domain());
    }
    let most = (1 << (*failed).min(10)).min(LONGEST_PAUSE_MS);
    tokio::time::sleep(Duration::from_millis(rand::random_range(0..=most))).await;
    Ok(())
}

/// The URL without its password.
pub(crate) fn shown(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed) => {
            if parsed.password().is_some() {
                let _ = parsed.set_password(Some("***"));
            }
            // A password may be a parameter as well.
            parsed.set_query(None);
            parsed.to_string()
        }
        Err(_) => "postgres://…".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(shown("postgres://ada:secret@db:5432/x?password=secret"), "postgres://ada:***@db:5432/x");
        assert_eq!(shown("postgres://ada:se#c/ret@db"), "postgres://…");
    }
}
