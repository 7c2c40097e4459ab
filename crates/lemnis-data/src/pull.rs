//! `pull`: fetches, then brings the workspace to what is recorded.

use serde::Serialize;

use crate::collect::{Wanted, collect, unrecorded};
use crate::error::{Error, Result};
use crate::fsx;
use crate::imports::{self, Outside};
use crate::index::Index;
use crate::remote::{OpenStore, Progress};
use crate::repo::Repo;
use crate::restore::Restored;
use crate::transfer::{Transfer, fetch};
use crate::workspace::Workspace;

/// What a pull did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Pulled {
    /// Objects that came into the cache.
    pub fetched: u64,
    /// Outputs that were missing in the workspace; directories end in `/`.
    pub added: Vec<String>,
    /// How many files those are.
    pub added_files: u64,
    /// Outputs that held something else.
    pub modified: Vec<String>,
    /// Paths whose content is neither in the cache nor on the remote.
    pub missing: Vec<String>,
    /// Outputs that could not be brought to what is recorded.
    pub failed: Vec<String>,
    /// Outputs that were never recorded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unrecorded: Vec<String>,
}

/// Fetches, then checks out the same selection of the workspace. An import that was only noted is downloaded; what it
/// brings is recorded by the next `update`. Outputs without their content are an entry in
/// `failed`, or passed over with `allow_missing`; content of the workspace that is in no cache is kept unless
/// `force`.
pub fn pull(
    repo: &Repo,
    request: &Transfer,
    force: bool,
    allow_missing: bool,
    stores: &dyn OpenStore,
    progress: &dyn Progress,
) -> Result<Pulled> {
    let fetched = fetch(repo, request, stores, progress)?;
    let mut done = Pulled { fetched: fetched.fetched, missing: fetched.missing, ..Pulled::default() };
    let mut workspace = Workspace::open(repo)?;
    let mut index = Index::load_locked(&workspace)?;
    let mut selection = request.selection.clone();
    (selection.all_branches, selection.all_tags, selection.all_commits) = (false, false, false);
    let wanted = collect(repo, &mut index, &selection)?;
    let cache = crate::cache::Cache::new(repo.config(), repo.scratch_dir());
    let mut failure: Option<Error> = None;
    let outside = Outside { stores, progress, jobs: request.jobs, environment: repo.environment() };
    for (at, out) in unrecorded(repo, &mut index, &selection)? {
        let stage = &index.stages[at];
        let path = repo.show(&stage.outs[out].path);
        match imports::download(&mut workspace, stage, &outside) {
            Ok(Some(imports::Download::Made)) => {
                done.added_files += 1;
                done.added.push(path);
            }
            Ok(Some(imports::Download::Kept)) => {}
            Ok(None) if allow_missing => {}
            Ok(None) => done.unrecorded.push(path),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    for one in wanted {
        let was_there = one.path.symlink_metadata().is_ok();
        let shown = format!("{}{}", one.label, if one.recorded.is_dir() { "/" } else { "" });
        let restored = match &one.parts {
            None => workspace.restore(&one.path, &one.recorded, force, &cache),
            Some(_) => restore_parts(&mut workspace, &one, force, &cache),
        };
        match restored {
            Ok(Restored::Unchanged) => {}
            Ok(Restored::Changed) if was_there => done.modified.push(shown),
            Ok(Restored::Changed) => {
                done.added_files += match &one.parts {
                    None => one.recorded.nfiles.unwrap_or(1),
                    Some(parts) => parts.len() as u64,
                };
                done.added.push(shown);
            }
            Err(Error::NotInCache { .. }) if allow_missing => {}
            Err(Error::NotInCache { .. }) => done.failed.push(one.label.clone()),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    workspace.close()?;
    failure.map_or(Ok(done), Err)
}

/// Checks out some files of a directory and leaves the others as they are.
fn restore_parts(
    workspace: &mut Workspace<'_>,
    wanted: &Wanted,
    force: bool,
    cache: &crate::cache::Cache,
) -> Result<Restored> {
    let recorded = &wanted.recorded;
    let missing = |missing| Error::NotInCache { path: wanted.label.clone(), missing };
    let tree = cache.tree(recorded.name, &recorded.md5)?.ok_or_else(|| missing(1))?;
    let mut state = Restored::Unchanged;
    for file in tree.into_iter().filter(|file| wanted.takes(&file.relpath)) {
        let recorded = crate::hash::Recorded {
            name: recorded.name,
            md5: file.md5,
            size: None,
            nfiles: None,
            isexec: false,
        };
        let path = wanted.path.join(&file.relpath);
        if let Some(parent) = path.parent() {
            fsx::create_dirs(parent)?;
        }
        if workspace.restore(&path, &recorded, force, cache)? == Restored::Changed {
            state = Restored::Changed;
        }
    }
    Ok(state)
}
