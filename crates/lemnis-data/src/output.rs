//! From the workspace into the cache: storing outputs and linking them back.
//!
//! A workspace file is replaced by rename, never written through, so a linked cache object cannot change.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::fsx::{self, Stat};
use crate::hash::{self, HashName, Recorded, TreeFile};
use crate::repo::umask;
use crate::state::Known;
use crate::workspace::{Found, Snapshot, Workspace, fingerprint};

impl Workspace<'_> {
    /// Puts what stands at `path` into the cache; with `relink` the workspace is linked as configured.
    pub(crate) fn store(&mut self, path: &Path, relink: bool) -> Result<Option<Recorded>> {
        if fsx::metadata(path)?.is_some_and(|meta| meta.is_dir()) {
            return self.store_dir(path, relink).map(Some);
        }
        let Some(Snapshot { recorded, stat }) = self.snapshot(path, HashName::Md5)? else { return Ok(None) };
        let mut batch = self.cache.batch();
        batch.add_file(path, &recorded.md5, &stat)?;
        batch.commit()?;
        if relink {
            self.relink_file(path, &recorded.md5, recorded.isexec)?;
        }
        Ok(Some(recorded))
    }

    fn store_dir(&mut self, path: &Path, relink: bool) -> Result<Recorded> {
        let files = self.walk(path)?;
        let key = self.key(path);
        let mut tree = self.hash_files(&key, &files, HashName::Md5)?;
        let task = self.repo.task("Storing", files.len());
        let mut batch = self.cache.batch();
        let sources: Vec<(&Path, &str, &Stat)> = files
            .iter()
            .zip(&tree)
            .map(|(file, hashed)| (file.path.as_path(), hashed.md5.as_str(), &file.stat))
            .collect();
        batch.add_files(&sources, &task)?;
        let bytes = hash::tree_bytes(&mut tree);
        let md5 = hash::tree_md5(&bytes);
        batch.add_bytes(&md5, &bytes)?;
        batch.commit()?;
        drop(task);
        let stat = fingerprint(&files);
        let nfiles = files.len() as u64;
        self.state.put(&key, Known { md5: md5.clone(), stat, nfiles });
        if relink {
            self.relink_dir(path, &md5, &files, &tree)?;
        }
        let (size, nfiles) = (Some(stat.size), Some(nfiles));
        Ok(Recorded { name: HashName::Md5, md5, size, nfiles, isexec: false })
    }

    /// Links the file, which holds `md5`, as configured.
    pub(crate) fn relink_file(&mut self, path: &Path, md5: &str, isexec: bool) -> Result<()> {
        if self.cache.is_linked(HashName::Md5, md5, path)? && !self.cache.would_rather_link() {
            if self.cache.copies() {
                plain_mode(path, isexec)?;
            }
        } else {
            self.cache.link(HashName::Md5, md5, path)?;
        }
        self.remember_file(path, md5, isexec)
    }

    /// Links the files of a directory as configured. `files` and `tree` are its content, in the same order.
    pub(crate) fn relink_dir(
        &mut self,
        path: &Path,
        md5: &str,
        files: &[Found],
        tree: &[TreeFile],
    ) -> Result<()> {
        let other: Vec<bool> = files
            .par_iter()
            .zip(tree)
            .map(|(file, hashed)| self.cache.is_linked(HashName::Md5, &hashed.md5, &file.path).map(|is| !is))
            .collect::<Result<_>>()?;
        let links: Vec<(&str, PathBuf)> = tree
            .iter()
            .zip(files)
            .zip(&other)
            .filter(|(_, other)| **other)
            .map(|((hashed, file), _)| (hashed.md5.as_str(), file.path.clone()))
            .collect();
        let task = self.repo.task("Linking", links.len());
        self.cache.link_all(HashName::Md5, &links, &task)?;
        drop(task);
        let found = if links.is_empty() { files.to_vec() } else { self.walk(path)? };
        self.remember_dir(path, md5, &found, tree)
    }

    /// Sets the executable bit of a restored file and notes its hash.
    pub(crate) fn remember_file(&mut self, path: &Path, md5: &str, isexec: bool) -> Result<()> {
        let Some(meta) = fsx::metadata(path)? else { return Ok(()) };
        if isexec && meta.permissions().mode() & 0o100 == 0 {
            fsx::chmod(path, (meta.permissions().mode() & 0o7777) | 0o100)?;
        }
        let key = self.key(path);
        let known = Known { md5: md5.to_owned(), stat: Stat::of(&meta), nfiles: 1 };
        self.state.put(&key, known.clone());
        self.state.note_link(&key, known);
        Ok(())
    }

    /// Notes the hashes of a directory that was just linked, without reading it. `found` is what is there;
    /// when that is not `tree`, somebody else is at work and nothing is noted.
    pub(crate) fn remember_dir(
        &mut self,
        path: &Path,
        md5: &str,
        found: &[Found],
        tree: &[TreeFile],
    ) -> Result<()> {
        if found.len() != tree.len() || found.iter().zip(tree).any(|(f, t)| f.relpath != t.relpath) {
            return Ok(());
        }
        let mut files = HashMap::with_capacity(tree.len());
        for (file, hashed) in found.iter().zip(tree) {
            let known = Known { md5: hashed.md5.clone(), stat: file.stat, nfiles: 1 };
            files.insert(file.relpath.clone(), known);
        }
        let key = self.key(path);
        if self.state.files_of(&key) != files {
            self.state.put_files(&key, &files)?;
        }
        let known = Known { md5: md5.to_owned(), stat: fingerprint(found), nfiles: found.len() as u64 };
        self.state.put(&key, known.clone());
        self.state.note_link(&key, known);
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
