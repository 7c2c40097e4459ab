//! Workers: processes that take tasks one after the other. Each holds a lock with its number as long as it
//! lives, so that nobody counts or starts it twice.

use std::path::PathBuf;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::fsx;
use crate::locks::{self, Lock};
use crate::repo::Repo;

const MOST: usize = 256;

/// The right to be worker number so-and-so.
pub struct Worker {
    stop: PathBuf,
    _lock: Lock,
}

/// Which workers there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Workers {
    /// How many run.
    pub alive: usize,
}

pub(super) fn dir(repo: &Repo) -> PathBuf {
    repo.tmp_dir().join("exps/lemnis")
}

/// Becomes worker `number`, or `None` when that one runs already.
pub fn take_worker(repo: &Repo, number: usize) -> Result<Option<Worker>> {
    fsx::create_dirs(&dir(repo))?;
    match locks::at_once(&dir(repo).join(format!("worker-{number}.lock"))) {
        Ok(lock) => {
            let stop = dir(repo).join(format!("worker-{number}.stop"));
            fsx::remove(&stop)?;
            Ok(Some(Worker { stop, _lock: lock }))
        }
        Err(Error::Locked { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Worker {
    /// Whether it shall take no further task.
    pub fn is_stopped(&self) -> bool {
        self.stop.exists()
    }
}

/// Where worker `number` writes what it does.
pub fn worker_log(repo: &Repo, number: usize) -> Result<PathBuf> {
    fsx::create_dirs(&dir(repo))?;
    Ok(dir(repo).join(format!("worker-{number}.out")))
}

fn alive(repo: &Repo) -> Vec<usize> {
    let runs = |number: &usize| {
        let path = dir(repo).join(format!("worker-{number}.lock"));
        path.exists() && matches!(locks::at_once(&path), Err(Error::Locked { .. }))
    };
    (1..=MOST).filter(runs).collect()
}

/// Counts the workers of this program.
pub fn workers(repo: &Repo) -> Workers {
    Workers { alive: alive(repo).len() }
}

/// Asks every worker to end after its present task, and says how many were asked.
pub fn stop_workers(repo: &Repo) -> Result<usize> {
    let numbers = alive(repo);
    for number in &numbers {
        fsx::write_text(&dir(repo).join(format!("worker-{number}.stop")), "")?;
    }
    Ok(numbers.len())
}
