//! Merges a branch into another: data by path, everything else as Git does.
//!
//! The merge is made beside the work tree, as Git objects; only a whole and checked one is brought in, in one step that
//! survives a crash (see `journal`). A conflict of data or of Git's own files changes nothing at all.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use lemnis_core::Digest;
use serde::Serialize;

use super::git::{check_name, current_branch, git, no_branch, root, tip};
use super::journal::{self, Step};
use super::merged_tree::{Sides, judge, tree};
use super::records::Records;
use super::threeway::Side;
use crate::cache::Cache;
use crate::checkout::CheckedOut;
use crate::error::{Error, Result};
use crate::index::Index;
use crate::repo::Repo;
use crate::workspace::Workspace;

/// How to merge.
#[derive(Clone, Debug, Default)]
pub struct MergeOptions {
    /// The branch to merge into (default: the one that is checked out). Another one moves without a checkout.
    pub into: Option<String>,
    /// Which side settles conflicts of data.
    pub strategy: Option<Side>,
    /// Only say what would come of it.
    pub dry_run: bool,
    /// The message of the merge commit.
    pub message: Option<String>,
}

/// What came of a merge.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MergeReport {
    /// What was merged, as it was named.
    pub from: String,
    /// The branch that it was merged into.
    pub into: String,
    /// The merge commit; nothing after a dry run, a conflict, or when there was nothing to merge.
    pub commit: Option<String>,
    /// The branch holds everything already.
    pub up_to_date: bool,
    /// Nothing was to be changed.
    pub dry_run: bool,
    /// The outputs that differ from what the branch held before.
    pub outputs: Vec<MergedOutput>,
    /// What both sides changed, by path. With any of them nothing was changed.
    pub conflicts: Vec<Conflict>,
    /// What changed in the workspace.
    pub data: CheckedOut,
}

/// A tracked output that the merge changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MergedOutput {
    /// Relative to the repository's root.
    pub path: String,
    /// What the branch held before.
    pub old: Option<Digest>,
    /// What it holds after.
    pub new: Option<Digest>,
    /// How many files are new.
    pub added: usize,
    /// How many have other content.
    pub modified: usize,
    /// How many go.
    pub deleted: usize,
}

/// A path that both sides changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Conflict {
    /// Relative to the repository's root.
    pub path: String,
    /// What kind of file it is.
    pub kind: ConflictKind,
    /// What both started from.
    pub base: Option<Digest>,
    /// What the branch that is merged into holds.
    pub ours: Option<Digest>,
    /// What the merged one holds.
    pub theirs: Option<Digest>,
}

/// What a conflict is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictKind {
    /// Tracked data.
    Data,
    /// What a `.dvc` file or `dvc.lock` says beside the content.
    Record,
    /// A file in Git.
    Git,
}

/// Merges `branch`. Refuses while Git's files or data in the workspace are not committed.
pub fn merge_branch(repo: &Repo, branch: &str, options: &MergeOptions) -> Result<MergeReport> {
    journal::finish(repo)?;
    let root = root(repo)?;
    let current = current_branch(root)?;
    let into = match (&options.into, &current) {
        (Some(into), _) => into.clone(),
        (None, Some(current)) => current.clone(),
        (None, None) => {
            return Err(Error::hinted(
                "no branch is checked out",
                "name the branch to merge into with --into",
            ));
        }
    };
    check_name(root, &into)?;
    let ours = tip(root, &into)?.ok_or_else(|| no_branch(&into))?;
    let theirs = repo.resolve(branch)?;
    let here = current.as_ref() == Some(&into);
    let mut report = MergeReport {
        from: branch.to_owned(),
        into: into.clone(),
        dry_run: options.dry_run,
        ..MergeReport::default()
    };
    let found = git(root, &["merge-base", "--all", &ours, &theirs])?;
    let bases = String::from_utf8_lossy(&found.stdout).into_owned();
    let bases: Vec<&str> = bases.lines().collect();
    if bases.is_empty() {
        return Err(Error::invalid(format!("'{branch}' and '{into}' have no common history")));
    }
    if bases == [theirs.as_str()] {
        report.up_to_date = true;
        return Ok(report);
    }
    let mut workspace = Workspace::open(repo)?;
    if here && !options.dry_run {
        refuse_changes(repo, &mut workspace)?;
    } else if !here && !options.dry_run {
        refuse_other_worktree(root, &into)?;
    }
    let cache = Cache::new(repo.config(), repo.scratch_dir());
    let sides = Sides { bases: &bases, ours: &ours, theirs: &theirs };
    let mut records = Records {
        repo,
        cache: &cache,
        prefer: options.strategy,
        places: places(repo, &[&ours, &theirs])?,
        conflicts: Vec::new(),
        objects: Vec::new(),
        trees: HashMap::new(),
    };
    let tree = tree(repo, &sides, &mut records)?;
    report.conflicts = std::mem::take(&mut records.conflicts);
    report.conflicts.sort_by(|a, b| a.path.cmp(&b.path));
    report.conflicts.dedup();
    let Some(tree) = tree.filter(|_| report.conflicts.is_empty()) else {
        workspace.close()?;
        return Ok(report);
    };
    let changes = judge(repo, &sides, &tree, &records, here.then_some(&mut workspace))?;
    report.outputs = changes;
    if options.dry_run {
        workspace.close()?;
        return Ok(report);
    }
    let mut batch = cache.batch();
    for (md5, bytes) in &records.objects {
        batch.add_bytes(md5, bytes)?;
    }
    batch.commit()?;
    let default = format!("Merge branch '{branch}' into {into}");
    let message = options.message.as_deref().unwrap_or(&default);
    let commit = commit(root, &tree, &sides, message)?;
    let why = format!("data merge {branch}");
    let step = Step { branch: into, old: ours.clone(), new: commit.clone(), why };
    workspace.close()?;
    report.commit = Some(commit);
    if here {
        report.data = journal::take(repo, &step)?;
    } else {
        let name = format!("refs/heads/{}", step.branch);
        git(root, &["update-ref", "-m", &step.why, &name, &step.new, &step.old])?.bytes()?;
    }
    Ok(report)
}

