//! The object store: content-addressed files under `files/md5`, trusted while their mode is 0444.
//!
//! Objects appear under their name only when complete and synced; an object whose mode is not 0444 is
//! hashed before it is believed, and removed when it is wrong.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use tempfile::TempDir;

use crate::config::{Config, LinkType};
use crate::error::{Error, Result};
use crate::fsx::{self, Stat};
use crate::hash::{self, HashName, Recorded, TreeFile};

const TRUSTED: u32 = 0o444;
/// Beyond this many new objects one sync of the whole file system is cheaper than one each.
const SYNC_EACH: usize = 16;

pub(crate) struct Cache {
    dir: PathBuf,
    /// Where this repository prepares files; swept by the next operation when one was killed.
    scratch: PathBuf,
    shared: bool,
    link_types: Vec<LinkType>,
}

/// Objects written under temporary names, not yet visible.
pub(crate) struct Batch<'a> {
    cache: &'a Cache,
    holder: Option<TempDir>,
    pending: Vec<(PathBuf, PathBuf)>,
    names: HashSet<String>,
}

impl Cache {
    pub(crate) fn new(config: &Config, scratch: PathBuf) -> Self {
        let (dir, link_types) = (config.cache_dir.clone(), config.link_types.clone());
        Self { dir, scratch, shared: config.shared, link_types }
    }

    /// The same store with outputs made as copies, for files that Git tracks.
    pub(crate) fn copying(&self) -> Self {
        let (dir, scratch) = (self.dir.clone(), self.scratch.clone());
        Self { dir, scratch, shared: self.shared, link_types: vec![LinkType::Copy] }
    }

    /// Whether workspace files are of their own, not links to objects.
    pub(crate) fn copies(&self) -> bool {
        matches!(self.link_types.first(), Some(LinkType::Reflink | LinkType::Copy))
    }

    pub(crate) fn runs_dir(&self) -> PathBuf {
        self.dir.join("runs")
    }

    pub(crate) fn object_path(&self, name: HashName, md5: &str) -> PathBuf {
        let root = match name {
            HashName::Md5 => self.dir.join("files/md5"),
            HashName::Dos2Unix => self.dir.clone(),
        };
        root.join(&md5[..2]).join(&md5[2..])
    }

    pub(crate) fn make_dirs(&self, path: &Path) -> Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.make_dirs(parent)?;
        }
        match fs::create_dir(path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(Error::io("create", path)(error))
            }
            _ if self.shared => fsx::chmod(path, 0o2775),
            _ => Ok(()),
        }
    }

    /// Whether a sound object is there.
    pub(crate) fn has(&self, name: HashName, md5: &str) -> Result<bool> {
        if !hash::is_oid(md5) {
            return Ok(false);
        }
        let path = self.object_path(name, md5);
        let Some(meta) = fsx::metadata(&path)? else { return Ok(false) };
        if meta.permissions().mode() & 0o7777 == TRUSTED {
            return Ok(true);
        }
        let name = if md5.ends_with(".dir") { HashName::Md5 } else { name };
        let actual = hash::md5_file(&path, name)?;
        if actual == md5.trim_end_matches(".dir") {
            let _ = fs::set_permissions(&path, fs::Permissions::from_mode(TRUSTED));
            return Ok(true);
        }
        fsx::remove(&path)?;
        Ok(false)
    }

    /// The files of a directory object; `None` when it is missing or broken.
    pub(crate) fn tree(&self, name: HashName, md5: &str) -> Result<Option<Vec<TreeFile>>> {
        if !self.has(name, md5)? {
            return Ok(None);
        }
        let path = self.object_path(name, md5);
        let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
        let tree = hash::parse_tree(&bytes);
        if tree.is_none() {
            fsx::remove(&path)?;
        }
        Ok(tree)
    }

    /// How many objects of an output are not there, its directory object included.
    pub(crate) fn missing(&self, recorded: &Recorded) -> Result<usize> {
        if !recorded.is_dir() {
            return Ok(usize::from(!self.has(recorded.name, &recorded.md5)?));
        }
        let Some(files) = self.tree(recorded.name, &recorded.md5)? else { return Ok(1) };
        files.par_iter().map(|file| Ok(usize::from(!self.has(recorded.name, &file.md5)?))).sum()
    }

    pub(crate) fn batch(&self) -> Batch<'_> {
        Batch { cache: self, holder: None, pending: Vec::new(), names: HashSet::new() }
    }

    /// Whether the workspace file at `path` is already linked as the configuration wants.
    pub(crate) fn is_linked(&self, name: HashName, md5: &str, path: &Path) -> Result<bool> {
        let meta = fs::symlink_metadata(path).map_err(Error::io("look at", path))?;
        let object = self.object_path(name, md5);
        let symlink = meta.file_type().is_symlink();
        let hardlink = !symlink && meta.nlink() > 1;
        for kind in &self.link_types {
            match kind {
                LinkType::Copy | LinkType::Reflink if !symlink && !hardlink => return Ok(true),
                LinkType::Hardlink if hardlink => {
                    return Ok(fsx::metadata(&object)?.is_some_and(|object| object.ino() == meta.ino()));
                }
                LinkType::Symlink if symlink => {
                    return Ok(fs::read_link(path).is_ok_and(|target| target == object));
                }
                LinkType::Hardlink if meta.len() == 0 && !symlink => return Ok(true),
                _ => {}
            }
        }
        Ok(false)
    }

    /// Puts the object at `path` in one step, by the first link type that works.
    pub(crate) fn link(&self, name: HashName, md5: &str, path: &Path) -> Result<()> {
        let object = self.object_path(name, md5);
        fsx::create_dirs(&self.scratch)?;
        let temp = self.scratch.join("link-file");
        fsx::remove(&temp)?;
        let mut failure = None;
        for kind in &self.link_types {
            let made = match kind {
                LinkType::Reflink => fsx::reflink(&object, &temp),
                LinkType::Hardlink if fs::metadata(&object).is_ok_and(|meta| meta.len() == 0) => {
                    fsx::create_new(&temp).map(drop)
                }
                LinkType::Hardlink => fs::hard_link(&object, &temp),
                LinkType::Symlink => std::os::unix::fs::symlink(&object, &temp),
                LinkType::Copy => fsx::copy_content(&object, &temp),
            };
            match made {
                Ok(()) => {
                    if let Some(parent) = path.parent() {
                        fsx::create_dirs(parent)?;
                    }
                    if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir()) {
                        fsx::remove(path)?;
                    }
                    return fsx::rename(&temp, path);
                }
                Err(error) => {
                    let _ = fs::remove_file(&temp);
                    failure = Some(error);
                }
            }
        }
        let error = failure.unwrap_or_else(|| std::io::Error::other("no link type is configured"));
        Err(Error::io("link or copy from the cache to", path)(error))
    }
}

