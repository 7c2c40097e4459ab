//! `pull`: fetches, then brings the workspace to what is recorded.

use std::collections::HashSet;

use serde::Serialize;

use crate::checkout::{CheckedOut, CheckoutOptions, bring};
use crate::collect::{expand, unrecorded};
use crate::error::{Error, Result};
use crate::imports::{self, Outside};
use crate::index::Index;
use crate::remote::{OpenStore, Progress};
use crate::repo::Repo;
use crate::transfer::{Transfer, fetch};
use crate::workspace::Workspace;

/// What a pull did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Pulled {
    /// Objects that came into the cache.
    pub fetched: u64,
    /// Paths whose content is neither in the cache nor on the remote.
    pub missing: Vec<String>,
    /// What changed in the workspace.
    #[serde(flatten)]
    pub checkout: CheckedOut,
}

/// Fetches, then checks out the same selection of the workspace. An import that was only noted is downloaded; what it
/// brings is recorded by the next `update`. Outputs without their content are told as
/// failed, or passed over with `allow_missing`; while the workspace holds content that is in no cache nothing is
/// checked out, unless `force`.
pub fn pull(
    repo: &Repo,
    request: &Transfer,
    force: bool,
    allow_missing: bool,
    stores: &dyn OpenStore,
    progress: &dyn Progress,
) -> Result<Pulled> {
    let fetched = fetch(repo, request, stores, progress)?;
    let selection = &request.selection;
    let mut workspace = Workspace::open(repo)?;
    let mut index = Index::load_locked(&workspace)?;
    let outside = Outside { stores, progress, jobs: request.jobs, environment: repo.environment() };
    let (mut made, mut failure) = (Vec::new(), None);
    let mut noted = HashSet::new();
    for (at, out) in unrecorded(repo, &mut index, selection)? {
        let stage = &index.stages[at];
        let path = &stage.outs[out].path;
        match imports::download(&mut workspace, stage, &outside) {
            Ok(None) => continue,
            Ok(Some(imports::Download::Made)) => made.push(repo.show(path)),
            Ok(Some(imports::Download::Kept)) => {}
            Err(error) => failure = failure.or(Some(error)),
        }
        noted.insert(path.clone());
    }
    workspace.close()?;
    let options = CheckoutOptions {
        force,
        allow_missing,
        with_deps: selection.with_deps,
        recursive: selection.recursive,
        ..CheckoutOptions::default()
    };
    let mut done = match bring(repo, &expand(repo, selection)?, options, &noted) {
        Ok(done) => CheckedOut { failed: Vec::new(), unrecorded: Vec::new(), ..done },
        Err(Error::Incomplete { done }) => *done,
        Err(error) => return Err(error),
    };
    done.stats.added += made.len();
    done.added.extend(made);
    match failure {
        Some(error) => Err(error),
        None => Ok(Pulled { fetched: fetched.fetched, missing: fetched.missing, checkout: done }),
    }
}
