//! Brings outputs back from the cache.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::index::Index;
use crate::output::Restored;
use crate::repo::Repo;
use crate::workspace::Workspace;

/// How to check out.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckoutOptions {
    /// Overwrite content that is in no cache.
    pub force: bool,
}

/// What a checkout changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CheckedOut {
    /// Outputs that were missing.
    pub added: Vec<String>,
    /// Outputs that held something else.
    pub modified: Vec<String>,
}

/// Makes cached outputs of the targets (all stages without targets) hold what is recorded. Outputs that
/// cannot be restored do not keep others from it; the first failure is returned after the rest is done.
pub fn checkout(repo: &Repo, targets: &[String], options: CheckoutOptions) -> Result<CheckedOut> {
    let mut workspace = Workspace::open(repo)?;
    let index = Index::load_locked(&workspace)?;
    let chosen =
        if targets.is_empty() { (0..index.stages.len()).collect() } else { index.find_all(repo, targets)? };
    let mut done = CheckedOut::default();
    let mut failure: Option<Error> = None;
    let cache = crate::cache::Cache::new(repo.config(), repo.scratch_dir());
    for at in chosen {
        for out in index.stages[at].outs.iter().filter(|out| out.cache) {
            let Some(recorded) = &out.recorded else { continue };
            let was_there = out.path.symlink_metadata().is_ok();
            match workspace.restore(&out.path, recorded, options.force, &cache) {
                Ok(Restored::Unchanged) => {}
                Ok(Restored::Changed) if was_there => done.modified.push(repo.show(&out.path)),
                Ok(Restored::Changed) => done.added.push(repo.show(&out.path)),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
    }
    workspace.close()?;
    failure.map_or(Ok(done), Err)
}
