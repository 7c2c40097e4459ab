//! The last step of a merge into the branch that is checked out: files, branch, data.
//!
//! The step is written down before it begins and struck out when it is done. A process that dies in between leaves the
//! note, and the next command on branches goes on where it was: the outcome is the old state or the new one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::git::{current_branch, git, git_with, root, tip};
use crate::checkout::{CheckedOut, CheckoutOptions, checkout};
use crate::error::{Error, Result};
use crate::fsx;
use crate::repo::Repo;

/// How often, and how long, a lock of Git's is waited for.
const LOCK_TRIES: u32 = 30;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// The step to the merge commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) branch: String,
    pub(super) old: String,
    pub(super) new: String,
    pub(super) why: String,
}

fn note(repo: &Repo) -> PathBuf {
    repo.scratch_dir().join("merge.json")
}

/// Takes the step from a clean work tree. When Git refuses, everything is as it was.
pub(super) fn take(repo: &Repo, step: &Step) -> Result<CheckedOut> {
    let text = serde_json::to_string(step).map_err(|error| Error::invalid(error.to_string()))?;
    let lock = repo.lock()?;
    fsx::create_dirs(&repo.scratch_dir())?;
    fsx::write_text(&note(repo), &text)?;
    if let Err(error) = files(repo, &step.old, &step.new).and_then(|()| move_branch(repo, step)) {
        files(repo, &step.new, &step.old)?;
        fsx::remove(&note(repo))?;
        return Err(error);
    }
    drop(lock);
    data(repo)
}

/// Goes on with the step of a process that died, if there is one.
pub fn finish(repo: &Repo) -> Result<()> {
    if !note(repo).exists() {
        return Ok(());
    }
    // Whoever merges holds the repository's lock: while it is held the step is under way.
    let lock = repo.lock()?;
    let Some(text) = fsx::read_text(&note(repo))? else { return Ok(()) };
    let Ok(step) = serde_json::from_str::<Step>(&text) else { return fsx::remove(&note(repo)) };
    let root = root(repo)?;
    let at = tip(root, &step.branch)?;
    let here = current_branch(root)?.as_deref() == Some(step.branch.as_str());
    if !here || at.as_ref().is_none_or(|at| *at != step.old && *at != step.new) {
        // Somebody went elsewhere since: there is nothing left to finish.
        return fsx::remove(&note(repo));
    }
    unlock(root, &step.branch)?;
    refuse_edits(root, &step)?;
    files(repo, &step.old, &step.new)?;
    if at.as_deref() == Some(step.old.as_str()) {
        move_branch(repo, &step)?;
    }
    drop(lock);
    data(repo).map(drop)
}

fn data(repo: &Repo) -> Result<CheckedOut> {
    let done = checkout(repo, &[], CheckoutOptions { allow_unrecorded: true, ..CheckoutOptions::default() })?;
    fsx::remove(&note(repo))?;
    Ok(done)
}

fn move_branch(repo: &Repo, step: &Step) -> Result<()> {
    let name = format!("refs/heads/{}", step.branch);
    git(root(repo)?, &["update-ref", "-m", &step.why, &name, &step.new, &step.old])?.bytes().map(drop)
}

/// Brings the files that differ between two commits, in the index and the work tree, to the newer one.
fn files(repo: &Repo, from: &str, to: &str) -> Result<()> {
    let root = root(repo)?;
    let mut kept = Vec::new();
    let mut gone = Vec::new();
    for (status, path) in changed(root, from, to)? {
        let list = if status == b'D' { &mut gone } else { &mut kept };
        list.extend_from_slice(&path);
        list.push(0);
    }
    let quiet = ["-c", "core.hooksPath=/dev/null"];
    let listed = ["--pathspec-from-file=-", "--pathspec-file-nul"];
    if !gone.is_empty() {
        let args = [&quiet[..], &["rm", "-r", "-f", "-q", "--ignore-unmatch"], &listed].concat();
        git_with(root, &args, &gone, None)?.bytes()?;
    }
    if !kept.is_empty() {
        let args = [&quiet[..], &["checkout", "-q", to], &listed].concat();
        git_with(root, &args, &kept, None)?.bytes()?;
    }
    Ok(())
}

/// The paths that differ between two commits, each with its letter.
fn changed(root: &Path, from: &str, to: &str) -> Result<Vec<(u8, Vec<u8>)>> {
    let listed = git(root, &["diff-tree", "-r", "-z", "--no-renames", "--name-status", from, to])?.bytes()?;
    let mut fields = listed.split(|byte| *byte == 0);
    let mut found = Vec::new();
    while let (Some(status), Some(path)) = (fields.next(), fields.next()) {
        found.extend(status.first().map(|letter| (*letter, path.to_vec())));
    }
    Ok(found)
}

/// Fails when a file that the step changes holds neither the old nor the new content, nor the beginning of one of them:
/// Git writes files in place, so a killed one leaves such.
fn refuse_edits(root: &Path, step: &Step) -> Result<()> {
    for (_, path) in changed(root, &step.old, &step.new)? {
        let path = String::from_utf8_lossy(&path).into_owned();
        if !root.join(&path).is_file() {
            continue;
        }
        let now = git(root, &["hash-object", "--", &path])?.text()?;
        let known = |commit: &str| -> Result<bool> {
            let answer = git(root, &["rev-parse", "--verify", "--quiet", &format!("{commit}:{path}")])?;
            Ok(answer.code == 0 && answer.text()? == now)
        };
        if !known(&step.old)? && !known(&step.new)? && !is_torn(root, step, &path)? {
            return Err(Error::hinted(
                format!("'{path}' was edited before an interrupted merge of {} was finished", step.branch),
                "put the edit away with `git stash` and run the command again",
            ));
        }
    }
    Ok(())
}

/// Whether the file holds the beginning of what one of the commits has there.
fn is_torn(root: &Path, step: &Step, path: &str) -> Result<bool> {
    let at = root.join(path);
    let now = std::fs::read(&at).map_err(Error::io("read", &at))?;
    for commit in [&step.old, &step.new] {
        let whole = git(root, &["cat-file", "--filters", &format!("{commit}:{path}")])?;
        if whole.code == 0 && whole.bytes()?.starts_with(&now) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes the locks that a killed `git` left, on the index and on the branch: nobody holds them for three seconds.
fn unlock(root: &Path, branch: &str) -> Result<()> {
    for name in ["index.lock", "HEAD.lock", &format!("refs/heads/{branch}.lock")] {
        let lock = root.join(git(root, &["rev-parse", "--git-path", name])?.text()?);
        let mut tries = 0;
        while lock.exists() && tries < LOCK_TRIES {
            std::thread::sleep(LOCK_PAUSE);
            tries += 1;
        }
        if tries == LOCK_TRIES {
            fsx::remove(&lock)?;
        }
    }
    Ok(())
}
