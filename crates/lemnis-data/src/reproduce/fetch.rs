//! Brings objects and earlier results that the cache lacks from their remotes.
//!
//! What cannot be brought stays missing, as in DVC: the caller looks again, and runs what it cannot have.

use super::Observer;
use crate::collect::Wanted;
use crate::error::Result;
use crate::imports::{self, Outside};
use crate::remote::{OpenStore, Remote, Silent};
use crate::transfer::{fetch_from, holds};
use crate::versioned;
use crate::workspace::Workspace;

/// Fetches the objects of `wanted`.
pub(super) fn fetch(workspace: &Workspace<'_>, wanted: &[Wanted], observer: &dyn Observer) -> Result<()> {
    let Some(stores) = observer.stores() else { return Ok(()) };
    for one in wanted {
        if !holds(&workspace.cache, std::slice::from_ref(one))?
            && let Err(error) = fetch_one(workspace, one, stores)
        {
            observer.fetch_failed(&one.label, &error);
        }
    }
    Ok(())
}

fn fetch_one(workspace: &Workspace<'_>, wanted: &Wanted, stores: &dyn OpenStore) -> Result<()> {
    let (repo, cache) = (workspace.repo, &workspace.cache);
    let moved = if wanted.source.is_some() {
        let outside = Outside { stores, progress: &Silent, jobs: None, environment: repo.environment() };
        imports::fetch_objects(repo, cache, wanted, &outside)?
    } else {
        let remote = Remote::open_any(repo.config(), wanted.remote.as_deref(), stores, None)?;
        let (wanted, missing) = (std::slice::from_ref(wanted), &mut Vec::new());
        match remote.versioned {
            true => versioned::fetch(repo, &remote, cache, wanted, &Silent, missing)?,
            false => fetch_from(&remote, cache, wanted, &Silent, missing)?,
        }
    };
    moved.failed.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
}

/// Fetches what earlier runs made, without their objects.
pub(super) fn fetch_runs(workspace: &Workspace<'_>, observer: &dyn Observer) {
    let Some(stores) = observer.stores() else { return };
    let remote = Remote::open(workspace.repo.config(), None, stores, None);
    if let Err(error) = remote.and_then(|remote| remote.download_runs(&workspace.cache)) {
        observer.fetch_failed("the run-cache", &error);
    }
}
