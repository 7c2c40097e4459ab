//! Merges a branch into another: data by path, everything else as Git does.
//!
//! The merge is made beside the work tree, as Git objects; only a whole and checked one is brought in, in one step that
//! survives a crash (see `journal`). A conflict of data or of Git's own files changes nothing at all.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use lemnis_core::Digest;
use serde::Serialize;

use super::git::{check_name, current_branch, git, git_with, no_branch, root, texts, tip};
use super::journal::{self, Step};
use super::records::{Records, Versions};
use super::threeway::{Files, Side};
use crate::cache::Cache;
use crate::checkout::CheckedOut;
use crate::error::{Error, Result};
use crate::hash::HashName;
use crate::index::Index;
use crate::repo::Repo;
use crate::stage::Out;
use crate::workspace::Workspace;
use crate::{cache, fsx};

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

/// The commits that a merge joins.
struct Sides<'a> {
    bases: &'a [&'a str],
    ours: &'a str,
    theirs: &'a str,
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

/// The merged Git tree; nothing where Git's own files conflict, which is noted among the conflicts.
fn tree(repo: &Repo, sides: &Sides<'_>, records: &mut Records<'_>) -> Result<Option<String>> {
    let root = root(repo)?;
    let settled = settle(repo, sides, records)?;
    // The driver would wait for the lock that is held here; its files are settled already.
    let args =
        ["-c", "merge.dvc.driver=false", "merge-tree", "--write-tree", "--name-only", "-z", "--no-messages"];
    let answer = git(root, &[&args[..], &[sides.ours, sides.theirs]].concat())?;
    if answer.code > 1 {
        return Err(answer.error());
    }
    let listed = String::from_utf8_lossy(&answer.stdout).into_owned();
    let mut fields = listed.split('\0').filter(|field| !field.is_empty());
    let tree = fields.next().unwrap_or_default().to_owned();
    let conflicts: BTreeSet<&str> = fields.collect();
    let uncached = uncached(repo, sides)?;
    let mut edits: Vec<(String, Option<String>)> = Vec::new();
    for path in conflicts.iter().filter(|path| !settled.contains_key(**path)) {
        let side = match records.prefer {
            Some(Side::Ours) => sides.ours,
            Some(Side::Theirs) => sides.theirs,
            None => "",
        };
        // What a stage makes goes with the record of the stage.
        if !side.is_empty() && uncached.contains(&root.join(path)) {
            edits.push(((*path).to_owned(), blob(root, side, path)?));
            continue;
        }
        let kind = ConflictKind::Git;
        records.conflicts.push(Conflict {
            path: (*path).to_owned(),
            kind,
            base: None,
            ours: None,
            theirs: None,
        });
    }
    if !records.conflicts.is_empty() {
        return Ok(None);
    }
    for (path, text) in settled {
        let blob = match text {
            Some(text) => {
                Some(git_with(root, &["hash-object", "-w", "--stdin"], text.as_bytes(), None)?.text()?)
            }
            None => None,
        };
        edits.push((path, blob));
    }
    edited(repo, &tree, &edits).map(Some)
}

/// The merged texts of the records that both sides changed, by path in Git.
fn settle(
    repo: &Repo,
    sides: &Sides<'_>,
    records: &mut Records<'_>,
) -> Result<BTreeMap<String, Option<String>>> {
    let root = root(repo)?;
    let mut settled = BTreeMap::new();
    let listed =
        git(root, &["diff-tree", "-r", "-z", "--no-renames", "--name-only", sides.ours, sides.theirs])?;
    let listed = listed.bytes()?;
    for path in listed.split(|byte| *byte == 0).filter_map(|path| std::str::from_utf8(path).ok()) {
        let full = root.join(path);
        let name = path.rsplit('/').next().unwrap_or_default();
        let is_record = name == "dvc.lock" || (name.ends_with(".dvc") && name.len() > 4);
        if !is_record || !full.starts_with(repo.root()) || full.starts_with(repo.root().join(".dvc")) {
            continue;
        }
        let names: Vec<String> = [sides.ours, sides.theirs]
            .iter()
            .chain(sides.bases)
            .map(|commit| format!("{commit}:{path}"))
            .collect();
        let mut found = texts(root, &names)?.into_iter();
        let (ours, theirs) = (found.next().flatten(), found.next().flatten());
        let versions = Versions { ours, theirs, bases: found.collect() };
        let one_sided = |side: &Option<String>| versions.bases.iter().all(|base| base == side);
        if one_sided(&versions.ours) || one_sided(&versions.theirs) {
            continue;
        }
        let merged = records.merge(&full, &versions)?;
        settled.insert(path.to_owned(), merged);
    }
    Ok(settled)
}

/// Outputs of stages that Git keeps, on either side.
fn uncached(repo: &Repo, sides: &Sides<'_>) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for commit in [sides.ours, sides.theirs] {
        let Some(at) = repo.at_commit(commit)? else { continue };
        let outs = Index::load(&at)?.stages.into_iter().filter(|stage| stage.name.is_some());
        found.extend(outs.flat_map(|stage| stage.outs).filter(|out| !out.cache).map(|out| out.path));
    }
    Ok(found)
}

fn blob(root: &Path, commit: &str, path: &str) -> Result<Option<String>> {
    let answer = git(root, &["rev-parse", "--verify", "--quiet", &format!("{commit}:{path}")])?;
    Ok(if answer.code == 0 { Some(answer.text()?) } else { None })
}

