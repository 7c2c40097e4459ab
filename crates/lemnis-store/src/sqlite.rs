//! The state in one SQLite file: a thread that writes, a few connections that read.
//!
//! Jobs that write queue up; those that wait are run in one transaction, each inside a savepoint, and answered after the
//! commit. A job that fails is rolled back alone. So a client that writes alone waits for one commit, and many clients
//! share it. What is acknowledged is in the write-ahead log: it survives the death of the process at any instruction.
//! `synchronous` is NORMAL, so a power cut may take the last commits, but never damages the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::OpenFlags;
use rusqlite::functions::FunctionFlags;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::sql::{self, Connection};
use crate::{Error, Fail, Fault, Pending};

/// How long a job waits for another process that holds the file.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(20);
/// Connections that read at the same time.
const READERS: usize = 4;
/// Statements that a connection keeps prepared.
const STATEMENTS: usize = 256;
/// Jobs that share one transaction at most.
const GROUP: usize = 256;
/// Jobs that may wait before callers do.
const WAITING: usize = 1024;

/// One database. Clones share it; the thread that writes ends with the last of them.
#[derive(Clone)]
pub(crate) struct Database {
    jobs: mpsc::Sender<Box<dyn Job>>,
    /// `None` where everything goes through the writer: a database in memory has one connection.
    readers: Option<Arc<Readers>>,
}

struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

/// Opens the file at `path`, making it if it is missing.
pub(crate) fn open(path: &Path) -> Result<Connection, Error> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    connect(path, flags).map_err(|source| Error::open(path.display(), source))
}

/// A database that is gone with its connection.
pub(crate) fn in_memory() -> Result<Connection, Error> {
    connect(Path::new(":memory:"), OpenFlags::default()).map_err(|source| Error::open(":memory:", source))
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, sql::Error> {
    let connection = rusqlite::Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "case_sensitive_like", true)?;
    add_regexp(&connection)?;
    Ok(Connection::Sqlite(connection))
}

/// Adds what SQLite calls for `text REGEXP pattern`; a pattern is compiled once a statement.
fn add_regexp(connection: &rusqlite::Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("regexp", 2, flags, |call| {
        type Failure = Box<dyn std::error::Error + Send + Sync>;
        let pattern = call.get_or_create_aux(0, |value| -> Result<regex::Regex, Failure> {
            Ok(regex::Regex::new(value.as_str()?)?)
        })?;
        let text = call
            .get_raw(1)
            .as_str_or_null()
            .map_err(|error| rusqlite::Error::UserFunctionError(error.into()))?;
        Ok(text.map(|text| pattern.is_match(text)))
    })
}

impl Database {
    /// Starts the thread that writes on `connection`; reads go to the file at `path`, if there is one.
    pub(crate) fn start(connection: Connection, path: Option<&Path>) -> Result<Self, Error> {
        let (jobs, waiting) = mpsc::channel(WAITING);
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || write(connection, waiting))
            .map_err(|source| Error::Thread { source })?;
        let readers = path.map(|path| {
            Arc::new(Readers {
                path: path.to_owned(),
                idle: Mutex::new(Vec::new()),
                permits: Semaphore::new(READERS),
            })
        });
        Ok(Self { jobs, readers })
    }

    /// Runs `job` on a connection that only reads.
    pub(crate) async fn read<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut Connection) -> Pending<'c, Result<T, Fail<E>>> + Send + 'static,
        T: Send + 'static,
        E: Fault,
    {
        let Some(readers) = self.readers.clone() else { return self.write(job).await };
        let stopped = || E::fault(Error::Stopped);
        let ended = tokio::task::spawn_blocking({
            let permit = readers.permits.acquire().await.map_err(|_| stopped())?;
            permit.forget();
            move || {
                let result = readers.run(job);
                readers.permits.add_permits(1);
                result
            }
        });
        ended.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Runs `job` in a transaction and returns after the commit.
    pub(crate) async fn write<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut Connection) -> Pending<'c, Result<T, Fail<E>>> + Send + 'static,
        T: Send + 'static,
        E: Fault,
    {
        let (answer, result) = oneshot::channel();
        let job: Box<dyn Job> = Box::new(Task { work: job, answer });
        self.jobs.send(job).await.map_err(|_| E::fault(Error::Stopped))?;
        result.await.unwrap_or_else(|_| Err(E::fault(Error::Stopped)))
    }

    /// Closes the connections that read and are idle.
    pub(crate) fn close_readers(&self) {
        if let Some(readers) = &self.readers {
            readers.idle.lock().clear();
        }
    }
}

