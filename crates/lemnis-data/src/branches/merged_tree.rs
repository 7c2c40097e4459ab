//! The tree that a merge makes: joined as Git objects beside the work tree, then checked as a whole.
//!
//! Nothing here changes a branch or the work tree; what conflicts is noted, and no tree comes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lemnis_core::Digest;

use super::git::{git, git_with, root, texts};
use super::merge::{Conflict, ConflictKind, MergedOutput};
use super::records::{Records, Versions};
use super::threeway::{Files, Side};
use crate::error::{Error, Result};
use crate::hash::HashName;
use crate::index::Index;
use crate::repo::Repo;
use crate::stage::Out;
use crate::workspace::Workspace;
use crate::{cache, fsx};

/// The commits that a merge joins.
pub(super) struct Sides<'a> {
    pub(super) bases: &'a [&'a str],
    pub(super) ours: &'a str,
    pub(super) theirs: &'a str,
}

/// The merged Git tree; nothing where Git's own files conflict, which is noted among the conflicts.
pub(super) fn tree(repo: &Repo, sides: &Sides<'_>, records: &mut Records<'_>) -> Result<Option<String>> {
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
pub(super) fn judge(
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
