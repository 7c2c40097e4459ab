//! Group commit for metrics, by far the most frequent writes.
//!
//! Batches of metrics queue up; those that wait go into one transaction, the points of the same metric into one part.
//! Each is answered after the commit, and one that is refused (its run is not there, or deleted) harms no other.

use std::collections::{BTreeMap, HashMap};

use lemnis_tracking::{Error, Result, RunId};
use tokio::sync::{mpsc, oneshot};

use super::log;
use super::runs;
use crate::points::{self, Point};
use crate::postgres::Isolation;
use crate::sql::{Columns as _, Connection, List, query};
use crate::{Database, Fail};

/// Batches that share one transaction at most.
const GROUP: usize = 512;
/// Batches that may wait before callers do.
const WAITING: usize = 4096;
/// Parts of one metric after which they are packed.
const PARTS: u32 = 128;
/// Metrics whose parts are counted; beyond that the count starts anew.
const COUNTED: usize = 100_000;

/// A handle to the task that writes points. The task ends with the last handle.
#[derive(Clone)]
pub(crate) struct PointQueue {
    waiting: mpsc::Sender<(Points, oneshot::Sender<Result<()>>)>,
}

/// Points of one run, each with the number of its metric's name.
#[derive(Clone, Debug, Default)]
pub(super) struct Points {
    pub(super) run: String,
    pub(super) points: Vec<(i64, Point)>,
}

impl PointQueue {
    pub(crate) fn start(database: Database) -> Self {
        let (waiting, queue) = mpsc::channel(WAITING);
        tokio::spawn(work(database, queue));
        Self { waiting }
    }

    /// Adds `points` and returns once they are committed.
    pub(super) async fn log(&self, points: Points) -> Result<()> {
        let stopped = |_| Error::store(crate::Error::Stopped);
        let (answer, result) = oneshot::channel();
        self.waiting.send((points, answer)).await.map_err(|_| Error::store(crate::Error::Stopped))?;
        result.await.map_err(stopped)?
    }

    /// Waits until everything sent so far is written.
    pub(crate) async fn flush(&self) {
        // A run without a name is never there: the answer itself says nothing.
        let _ = self.log(Points::default()).await;
    }
}

async fn work(database: Database, mut queue: mpsc::Receiver<(Points, oneshot::Sender<Result<()>>)>) {
    let mut parts: HashMap<(i64, i64), u32> = HashMap::new();
    let mut group = Vec::new();
    while queue.recv_many(&mut group, GROUP).await > 0 {
        let (points, answers): (Vec<Points>, Vec<_>) = group.drain(..).unzip();
        let points = std::sync::Arc::new(points);
        let written: Result<Written> = database
            .write(Isolation::Committed, move |connection| {
                Box::pin(async move { write(connection, &points).await })
            })
            .await;
        match written {
            Ok(written) => {
                for (answer, result) in answers.into_iter().zip(written.results) {
                    // A caller that went away needs no answer.
                    let _ = answer.send(result.map_err(Error::from));
                }
                pack(&database, &mut parts, written.series).await;
            }
            Err(error) => {
                let error = std::sync::Arc::new(error);
                for answer in answers {
                    let _ = answer.send(Err(shared(error.clone())));
                }
            }
        }
    }
}

/// The failure that several callers share.
fn shared(error: std::sync::Arc<Error>) -> Error {
    match error.as_ref() {
        Error::Store { kind, .. } => Error::Store { kind: *kind, source: Box::new(SharedError(error)) },
        Error::Refused { code, message } => Error::Refused { code: *code, message: message.clone() },
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a write that several requests shared failed")]
struct SharedError(#[source] std::sync::Arc<Error>);

struct Written {
    results: Vec<Result<(), Refusal>>,
    /// Runs and metrics that points were added to.
    series: Vec<(i64, i64)>,
}

/// Why a batch was not taken.
enum Refusal {
    NoRun(RunId),
    NotActive(RunId, String),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoRun(id) => Error::no_run(&id),
            Refusal::NotActive(id, stage) => runs::not_active(&id, &stage),
        }
    }
}

async fn write(connection: &mut Connection, batches: &[Points]) -> Result<Written, Fail<Error>> {
    let mut ids: Vec<String> = batches.iter().map(|batch| batch.run.clone()).collect();
    ids.sort();
    ids.dedup();
    let mut runs: HashMap<String, (i64, String)> = HashMap::with_capacity(ids.len());
    query("SELECT run_id, id, lifecycle FROM run WHERE run_id IN (SELECT value FROM json_each(?))")
        .bind(List(ids))
        .each(connection, |row| {
            runs.insert(row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?));
            Ok(())
        })
        .await?;
    let mut results = Vec::with_capacity(batches.len());
    let mut series: BTreeMap<(i64, i64), Vec<Point>> = BTreeMap::new();
    for batch in batches {
        let id = || RunId::from(batch.run.as_str());
        results.push(match runs.get(&batch.run) {
            None => Err(Refusal::NoRun(id())),
            Some((_, stage)) if stage != "active" => Err(Refusal::NotActive(id(), stage.clone())),
            Some((run, _)) => {
                for (key, point) in &batch.points {
                    series.entry((*run, *key)).or_default().push(*point);
                }
                Ok(())
            }
        });
    }
    let changed = series.keys().copied().collect();
    log::put_points(connection, series).await?;
    Ok(Written { results, series: changed })
}

/// Counts the parts that were added and packs those of a metric that has many.
async fn pack(database: &Database, parts: &mut HashMap<(i64, i64), u32>, added: Vec<(i64, i64)>) {
    if parts.len() > COUNTED {
        parts.clear();
    }
    for (run, key) in added {
        let count = parts.entry((run, key)).or_default();
        *count += 1;
        if *count < PARTS {
            continue;
        }
        parts.remove(&(run, key));
        let packed: Result<()> = database
            .write(Isolation::Committed, move |connection| {
                Box::pin(async move { Ok(points::pack(connection, run, key).await?) })
            })
            .await;
        if let Err(error) = packed {
            tracing::warn!(%error, "points could not be packed; they are tried again later");
        }
    }
}