impl Readers {
    fn run<T, E, F>(&self, job: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut Connection) -> Pending<'c, Result<T, Fail<E>>>,
        E: Fault,
    {
        let idle = self.idle.lock().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.connect().map_err(|source| Fail::Sql(source).into_domain())?,
        };
        let result =
            at_once(job(&mut connection)).unwrap_or_else(|| Err(Fail::Domain(E::fault(Error::Stopped))));
        self.idle.lock().push(connection);
        result.map_err(Fail::into_domain)
    }

    fn connect(&self) -> Result<Connection, sql::Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = connect(&self.path, flags)?;
        if let Connection::Sqlite(connection) = &connection {
            connection.pragma_update(None, "query_only", true)?;
        }
        Ok(connection)
    }
}

/// The result of a job on SQLite, which never waits; `None` where it does wait.
pub(crate) fn at_once<T>(mut job: Pending<'_, T>) -> Option<T> {
    match job.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

/// Tells the caller how its job ended, given why the shared transaction was lost, if it was.
type Reply = Box<dyn FnOnce(Option<Arc<sql::Error>>) + Send>;

/// A caller's work, its result type hidden.
trait Job: Send {
    /// Runs the work; `true` keeps what it wrote.
    fn run(self: Box<Self>, connection: &mut Connection) -> (bool, Reply);

    /// Answers without running.
    fn lose(self: Box<Self>, cause: Arc<sql::Error>);
}

struct Task<F, T, E> {
    work: F,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Job for Task<F, T, E>
where
    F: for<'c> FnOnce(&'c mut Connection) -> Pending<'c, Result<T, Fail<E>>> + Send + 'static,
    T: Send + 'static,
    E: Fault,
{
    fn run(self: Box<Self>, connection: &mut Connection) -> (bool, Reply) {
        let Task { work, answer } = *self;
        let result = match at_once(work(connection)) {
            Some(result) => result.map_err(Fail::into_domain),
            None => Err(E::fault(Error::Stopped)),
        };
        let keep = result.is_ok();
        let reply: Reply = Box::new(move |lost| {
            let result = match lost {
                Some(source) if result.is_ok() => Err(E::fault(Error::lost(source))),
                _ => result,
            };
            // A caller that went away needs no answer.
            let _ = answer.send(result);
        });
        (keep, reply)
    }

    fn lose(self: Box<Self>, cause: Arc<sql::Error>) {
        let _ = self.answer.send(Err(E::fault(Error::lost(cause))));
    }
}

fn write(mut connection: Connection, mut waiting: mpsc::Receiver<Box<dyn Job>>) {
    while let Some(first) = waiting.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP {
            match waiting.try_recv() {
                Ok(job) => group.push(job),
                Err(_) => break,
            }
        }
        commit(&mut connection, group);
    }
    if let Connection::Sqlite(connection) = connection
        && let Err((_, error)) = connection.close()
    {
        tracing::warn!(%error, "the state's database did not close cleanly");
    }
}

/// Runs `group` in one transaction, then answers.
fn commit(connection: &mut Connection, group: Vec<Box<dyn Job>>) {
    if let Err(error) = execute(connection, "BEGIN IMMEDIATE") {
        let cause = Arc::new(error);
        group.into_iter().for_each(|job| job.lose(cause.clone()));
        return;
    }
    let alone = group.len() == 1;
    let mut replies: Vec<Reply> = Vec::with_capacity(group.len());
    let mut lost: Option<Arc<sql::Error>> = None;
    let mut keep_any = false;
    for job in group {
        if let Some(cause) = &lost {
            job.lose(cause.clone());
            continue;
        }
        if !alone && let Err(error) = execute(connection, "SAVEPOINT job") {
            let cause = Arc::new(error);
            job.lose(cause.clone());
            lost = Some(cause);
            continue;
        }
        let (keep, reply) = job.run(connection);
        replies.push(reply);
        keep_any |= keep;
        let ended = match (alone, keep) {
            (true, _) => Ok(()),
            (false, true) => execute(connection, "RELEASE job"),
            (false, false) => {
                execute(connection, "ROLLBACK TO job").and_then(|()| execute(connection, "RELEASE job"))
            }
        };
        lost = ended.err().map(Arc::new);
    }
    if lost.is_none() && keep_any {
        lost = execute(connection, "COMMIT").err().map(Arc::new);
    }
    if lost.is_some() || !keep_any {
        // SQLite may have ended the transaction by itself: then there is nothing to roll back.
        let _ = execute(connection, "ROLLBACK");
    }
    if let Some(error) = &lost {
        tracing::error!(%error, "a transaction was lost");
    }
    for reply in replies {
        reply(lost.clone());
    }
}

fn execute(connection: &mut Connection, sql: &'static str) -> Result<(), sql::Error> {
    let Connection::Sqlite(connection) = connection else { return Ok(()) };
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
