//! The one connection that writes.
//!
//! Jobs queue up; those that wait are run in one transaction, each inside a savepoint, and answered after the commit.
//! A job that fails is rolled back alone. So a client that logs alone waits for one commit, and many clients share it.

use std::pin::Pin;
use std::sync::Arc;

use sqlx::sqlite::SqliteConnection;
use tokio::sync::{mpsc, oneshot};

use crate::{Error, Fail, Fault, Names};

/// Work in progress on a connection.
pub(crate) type Pending<'c, T> = Pin<Box<dyn Future<Output = T> + Send + 'c>>;

/// Jobs that share one transaction at most.
const GROUP: usize = 256;
/// Jobs that may wait before callers do.
const WAITING: usize = 1024;

/// A handle to the writing task. The task ends, and closes its connection, with the last handle.
#[derive(Clone)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Box<dyn Job>>,
}

/// Tells the caller how its job ended, given why the shared transaction was lost, if it was.
type Reply = Box<dyn FnOnce(Option<Arc<sqlx::Error>>) + Send>;

/// A caller's work, its result type hidden.
trait Job: Send {
    /// Runs the work; `true` keeps what it wrote.
    fn run<'c>(self: Box<Self>, connection: &'c mut SqliteConnection) -> Pending<'c, (bool, Reply)>;

    /// Answers without running.
    fn lose(self: Box<Self>, cause: Arc<sqlx::Error>);
}

struct Task<F, T, E> {
    work: F,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Job for Task<F, T, E>
where
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> Pending<'c, Result<T, Fail<E>>> + Send + 'static,
    T: Send + 'static,
    E: Fault,
{
    fn run<'c>(self: Box<Self>, connection: &'c mut SqliteConnection) -> Pending<'c, (bool, Reply)> {
        let Task { work, answer } = *self;
        let running = work(connection);
        Box::pin(async move {
            let result = running.await.map_err(Fail::into_domain);
            let keep = result.is_ok();
            let reply: Reply = Box::new(move |lost| {
                let result = match lost {
                    Some(source) if result.is_ok() => Err(E::fault(Error::Lost { source })),
                    _ => result,
                };
                // A caller that went away needs no answer.
                let _ = answer.send(result);
            });
            (keep, reply)
        })
    }

    fn lose(self: Box<Self>, cause: Arc<sqlx::Error>) {
        let _ = self.answer.send(Err(E::fault(Error::Lost { source: cause })));
    }
}

impl Writer {
    pub(crate) fn start(connection: SqliteConnection, names: Arc<Names>) -> Self {
        let (jobs, waiting) = mpsc::channel(WAITING);
        tokio::spawn(write(connection, waiting, names));
        Self { jobs }
    }

    /// Runs `work` in a transaction and returns after the commit.
    pub(crate) async fn run<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Pending<'c, Result<T, Fail<E>>> + Send + 'static,
        T: Send + 'static,
        E: Fault,
    {
        let (answer, result) = oneshot::channel();
        let job: Box<dyn Job> = Box::new(Task { work, answer });
        self.jobs.send(job).await.map_err(|_| E::fault(Error::Stopped))?;
        result.await.unwrap_or_else(|_| Err(E::fault(Error::Stopped)))
    }

    /// Waits until everything sent so far is committed.
    pub(crate) async fn flush(&self) {
        let nothing: Result<(), lemnis_tracking::Error> = self.run(|_| Box::pin(async { Ok(()) })).await;
        if let Err(error) = nothing {
            tracing::warn!(%error, "the last writes could not be awaited");
        }
    }
}

async fn write(
    mut connection: SqliteConnection,
    mut waiting: mpsc::Receiver<Box<dyn Job>>,
    names: Arc<Names>,
) {
    while let Some(first) = waiting.recv().await {
        let mut group = vec![first];
        while group.len() < GROUP {
            match waiting.try_recv() {
                Ok(job) => group.push(job),
                Err(_) => break,
            }
        }
        commit(&mut connection, group, &names).await;
    }
    crate::end(connection).await;
}

/// Runs `group` in one transaction, then answers.
async fn commit(connection: &mut SqliteConnection, group: Vec<Box<dyn Job>>, names: &Names) {
    if let Err(error) = execute(connection, "BEGIN IMMEDIATE").await {
        let cause = Arc::new(error);
        group.into_iter().for_each(|job| job.lose(cause.clone()));
        return;
    }
    let alone = group.len() == 1;
    let mut replies: Vec<Reply> = Vec::with_capacity(group.len());
    let mut lost: Option<Arc<sqlx::Error>> = None;
    let mut keep_any = false;
    for job in group {
        if let Some(cause) = &lost {
            job.lose(cause.clone());
            continue;
        }
        if !alone && let Err(error) = execute(connection, "SAVEPOINT job").await {
            let cause = Arc::new(error);
            job.lose(cause.clone());
            lost = Some(cause);
            continue;
        }
        let (keep, reply) = job.run(connection).await;
        replies.push(reply);
        keep_any |= keep;
        if !keep {
            names.forget();
        }
        let ended = match (alone, keep) {
            (true, _) => Ok(()),
            (false, true) => execute(connection, "RELEASE job").await,
            (false, false) => execute(connection, "ROLLBACK TO job; RELEASE job").await,
        };
        lost = ended.err().map(Arc::new);
    }
    if lost.is_none() && keep_any {
        lost = execute(connection, "COMMIT").await.err().map(Arc::new);
    }
    if lost.is_some() || !keep_any {
        names.forget();
        // SQLite may have ended the transaction by itself: then there is nothing to roll back.
        let _ = execute(connection, "ROLLBACK").await;
    }
    if let Some(error) = &lost {
        tracing::error!(%error, "a transaction was lost");
    }
    for reply in replies {
        reply(lost.clone());
    }
}

async fn execute(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(sql).execute(&mut *connection).await.map(|_| ())
}