impl Batch<'_> {
    fn wants(&mut self, md5: &str) -> Result<bool> {
        Ok(!self.names.contains(md5)
            && !self.cache.has(HashName::Md5, md5)?
            && self.names.insert(md5.to_owned()))
    }

    /// A free name on the cache's file system.
    fn temp(&mut self) -> Result<PathBuf> {
        let holder = match self.holder.take() {
            Some(holder) => holder,
            None => {
                let objects = self.cache.dir.join("files/md5");
                self.cache.make_dirs(&objects)?;
                fsx::create_dirs(&self.cache.scratch)?;
                let near = device(&objects)? == device(&self.cache.scratch)?;
                prepare(if near { &self.cache.scratch } else { &objects }, "objects-")?
            }
        };
        let path = holder.path().join(self.pending.len().to_string());
        self.holder = Some(holder);
        Ok(path)
    }

    /// Stores a copy of the file at `path`, which hashed to `md5` while it had `stat`.
    pub(crate) fn add_file(&mut self, path: &Path, md5: &str, stat: &Stat) -> Result<()> {
        if !self.wants(md5)? {
            return Ok(());
        }
        let temp = self.temp()?;
        self.pending.push((temp.clone(), self.cache.object_path(HashName::Md5, md5)));
        fsx::reflink(path, &temp)
            .or_else(|_| fsx::copy_content(path, &temp))
            .map_err(Error::io("copy into the cache", path))?;
        let now = fsx::metadata(path)?.map(|meta| Stat::of(&meta));
        if !now.is_some_and(|now| now.same_content(stat)) {
            let shown = path.display();
            return Err(Error::hinted(
                format!("{shown} changed while it was being stored"),
                "let the program that writes it finish and run the command again",
            ));
        }
        Ok(())
    }

    /// Stores a directory object.
    pub(crate) fn add_bytes(&mut self, md5: &str, bytes: &[u8]) -> Result<()> {
        if !self.wants(md5)? {
            return Ok(());
        }
        let temp = self.temp()?;
        self.pending.push((temp.clone(), self.cache.object_path(HashName::Md5, md5)));
        let mut file = fs::File::create(&temp).map_err(Error::io("write", &temp))?;
        file.write_all(bytes).map_err(Error::io("write", &temp))
    }

    /// Makes all objects durable, then visible; directory objects last, so that one that is there is whole.
    pub(crate) fn commit(mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        if self.pending.len() > SYNC_EACH {
            let dir = fs::File::open(&self.cache.dir).map_err(Error::io("sync", &self.cache.dir))?;
            rustix::fs::syncfs(&dir).map_err(|error| Error::io("sync", &self.cache.dir)(error.into()))?;
        } else {
            self.pending.par_iter().try_for_each(|(temp, _)| {
                fs::File::open(temp).and_then(|file| file.sync_all()).map_err(Error::io("sync", temp))
            })?;
        }
        let mut pending = std::mem::take(&mut self.pending);
        pending.sort_by_key(|(_, path)| path.extension().is_some());
        let mut dirs = HashSet::new();
        for (temp, path) in &pending {
            self.place(temp, path, &mut dirs)?;
        }
        if dirs.len() <= SYNC_EACH {
            dirs.iter().for_each(|dir| fsx::sync_dir(dir));
        }
        Ok(())
    }

    fn place(&self, temp: &Path, path: &Path, dirs: &mut HashSet<PathBuf>) -> Result<()> {
        fsx::chmod(temp, TRUSTED)?;
        if let Some(dir) = path.parent().filter(|dir| dirs.insert(dir.to_path_buf())) {
            self.cache.make_dirs(dir)?;
        }
        fs::rename(temp, path).map_err(Error::io("write", path))
    }
}

/// A directory for files in the making; [`sweep`] finds it by its prefix.
fn prepare(dir: &Path, prefix: &str) -> Result<TempDir> {
    fsx::create_dirs(dir)?;
    tempfile::Builder::new().prefix(prefix).tempdir_in(dir).map_err(Error::io("create a directory in", dir))
}

fn device(path: &Path) -> Result<u64> {
    Ok(fs::metadata(path).map_err(Error::io("look at", path))?.dev())
}

/// Removes what a killed process was preparing. The repository must be locked.
pub(crate) fn sweep(scratch: &Path) {
    let Ok(entries) = fs::read_dir(scratch) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if ["link-", "objects-", "state-"].iter().any(|prefix| name.starts_with(prefix)) {
            let _ = fsx::remove(&entry.path());
        }
    }
}
