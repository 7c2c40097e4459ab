//! Switches the work tree to another branch, Git's files and data together.
//!
//! Everything is judged first: data that would be lost, or that the cache lacks, keeps both as they are. A process that
//! dies between Git's switch and the checkout leaves data that `status` calls modified; switching again finishes.

use serde::Serialize;

use super::git::{check_name, current_branch, git, no_branch, root, tip};
use super::{journal, list};
use crate::cache::Cache;
use crate::checkout::{CheckedOut, CheckoutOptions, checkout};
use crate::error::{Error, Result};
use crate::hash::HashName;
use crate::index::Index;
use crate::repo::Repo;
use crate::workspace::Workspace;

/// What a switch did.
#[derive(Clone, Debug, Serialize)]
pub struct Switched {
    /// The branch that is checked out now.
    pub branch: String,
    /// Its commit.
    pub commit: String,
    /// Whether it was made.
    pub created: bool,
    /// What changed in the workspace.
    pub data: CheckedOut,
}

/// Checks out the branch `name` with its data; with `create` it is made first, at revision `from` or where HEAD is.
/// `allow_missing` leaves out data that is not in the cache.
pub fn switch_branch(
    repo: &Repo,
    name: &str,
    create: bool,
    from: Option<&str>,
    allow_missing: bool,
) -> Result<Switched> {
    journal::finish(repo)?;
    let root = root(repo)?;
    check_name(root, name)?;
    let commit = match (create, tip(root, name)?) {
        (false, Some(commit)) => commit,
        (false, None) => return Err(no_branch(name)),
        (true, Some(_)) => {
            return Err(Error::hinted(
                format!("there is a branch '{name}' already"),
                "leave --create out to switch to it",
            ));
        }
        (true, None) => repo.resolve(from.unwrap_or("HEAD"))?,
    };
    judge(repo, &commit, allow_missing)?;
    if create {
        list::create_branch(repo, name, Some(&commit))?;
    }
    if current_branch(root)?.as_deref() != Some(name) {
        let answer = git(root, &["switch", "--quiet", "--no-guess", name])?;
        if answer.code != 0 {
            if create {
                git(root, &["branch", "-D", "--", name])?;
            }
            let Error::Git { message, .. } = answer.error() else { return Err(no_branch(name)) };
            let message = message.replace('\t', "").replace("; ", ", ");
            return Err(Error::hinted(
                format!("git does not switch: {message}"),
                "commit the changes, or put them away with `git stash`",
            ));
        }
    }
    let data = checkout(
        repo,
        &[],
        CheckoutOptions { allow_missing, allow_unrecorded: true, ..CheckoutOptions::default() },
    )?;
    Ok(Switched { branch: name.to_owned(), commit, created: create, data })
}

/// Fails while the workspace holds data that no cache has where the commit has other data, or none, and when the cache
/// lacks what the commit has.
fn judge(repo: &Repo, commit: &str, allow_missing: bool) -> Result<()> {
    let mut workspace = Workspace::open(repo)?;
    let cache = Cache::new(repo.config(), repo.scratch_dir());
    let Some(target) = repo.at_commit(commit)? else {
        return Err(Error::hinted(
            "there is no data repository at that revision",
            "switch with `git switch` to where it has none",
        ));
    };
    let (here, there) = (Index::load_locked(&workspace)?, Index::load(&target)?);
    let outs = |index: &Index| {
        let outs = index.stages.iter().flat_map(|stage| stage.outs.clone());
        outs.filter(|out| out.cache).collect::<Vec<_>>()
    };
    let there = outs(&there);
    let (mut unsaved, mut missing) = (Vec::new(), 0);
    for out in outs(&here) {
        let same = there.iter().any(|other| other.path == out.path && other.recorded == out.recorded);
        let unchanged = match &out.recorded {
            Some(recorded) if same => {
                let now = workspace.snapshot(&out.path, recorded.name)?;
                now.is_none_or(|now| now.recorded.md5 == recorded.md5)
            }
            _ => false,
        };
        if !unchanged {
            unsaved.extend(workspace.unsaved(&out.path, HashName::Md5, &cache)?);
        }
    }
    let mut lacking = None;
    for out in &there {
        if !here.stages.iter().flat_map(|stage| &stage.outs).any(|other| other.path == out.path) {
            unsaved.extend(workspace.unsaved(&out.path, HashName::Md5, &cache)?);
        }
        let lacks = out.recorded.as_ref().map_or(Ok(0), |recorded| cache.missing(recorded))?;
        missing += lacks;
        if lacks > 0 {
            lacking.get_or_insert(repo.in_repo(&out.path));
        }
    }
    workspace.close()?;
    if !unsaved.is_empty() {
        return Err(Error::Unsaved { paths: unsaved.iter().map(|path| repo.show(path)).collect() });
    }
    match lacking {
        Some(path) if !allow_missing => Err(Error::hinted(
            format!("the cache lacks {missing} object(s) of that branch, the first of '{path}'"),
            "fetch them with `lemnis fetch --all-branches`, or leave them out with --allow-missing",
        )),
        _ => Ok(()),
    }
}
