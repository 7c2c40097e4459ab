//! One path inside a tracked directory: its directory object is edited instead of made anew.
//!
//! Only what lies at the path is looked at, so the other files of the directory need not even be there. A
//! path that is named explicitly is taken in even when `.dvcignore` leaves it out.

use std::path::Path;

use crate::error::{Error, Result};
use crate::fsx;
use crate::hash::{self, HashName, Recorded, TreeFile};
use crate::ingest::Source;
use crate::progress::Task;
use crate::walk::Found;
use crate::workspace::Workspace;

/// The record of the directory `dir` after what stands at `path`, or stands there no more, was taken in.
/// With `store` objects go into the cache, with `relink` the files are linked to it as configured.
pub(crate) fn update(
    workspace: &mut Workspace<'_>,
    dir: &Path,
    path: &Path,
    before: Option<&Recorded>,
    store: bool,
    relink: bool,
) -> Result<Recorded> {
    let repo = workspace.repo;
    let mut tree = match before {
        None => Vec::new(),
        Some(before) => {
            let tree = workspace.cache.tree(before.name, &before.md5)?;
            tree.ok_or_else(|| Error::NotInCache { path: repo.show(dir), missing: 1 })?
        }
    };
    if fsx::metadata(dir)?.is_none() {
        return Err(Error::Missing { what: "output", path: repo.in_repo(dir) });
    }
    let relpath = fsx::relative(path, dir);
    let below = format!("{relpath}/");
    let count = tree.len();
    tree.retain(|file| file.relpath != relpath && !file.relpath.starts_with(&below));
    let appended = tree.len() == count;
    let files = content(workspace, path)?;
    if files.is_none() && appended {
        return Err(Error::Missing { what: "file or directory", path: repo.in_repo(path) });
    }
    let gone = files.is_none();
    let files = files.unwrap_or_default();
    let added: u64 = files.iter().map(|(found, _)| found.stat.size).sum();
    for (found, md5) in &files {
        tree.push(TreeFile { relpath: fsx::relative(&found.path, dir), md5: md5.clone() });
    }
    let bytes = hash::tree_bytes(&mut tree);
    let md5 = hash::tree_md5(&bytes);
    if store {
        let mut batch = workspace.cache.batch();
        let sources = files.iter().map(|(found, md5)| Source {
            path: &found.path,
            stat: found.stat,
            known: Some(md5),
            before: None,
        });
        batch.take(&sources.collect::<Vec<_>>(), &Task::silent())?;
        batch.add_bytes(&md5, &bytes)?;
        if path.is_dir() {
            // as DVC, which keeps the part as a directory of its own
            let part = |(found, md5): &(Found, String)| TreeFile {
                relpath: fsx::relative(&found.path, path),
                md5: md5.clone(),
            };
            let mut part: Vec<TreeFile> = files.iter().map(part).collect();
            let bytes = hash::tree_bytes(&mut part);
            batch.add_bytes(&hash::tree_md5(&bytes), &bytes)?;
        }
        batch.commit()?;
        for (found, md5) in files.iter().filter(|_| relink) {
            if !workspace.cache.is_linked(HashName::Md5, md5, &found.path, !path.is_dir())? {
                workspace.cache.link(HashName::Md5, md5, &found.path)?;
            }
        }
    }
    // as DVC: the size is known only while files are added, or when nothing changed
    let size = before.and_then(|before| match before.size {
        _ if gone => None,
        Some(size) if appended => Some(size + added),
        size if before.md5 == md5 => size,
        _ => None,
    });
    let size = if before.is_none() { Some(added) } else { size };
    Ok(Recorded { name: HashName::Md5, md5, size, nfiles: Some(tree.len() as u64), isexec: false })
}

/// The files at or below `path` with their hashes; `None` when nothing is there.
fn content(workspace: &mut Workspace<'_>, path: &Path) -> Result<Option<Vec<(Found, String)>>> {
    let Some(meta) = fsx::metadata(path)? else { return Ok(None) };
    if meta.is_dir() {
        let files = workspace.walk(path)?;
        let key = workspace.key(path);
        let hashed = workspace.hash_files(&key, &files, HashName::Md5)?;
        return Ok(Some(files.into_iter().zip(hashed.into_iter().map(|file| file.md5)).collect()));
    }
    let Some(now) = workspace.snapshot(path, HashName::Md5)? else { return Ok(None) };
    let found = Found { relpath: String::new(), path: path.to_path_buf(), stat: now.stat };
    Ok(Some(vec![(found, now.recorded.md5)]))
}
