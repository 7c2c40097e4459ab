//! `push`, `fetch` and `update` with a versioned remote: outputs lie there under their own paths, and the versions
//! are recorded in `.dvc` files and `dvc.lock`.
//!
//! What was pushed is recorded also when a part of a push failed, so that nothing is sent twice; a version that is
//! recorded is never given up because the remote shows something else now.

use std::collections::HashSet;
use std::sync::Arc;

use crate::cache::Cache;
use crate::collect::Wanted;
use crate::error::{Error, Result};
use crate::fsx;
use crate::hash::{HashName, Recorded, TreeFile, tree_bytes, tree_md5};
use crate::remote::{Fate, Item, Moved, Object, Progress, Remote, StoredFile};
use crate::repo::Repo;
use crate::versions::{self, Place, VersionedFile, Versions};
use crate::workspace::Workspace;

/// The files of an output with what is known of their versions; `None` when they are not known.
fn files_of(cache: &Cache, one: &Wanted) -> Result<Option<Vec<VersionedFile>>> {
    if let Some(versions) = one.versions.as_deref().filter(|versions| versions.md5 == one.recorded.md5) {
        return Ok(Some(versions.files.clone()));
    }
    let plain = |file: TreeFile| VersionedFile {
        relpath: file.relpath,
        md5: file.md5,
        size: None,
        isexec: false,
        version: None,
    };
    if one.recorded.is_dir() {
        let tree = cache.tree(one.recorded.name, &one.recorded.md5)?;
        return Ok(tree.map(|tree| tree.into_iter().map(plain).collect()));
    }
    let file = TreeFile { relpath: String::new(), md5: one.recorded.md5.clone() };
    Ok(Some(vec![VersionedFile { size: one.recorded.size, isexec: one.recorded.isexec, ..plain(file) }]))
}

fn label(one: &Wanted, relpath: &str) -> String {
    if relpath.is_empty() { one.label.clone() } else { format!("{}/{relpath}", one.label) }
}

fn key(repo: &Repo, one: &Wanted, relpath: &str) -> String {
    let path = fsx::relative(&one.path, repo.root());
    if relpath.is_empty() { path } else { format!("{path}/{relpath}") }
}

fn object(file: &VersionedFile) -> Object {
    Object { name: HashName::Md5, oid: file.md5.clone() }
}

/// Sends what the remote lacks and records the versions. Content that is nowhere is named in `missing`.
pub(crate) fn push(
    repo: &Repo,
    remote: &Remote,
    cache: &Cache,
    wanted: &[Wanted],
    progress: &dyn Progress,
    missing: &mut Vec<String>,
) -> Result<Moved> {
    let mut outs: Vec<(Place, Vec<VersionedFile>)> = Vec::new();
    let mut items = Vec::new();
    let mut spots = Vec::new();
    for one in wanted {
        if one.recorded.name == HashName::Dos2Unix {
            return Err(Error::hinted(
                format!("'{}' was recorded by DVC 2, whose hashes a versioned remote cannot hold", one.label),
                "record it anew: lemnis cache migrate --dvc-files",
            ));
        }
        let Some(files) = files_of(cache, one)? else {
            missing.push(one.label.clone());
            continue;
        };
        for (at, file) in files.iter().enumerate().filter(|(_, file)| one.takes(&file.relpath)) {
            spots.push((outs.len(), at, label(one, &file.relpath)));
            items.push(Item { key: key(repo, one, &file.relpath), file: file.clone() });
        }
        outs.push((one.place.clone(), files));
    }
    let mut moved = Moved::default();
    let mut touched = HashSet::new();
    for ((out, at, label), fate) in spots.into_iter().zip(remote.keep(cache, &items, progress)?) {
        let file = &mut outs[out].1[at];
        match fate {
            Fate::Kept { version, size, sent } => {
                if let Some(bytes) = sent {
                    moved.objects += 1;
                    moved.bytes += bytes;
                }
                if file.version.as_ref() != Some(&version) {
                    // As in DVC what the store says of the file is recorded, and it knows of no mode.
                    (file.version, file.size, file.isexec) = (Some(version), Some(size), false);
                    touched.insert(out);
                }
            }
            Fate::Nowhere => missing.push(label),
            Fate::Failed(error) => moved.failed.push((object(file), error)),
        }
    }
    missing.sort();
    let record = |(_, (place, files)): (usize, (Place, Vec<VersionedFile>))| {
        let md5 = versions::tree_of(&files);
        (place, Versions { md5, files })
    };
    let touched = outs.into_iter().enumerate().filter(|(at, _)| touched.contains(at)).map(record);
    versions::save(&touched.collect::<Vec<_>>())?;
    Ok(moved)
}

