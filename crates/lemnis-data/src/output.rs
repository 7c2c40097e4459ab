//! Moves outputs between workspace and cache: storing, linking, checking out, removing.
//!
//! A workspace file is replaced by rename, never written through, so a linked cache object cannot change.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::fsx::{self, Stat};
use crate::hash::{self, HashName, Recorded, TreeFile};
use crate::repo::umask;
use crate::state::Known;
use crate::workspace::{Found, Snapshot, Workspace, fingerprint};

/// What a checkout did to one output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restored {
    Unchanged,
    Changed,
}

impl Workspace<'_> {
    /// Puts what stands at `path` into the cache; with `relink` the workspace is linked as configured.
    pub(crate) fn store(&mut self, path: &Path, relink: bool) -> Result<Option<Recorded>> {
        let Some(Snapshot { recorded, stat }) = self.snapshot(path, HashName::Md5)? else { return Ok(None) };
        if !recorded.is_dir() {
            let mut batch = self.cache.batch();
            batch.add_file(path, &recorded.md5, &stat)?;
            batch.commit()?;
            if relink {
                self.relink_file(path, &recorded.md5, recorded.isexec, true)?;
            }
            return Ok(Some(recorded));
        }
        let files = self.walk(path)?;
        if fingerprint(&files) != stat {
            return Err(changed(&self.repo.show(path)));
        }
        let key = self.key(path);
        let mut tree = self.hash_files(&key, &files, HashName::Md5)?;
        let mut batch = self.cache.batch();
        for (file, hashed) in files.iter().zip(&tree) {
            batch.add_file(&file.path, &hashed.md5, &file.stat)?;
        }
        let bytes = hash::tree_bytes(&mut tree);
        if hash::tree_md5(&bytes) != recorded.md5 {
            return Err(changed(&self.repo.show(path)));
        }
        batch.add_bytes(&recorded.md5, &bytes)?;
        batch.commit()?;
        if relink {
            let mut moved = false;
            for file in &tree {
                moved |= self.relink_file(&path.join(&file.relpath), &file.md5, false, false)?;
            }
            if moved {
                self.remember(path, &tree)?;
            }
        }
        Ok(Some(recorded))
    }

    fn relink_file(&mut self, path: &Path, md5: &str, isexec: bool, remember: bool) -> Result<bool> {
        if self.cache.is_linked(HashName::Md5, md5, path)? {
            if remember && self.cache.copies() {
                plain_mode(path, isexec)?;
            }
            return Ok(false);
        }
        self.cache.link(HashName::Md5, md5, path)?;
        self.finish_file(path, md5, isexec, remember)?;
        Ok(true)
    }

    fn finish_file(&mut self, path: &Path, md5: &str, isexec: bool, remember: bool) -> Result<()> {
        let Some(meta) = fsx::metadata(path)? else { return Ok(()) };
        if isexec {
            fsx::chmod(path, (meta.permissions().mode() & 0o7777) | 0o100)?;
        }
        if remember {
            let key = self.key(path);
            self.state.put(&key, Known { md5: md5.to_owned(), stat: Stat::of(&meta), nfiles: 1 });
        }
        Ok(())
    }

    /// Notes the hashes of a directory that was just linked, without reading it.
    fn remember(&mut self, path: &Path, tree: &[TreeFile]) -> Result<()> {
        let files = self.walk(path)?;
        let by_name: BTreeMap<&str, &str> =
            tree.iter().map(|f| (f.relpath.as_str(), f.md5.as_str())).collect();
        let mut known = std::collections::HashMap::new();
        for Found { relpath, stat, .. } in &files {
            let Some(md5) = by_name.get(relpath.as_str()) else { return Ok(()) };
            known.insert(relpath.clone(), Known { md5: (*md5).to_owned(), stat: *stat, nfiles: 1 });
        }
        let key = self.key(path);
        self.state.put_files(&key, &known)
    }

    /// Makes the workspace hold `recorded` at `path`. Content that is in no cache is kept unless `force`.
    /// `cache` is the store to link from.
    pub(crate) fn restore(
        &mut self,
        path: &Path,
        recorded: &Recorded,
        force: bool,
        cache: &Cache,
    ) -> Result<Restored> {
        let shown = self.repo.show(path);
        let current = self.snapshot(path, recorded.name)?;
        if current.as_ref().is_some_and(|now| now.recorded.md5 == recorded.md5) {
            return Ok(Restored::Unchanged);
        }
        let missing = cache.missing(recorded)?;
        if missing > 0 {
            return Err(Error::NotInCache { path: shown, missing });
        }
        if let Some(now) = current.filter(|_| !force)
            && cache.missing(&now.recorded)? > 0
            && !self.partly_recorded(path, &now, recorded, cache)?
        {
            return Err(Error::Unsaved { path: shown });
        }
        if recorded.is_dir() {
            self.restore_dir(path, recorded, cache)?;
        } else {
            cache.link(recorded.name, &recorded.md5, path)?;
            self.finish_file(path, &recorded.md5, recorded.isexec, recorded.name == HashName::Md5)?;
        }
        Ok(Restored::Changed)
    }

    /// Whether every file of the directory is in the cache: what an interrupted checkout leaves behind.
    fn partly_recorded(
        &mut self,
        path: &Path,
        now: &Snapshot,
        wanted: &Recorded,
        cache: &Cache,
    ) -> Result<bool> {
        if !now.recorded.is_dir() || !wanted.is_dir() {
            return Ok(false);
        }
        let files = self.walk(path)?;
        let key = self.key(path);
        for file in self.hash_files(&key, &files, wanted.name)? {
            if !cache.has(wanted.name, &file.md5)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn restore_dir(&mut self, path: &Path, recorded: &Recorded, cache: &Cache) -> Result<()> {
        let tree = cache.tree(recorded.name, &recorded.md5)?;
        let tree = tree.ok_or_else(|| Error::NotInCache { path: self.repo.show(path), missing: 1 })?;
        if fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_dir()) {
            fsx::remove(path)?;
        }
        fsx::create_dirs(path)?;
        let wanted: BTreeMap<&str, &str> =
            tree.iter().map(|f| (f.relpath.as_str(), f.md5.as_str())).collect();
        let files = self.walk(path)?;
        let key = self.key(path);
        let hashed = self.hash_files(&key, &files, recorded.name)?;
        let mut right = std::collections::HashSet::new();
        for (found, hashed) in files.iter().zip(&hashed) {
            if wanted.get(found.relpath.as_str()) == Some(&hashed.md5.as_str()) {
                right.insert(found.relpath.clone());
            } else {
                fsx::remove(&found.path)?;
                prune(found.path.parent(), path);
            }
        }
        for file in tree.iter().filter(|file| !right.contains(&file.relpath)) {
            cache.link(recorded.name, &file.md5, &path.join(&file.relpath))?;
        }
        if recorded.name == HashName::Md5 {
            self.remember(path, &tree)?;
        }
        Ok(())
    }
}

