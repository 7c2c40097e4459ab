//! `exp run --temp`: runs an experiment in a workspace apart, without the queue.

use crate::error::Result;
use crate::experiments::capture::capture;
use crate::experiments::queue::{Enqueue, claim};
use crate::experiments::temporary::{self, Temporary};
use crate::experiments::{Experiment, experiment_name};
use crate::fsx;
use crate::locks::Lock;
use crate::repo::Repo;

/// An experiment that this process runs in a workspace apart.
pub struct Apart {
    /// The workspace.
    pub run: Temporary,
    commit: String,
    claim: Option<Lock>,
}

/// Makes the workspace. `seed` makes made-up names differ between calls.
pub fn open_apart(repo: &Repo, request: &Enqueue, seed: u64) -> Result<Apart> {
    let name = experiment_name(repo, request.name.as_deref(), request.how.force, seed)?;
    let copies = temporary::checked_paths(repo, &request.copy_paths)?;
    let stashed = capture(repo, &name, &request.overrides, &request.how)?;
    let claim = claim(repo, &stashed.commit)?;
    let mut run = Temporary::open(repo, &stashed, &copies, request.message.clone(), "tempdir")?;
    run.request.jobs = request.how.jobs;
    Ok(Apart { run, commit: stashed.commit, claim })
}

/// Keeps the experiment when the pipeline ran to its end, and removes the workspace.
pub fn close_apart(repo: &Repo, apart: Apart, success: bool) -> Result<Option<Experiment>> {
    let Apart { mut run, commit, claim } = apart;
    let saved = if success { run.save(repo).map(Some) } else { Ok(None) };
    run.close(repo)?;
    drop(claim);
    fsx::remove(&crate::experiments::queue::run_dir(repo, &commit))?;
    saved
}