/// Fails unless Git's files and the data are as committed.
fn refuse_changes(repo: &Repo, workspace: &mut Workspace<'_>) -> Result<()> {
    let root = root(repo)?;
    let git_path = |name: &str| -> Result<PathBuf> {
        Ok(root.join(git(root, &["rev-parse", "--git-path", name])?.text()?))
    };
    for (file, what) in
        [("MERGE_HEAD", "merge"), ("CHERRY_PICK_HEAD", "cherry-pick"), ("rebase-merge", "rebase")]
    {
        if git_path(file)?.exists() {
            return Err(Error::hinted(format!("a {what} is under way"), "finish it with Git, or abort it"));
        }
    }
    let status = git(root, &["status", "--porcelain", "-z", "--untracked-files=no"])?.bytes()?;
    let changed = status.split(|byte| *byte == 0).filter(|entry| entry.len() > 3);
    let mut changed: Vec<String> =
        changed.map(|entry| String::from_utf8_lossy(&entry[3..]).into_owned()).collect();
    let index = Index::load_locked(workspace)?;
    for out in index.stages.iter().flat_map(|stage| &stage.outs).filter(|out| out.cache) {
        let Some(recorded) = &out.recorded else { continue };
        let now = workspace.snapshot(&out.path, recorded.name)?;
        if now.is_some_and(|now| now.recorded.md5 != recorded.md5) {
            changed.push(repo.in_repo(&out.path));
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    let more = changed.len().saturating_sub(5);
    changed.truncate(5);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    Err(Error::hinted(
        format!("the workspace has changes that are not committed: {}{rest}", changed.join(", ")),
        "record data with `lemnis add` or `lemnis commit` and commit with Git, or put the changes away",
    ))
}

fn refuse_other_worktree(root: &Path, branch: &str) -> Result<()> {
    let listed = git(root, &["worktree", "list", "--porcelain"])?.text()?;
    let wanted = format!("branch refs/heads/{branch}");
    if listed.lines().any(|line| line == wanted) {
        return Err(Error::hinted(
            format!("'{branch}' is checked out in another work tree"),
            "merge into it there",
        ));
    }
    Ok(())
}

/// Where the stages of the commits have their outputs.
fn places(repo: &Repo, commits: &[&str]) -> Result<HashMap<(PathBuf, String, String), PathBuf>> {
    let mut places = HashMap::new();
    for commit in commits {
        let Some(at) = repo.at_commit(commit)? else { continue };
        for stage in Index::load(&at)?.stages {
            let Some(name) = stage.name.clone() else { continue };
            for out in &stage.outs {
                places.insert((stage.lock_path(), name.clone(), out.def_path.clone()), out.path.clone());
            }
        }
    }
    Ok(places)
}

/// A merge commit of the tree that no branch names yet.
fn commit(root: &Path, tree: &str, sides: &Sides<'_>, message: &str) -> Result<String> {
    let signs = git(root, &["config", "--type=bool", "--get", "commit.gpgSign"])?;
    let sign = (signs.code == 0 && signs.text()? == "true").then_some("-S");
    let mut args = vec!["commit-tree", tree, "-p", sides.ours, "-p", sides.theirs];
    args.extend(sign);
    args.extend(["-m", message]);
    git(root, &args)?.text()
}