/// `tree` with other blobs at some paths.
fn edited(repo: &Repo, tree: &str, edits: &[(String, Option<String>)]) -> Result<String> {
    if edits.is_empty() {
        return Ok(tree.to_owned());
    }
    let root = root(repo)?;
    let scratch = cache::prepare(&repo.scratch_dir(), "state-")?;
    let index = scratch.path().join("index");
    git_with(root, &["read-tree", tree], &[], Some(&index))?.bytes()?;
    let mut lines = Vec::new();
    for (path, blob) in edits {
        let line = match blob {
            Some(blob) => format!("100644 {blob} 0\t{path}\0"),
            None => format!("0 {} 0\t{path}\0", "0".repeat(40)),
        };
        lines.extend_from_slice(line.as_bytes());
    }
    git_with(root, &["update-index", "-z", "--index-info"], &lines, Some(&index))?.bytes()?;
    git_with(root, &["write-tree"], &[], Some(&index))?.text()
}

/// Checks the merged tree as a whole and says which outputs it changes. With a workspace also that the change can be
/// brought into it without loss.
fn judge(
    repo: &Repo,
    sides: &Sides<'_>,
    tree: &str,
    records: &Records<'_>,
    workspace: Option<&mut Workspace<'_>>,
) -> Result<Vec<MergedOutput>> {
    let load = |at: &str| -> Result<Vec<Out>> {
        let Some(at) = repo.at_commit(at)? else { return Ok(Vec::new()) };
        let mut index = Index::load(&at)?;
        index.check(&at)?;
        let outs = index.stages.into_iter().flat_map(|stage| stage.outs);
        Ok(outs.filter(|out| out.cache && out.path.starts_with(repo.root())).collect())
    };
    let (before, other, after) = (load(sides.ours)?, load(sides.theirs)?, load(tree)?);
    for out in &after {
        let Some(recorded) = &out.recorded else { continue };
        let mut known = before.iter().chain(&other).filter_map(|out| out.recorded.as_ref());
        if !records.trees.contains_key(&recorded.md5) && !known.any(|known| known.md5 == recorded.md5) {
            return Err(Error::invalid(format!(
                "the merged record of '{}' is neither side's; merge its file by hand",
                repo.in_repo(&out.path)
            )));
        }
    }
    let digest = |out: Option<&Out>| out.and_then(|out| out.recorded.as_ref().map(|r| Digest::md5(&r.md5)));
    let at = |outs: &[Out], path: &Path| outs.iter().find(|out| out.path == path).cloned();
    let paths: BTreeSet<&PathBuf> = before.iter().chain(&after).map(|out| &out.path).collect();
    let mut changes = Vec::new();
    let (mut unsaved, mut missing) = (Vec::new(), None);
    let mut workspace = workspace;
    for path in paths {
        let (old, new) = (at(&before, path), at(&after, path));
        if let (Some(_), Some(out)) = (&workspace, &new)
            && let Some(recorded) = out.recorded.as_ref()
        {
            let lacks = match records.trees.contains_key(&recorded.md5) {
                // Its files were counted when it was made.
                true => 0,
                false => records.cache.missing(recorded)?,
            };
            if lacks > 0 {
                missing.get_or_insert((repo.in_repo(path), lacks));
            }
        }
        if digest(old.as_ref()) == digest(new.as_ref()) {
            continue;
        }
        if let Some(workspace) = workspace.as_deref_mut() {
            unsaved.extend(workspace.unsaved(path, HashName::Md5, records.cache)?);
        }
        let (from, to) = (files(records, old.as_ref())?, files(records, new.as_ref())?);
        changes.push(MergedOutput {
            path: repo.in_repo(path),
            old: digest(old.as_ref()),
            new: digest(new.as_ref()),
            added: to.keys().filter(|name| !from.contains_key(*name)).count(),
            modified: to.iter().filter(|(name, md5)| from.get(*name).is_some_and(|old| old != *md5)).count(),
            deleted: from.keys().filter(|name| !to.contains_key(*name)).count(),
        });
    }
    if let Some((path, missing)) = missing {
        return Err(Error::NotInCache { path, missing });
    }
    if !unsaved.is_empty() {
        return Err(Error::Unsaved { paths: unsaved.iter().map(|path| repo.show(path)).collect() });
    }
    if workspace.is_some() {
        refuse_untracked(root(repo)?, sides.ours, tree)?;
    }
    Ok(changes)
}

/// The files of an output by path inside it; a file is one without a name. Directories that are not known are empty.
fn files(records: &Records<'_>, out: Option<&Out>) -> Result<Files> {
    let Some(recorded) = out.and_then(|out| out.recorded.as_ref()) else { return Ok(Files::new()) };
    if !recorded.is_dir() {
        return Ok(std::iter::once((String::new(), recorded.md5.clone())).collect());
    }
    if let Some(files) = records.trees.get(&recorded.md5) {
        return Ok(files.clone());
    }
    let tree = records.cache.tree(recorded.name, &recorded.md5)?.unwrap_or_default();
    Ok(tree.into_iter().map(|file| (file.relpath, file.md5)).collect())
}

/// Fails when files that Git does not know stand where the merge brings some.
fn refuse_untracked(root: &Path, ours: &str, tree: &str) -> Result<()> {
    let args = ["diff-tree", "-r", "-z", "--no-renames", "--diff-filter=A", "--name-only", ours, tree];
    let added = git(root, &args)?.bytes()?;
    let added = added.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    for path in added.map(|path| String::from_utf8_lossy(path).into_owned()) {
        if fsx::metadata(&root.join(&path))?.is_some() {
            return Err(Error::hinted(
                format!("'{path}' is in the way: the merge brings a file of that name"),
                "move it away, or commit it",
            ));
        }
    }
    Ok(())
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