/// Brings an output to what its worktree remote shows now, and records that. The workspace must hold nothing unsaved.
pub(crate) fn update(
    workspace: &mut Workspace<'_>,
    remote: &Remote,
    wanted: &Wanted,
    progress: &dyn Progress,
) -> Result<()> {
    let (repo, name) = (workspace.repo, key(workspace.repo, wanted, ""));
    let recorded = files_of(&workspace.cache, wanted)?.unwrap_or_default();
    let known = |shown: &StoredFile| {
        let tag = shown.tag.as_deref().map(|tag| tag.trim_matches('"'));
        let same = |file: &&VersionedFile| {
            let version = file.version.as_ref().filter(|version| version.remote == remote.name);
            file.relpath == shown.relpath && version.is_some_and(|version| version.etag.as_deref() == tag)
        };
        recorded.iter().find(same).cloned()
    };
    let mut files = remote.take(&workspace.cache, &name, &known, progress)?;
    if files.is_empty() {
        return Err(Error::invalid(format!("the remote '{}' holds nothing at '{name}'", remote.name)));
    }
    files.sort_by(|a, b| a.relpath.cmp(&b.relpath));
    let is_dir = !files[0].relpath.is_empty();
    let md5 = if is_dir { versions::tree_of(&files) } else { files[0].md5.clone() };
    let size = Some(files.iter().filter_map(|file| file.size).sum());
    let nfiles = is_dir.then_some(files.len() as u64);
    let isexec = !is_dir && files[0].isexec;
    let now = Recorded { name: HashName::Md5, md5: md5.clone(), size, nfiles, isexec };
    let versions = Versions { md5, files };
    let wanted =
        Wanted { recorded: now.clone(), versions: Some(Arc::new(versions.clone())), ..wanted.clone() };
    let moved =
        fetch(repo, remote, &workspace.cache, std::slice::from_ref(&wanted), progress, &mut Vec::new())?;
    if let Some((_, error)) = moved.failed.into_iter().next() {
        return Err(error);
    }
    let cache = Cache::new(repo.config(), repo.scratch_dir());
    workspace.restore(&wanted.path, &now, false, &cache)?;
    versions::save(&[(wanted.place.clone(), versions)])
}

/// Brings the recorded versions into the cache, and the directory objects of whole directories. Files that no
/// version is recorded of are named in `missing`.
pub(crate) fn fetch(
    repo: &Repo,
    remote: &Remote,
    cache: &Cache,
    wanted: &[Wanted],
    progress: &dyn Progress,
    missing: &mut Vec<String>,
) -> Result<Moved> {
    let mut items = Vec::new();
    let mut queued = HashSet::new();
    let mut dirs: Vec<Vec<VersionedFile>> = Vec::new();
    for one in wanted {
        let Some(files) = files_of(cache, one)? else {
            missing.push(one.label.clone());
            continue;
        };
        for file in files.iter().filter(|file| one.takes(&file.relpath)) {
            if cache.has(HashName::Md5, &file.md5)? {
                continue;
            }
            let known = file.version.as_ref().is_some_and(|version| version.remote == remote.name);
            if !known {
                missing.push(label(one, &file.relpath));
            } else if queued.insert(file.md5.clone()) {
                items.push(Item { key: key(repo, one, &file.relpath), file: file.clone() });
            }
        }
        if one.recorded.is_dir() {
            dirs.push(files);
        }
    }
    missing.sort();
    let (mut moved, failed) = remote.bring(cache, &items, progress)?;
    moved.failed.extend(failed.into_iter().map(|(at, error)| (object(&items[at].file), error)));
    let failed: HashSet<&str> = moved.failed.iter().map(|(object, _)| object.oid.as_str()).collect();
    let mut batch = cache.batch();
    for files in dirs.iter().filter(|files| !files.iter().any(|file| failed.contains(file.md5.as_str()))) {
        let bytes = tree_bytes(&mut versions::tree(files));
        let md5 = tree_md5(&bytes);
        if !cache.has(HashName::Md5, &md5)? {
            batch.add_bytes(&md5, &bytes)?;
        }
    }
    batch.commit()?;
    Ok(moved)
}