/// A tracked file of its own has the mode that the umask gives, and `u+x` where it was executable.
fn plain_mode(path: &Path, isexec: bool) -> Result<()> {
    let meta = fs::symlink_metadata(path).map_err(Error::io("look at", path))?;
    let wanted = (0o666 & !umask()) | if isexec { 0o100 } else { 0 };
    if meta.is_file() && meta.nlink() == 1 && meta.permissions().mode() & 0o7777 != wanted {
        fsx::chmod(path, wanted)?;
    }
    Ok(())
}

/// Removes directories that became empty, up to but not including `root`.
fn prune(mut dir: Option<&Path>, root: &Path) {
    while let Some(at) = dir.filter(|at| *at != root && at.starts_with(root)) {
        if fs::remove_dir(at).is_err() {
            return;
        }
        dir = at.parent();
    }
}

/// Cuts a kept output loose from the cache, so that a command may write it in place.
pub(crate) fn unprotect(path: &Path) -> Result<()> {
    let Ok(meta) = fs::symlink_metadata(path) else { return Ok(()) };
    if meta.is_dir() {
        for entry in fs::read_dir(path).map_err(Error::io("list", path))? {
            unprotect(&entry.map_err(Error::io("list", path))?.path())?;
        }
        return Ok(());
    }
    let mode = fs::metadata(path).map_or(0, |target| target.mode());
    let linked = meta.file_type().is_symlink() || meta.nlink() > 1;
    if linked && fs::metadata(path).is_ok_and(|meta| meta.is_file()) {
        let dir = path.parent().unwrap_or(Path::new("."));
        let holder =
            tempfile::Builder::new().prefix(".lemnis-").tempdir_in(dir).map_err(Error::io("create", dir))?;
        let temp = holder.path().join("f");
        fsx::copy_content(path, &temp).map_err(Error::io("copy", path))?;
        fsx::rename(&temp, path)?;
    } else if linked {
        return Ok(());
    }
    fsx::chmod(path, (0o666 & !umask()) | (mode & 0o100))
}

fn changed(path: &str) -> Error {
    Error::hinted(
        format!("{path} changed while it was being stored"),
        "let the program that writes it finish and run the command again",
    )
}
