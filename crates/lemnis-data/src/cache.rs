//! The object store: content-addressed files under `files/md5`, trusted while their mode is 0444.
//!
//! Objects appear under their name only when complete and synced; an object whose mode is not 0444 is
//! hashed before it is believed, and removed when it is wrong.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rayon::prelude::*;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, statat};
use rustix::io::Errno;
use tempfile::TempDir;

use crate::config::{Config, LinkType};
use crate::copy::Copier;
use crate::error::{Error, Result};
use crate::fsx::{self, EXEC, OBJECT_MODE, SYNC_EACH, Stat};
use crate::hash::{self, HashName, Recorded, TreeFile};
use crate::holder::Holder;
use crate::ingest::Source;
use crate::lanes::Lanes;
use crate::progress::Task;
use crate::repo::umask;

/// Fewer objects than this are looked at on one thread.
const FEW: usize = 256;
/// The longest path of an object below the directory of its kind: 32 digits, a slash and `.dir`.
const KEY_BYTES: usize = 37;

pub(crate) struct Cache {
    dir: PathBuf,
    /// Where this repository prepares files; swept by the next operation when one was killed.
    scratch: PathBuf,
    shared: bool,
    link_types: Vec<LinkType>,
    copier: Copier,
    umask: OnceLock<u32>,
}

/// Objects written under temporary names, not yet visible.
pub(crate) struct Batch<'a> {
    pub(crate) cache: &'a Cache,
    pub(crate) shelf: Shelf<'a>,
    /// Where they are written.
    holder: Option<(TempDir, Arc<Lanes>)>,
    /// Finished files and where they go.
    pub(crate) pending: Vec<(PathBuf, PathBuf)>,
    /// What somebody makes or has made.
    names: Mutex<HashSet<String>>,
}

/// The objects of one kind, seen through the handle of their directory.
pub(crate) struct Shelf<'a> {
    cache: &'a Cache,
    name: HashName,
    dir: Option<std::os::fd::OwnedFd>,
}

impl Cache {
    pub(crate) fn new(config: &Config, scratch: PathBuf) -> Self {
        let (dir, link_types) = (config.cache_dir.clone(), config.link_types.clone());
        Self {
            dir,
            scratch,
            shared: config.shared,
            link_types,
            copier: Copier::default(),
            umask: OnceLock::new(),
        }
    }

    /// The same store with outputs made as copies, for files that Git tracks.
    pub(crate) fn copying(&self) -> Self {
        let (dir, scratch) = (self.dir.clone(), self.scratch.clone());
        let (copier, umask) = (Copier::plain(), OnceLock::new());
        Self { dir, scratch, shared: self.shared, link_types: vec![LinkType::Copy], copier, umask }
    }

    /// An empty store beside this one for objects that are not to be seen yet, on the same file system; it is gone
    /// with the returned directory.
    pub(crate) fn staging(&self) -> Result<(Holder, Self)> {
        self.make_dirs(&self.dir)?;
        let holder = Holder::new(&self.dir)?;
        let dir = holder.path().to_path_buf();
        let (scratch, copier, umask) = (self.scratch.clone(), Copier::default(), OnceLock::new());
        let staging = Self { dir, scratch, shared: false, link_types: vec![LinkType::Copy], copier, umask };
        Ok((holder, staging))
    }

    /// A store that no repository configures; files are copied out of it.
    pub(crate) fn loose(dir: &Path, scratch: &Path) -> Self {
        let (dir, scratch) = (dir.to_path_buf(), scratch.to_path_buf());
        let link_types = vec![LinkType::Reflink, LinkType::Copy];
        Self { dir, scratch, shared: false, link_types, copier: Copier::default(), umask: OnceLock::new() }
    }

    /// Moves a whole object here from a store made by [`Cache::staging`].
    pub(crate) fn adopt(&self, staging: &Self, name: HashName, md5: &str) -> Result<()> {
        let (from, to) = (staging.object_path(name, md5), self.object_path(name, md5));
        if let Some(dir) = to.parent() {
            self.make_dirs(dir)?;
        }
        fs::rename(&from, &to).map_err(Error::io("write", &to))
    }

    /// Whether workspace files are of their own, not links to objects.
    pub(crate) fn copies(&self) -> bool {
        matches!(self.link_types.first(), Some(LinkType::Reflink | LinkType::Copy))
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn link_types(&self) -> &[LinkType] {
        &self.link_types
    }

    pub(crate) fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Copies between the workspace and the store.
    pub(crate) fn copier(&self) -> &Copier {
        &self.copier
    }

    /// The process's umask, asked for once.
    pub(crate) fn umask(&self) -> u32 {
        *self.umask.get_or_init(umask)
    }

    pub(crate) fn runs_dir(&self) -> PathBuf {
        self.dir.join("runs")
    }

    /// Whether hard links are what is wanted first.
    pub(crate) fn hard_links(&self) -> bool {
        matches!(self.link_types[..], [LinkType::Hardlink, ..])
    }

    /// Where objects of one kind lie.
    pub(crate) fn root_of(&self, name: HashName) -> PathBuf {
        match name {
            HashName::Md5 => self.dir.join("files/md5"),
            HashName::Dos2Unix => self.dir.clone(),
        }
    }

    pub(crate) fn object_path(&self, name: HashName, md5: &str) -> PathBuf {
        self.root_of(name).join(&md5[..2]).join(&md5[2..])
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
        if meta.permissions().mode() & 0o7777 == OBJECT_MODE {
            return Ok(true);
        }
        let name = if md5.ends_with(".dir") { HashName::Md5 } else { name };
        let actual = hash::md5_file(&path, name)?;
        if actual == md5.trim_end_matches(".dir") {
            let _ = fs::set_permissions(&path, fs::Permissions::from_mode(OBJECT_MODE));
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
        let shelf = self.shelf(recorded.name);
        let missing = |file: &TreeFile| Ok(usize::from(!shelf.holds(&file.md5)?));
        match files.len() {
            0..FEW => files.iter().map(missing).sum(),
            _ => files.par_iter().with_min_len(FEW).map(missing).sum(),
        }
    }

    /// For questions about many objects.
    pub(crate) fn shelf(&self, name: HashName) -> Shelf<'_> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Shelf { cache: self, name, dir: rustix::fs::open(self.root_of(name), flags, Mode::empty()).ok() }
    }

    pub(crate) fn batch(&self) -> Batch<'_> {
        let shelf = self.shelf(HashName::Md5);
        Batch { cache: self, shelf, holder: None, pending: Vec::new(), names: Mutex::default() }
    }
}

impl Shelf<'_> {
    /// As [`Cache::has`].
    pub(crate) fn holds(&self, md5: &str) -> Result<bool> {
        self.finds(md5, &[OBJECT_MODE])
    }

    /// The same for content that is to be stored: an object that is a program of the workspace as well, by a link,
    /// stays one, as in DVC.
    pub(crate) fn stores(&self, md5: &str) -> Result<bool> {
        self.finds(md5, &[OBJECT_MODE, OBJECT_MODE | EXEC])
    }

    fn finds(&self, md5: &str, modes: &[u32]) -> Result<bool> {
        let Some(dir) = self.dir.as_ref().filter(|_| hash::is_oid(md5)) else {
            return self.cache.has(self.name, md5);
        };
        let mut key = [b'/'; KEY_BYTES];
        key[..2].copy_from_slice(&md5.as_bytes()[..2]);
        key[3..=md5.len()].copy_from_slice(&md5.as_bytes()[2..]);
        match statat(dir, &key[..=md5.len()], AtFlags::empty()) {
            Ok(stat) => {
                let sound = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
                    && modes.contains(&(stat.st_mode & 0o7777));
                if sound { Ok(true) } else { self.cache.has(self.name, md5) }
            }
            Err(Errno::NOENT) => Ok(false),
            Err(_) => self.cache.has(self.name, md5),
        }
    }
}

impl Batch<'_> {
    /// Whether the caller is to make the object: nobody else does, and the cache lacks it.
    pub(crate) fn claims(&self, md5: &str) -> Result<bool> {
        let first = self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(md5.to_owned());
        Ok(first && !self.shelf.stores(md5)?)
    }

    /// Names on the cache's file system for files in the making.
    pub(crate) fn lanes(&mut self) -> Result<Arc<Lanes>> {
        if let Some((_, lanes)) = &self.holder {
            return Ok(Arc::clone(lanes));
        }
        let objects = self.cache.dir.join("files/md5");
        self.cache.make_dirs(&objects)?;
        fsx::create_dirs(&self.cache.scratch)?;
        let near = device(&objects)? == device(&self.cache.scratch)?;
        let dir = prepare(if near { &self.cache.scratch } else { &objects }, "objects-")?;
        let lanes = Arc::new(Lanes::new(dir.path()));
        self.holder = Some((dir, Arc::clone(&lanes)));
        Ok(lanes)
    }

    /// Stores a copy of the file at `path`, which hashed to `md5` while it had `stat`.
    pub(crate) fn add_file(&mut self, path: &Path, md5: &str, stat: &Stat) -> Result<()> {
        self.take(&[Source { path, stat: *stat, known: Some(md5), before: None }], &Task::silent()).map(drop)
    }

    /// Stores a directory object.
    pub(crate) fn add_bytes(&mut self, md5: &str, bytes: &[u8]) -> Result<()> {
        if !self.claims(md5)? {
            return Ok(());
        }
        let temp = self.lanes()?.next();
        self.pending.push((temp.clone(), self.cache.object_path(HashName::Md5, md5)));
        let mut file = fsx::create_object(&temp).map_err(Error::io("write", &temp))?;
        file.write_all(bytes).map_err(Error::io("write", &temp))
    }

    /// Makes all objects durable, then visible; directory objects last, so that one that is there is whole.
    pub(crate) fn commit(mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        if self.pending.len() > SYNC_EACH {
            fsx::sync_file_system(&self.cache.dir)?;
        } else {
            self.pending.par_iter().try_for_each(|(temp, _)| {
                fs::File::open(temp).and_then(|file| file.sync_all()).map_err(Error::io("sync", temp))
            })?;
        }
        let mut pending = std::mem::take(&mut self.pending);
        pending.sort_by_key(|(_, path)| path.extension().is_some());
        let mut dirs = HashSet::new();
        for (_, path) in &pending {
            if let Some(dir) = path.parent().filter(|dir| dirs.insert(dir.to_path_buf())) {
                self.cache.make_dirs(dir)?;
            }
        }
        let trees = pending.partition_point(|(_, path)| path.extension().is_none());
        pending[..trees].par_iter().try_for_each(|(temp, path)| place(temp, path))?;
        pending[trees..].iter().try_for_each(|(temp, path)| place(temp, path))?;
        if dirs.len() > SYNC_EACH {
            return fsx::sync_file_system(&self.cache.dir);
        }
        dirs.iter().for_each(|dir| fsx::sync_dir(dir));
        Ok(())
    }
}

fn place(temp: &Path, path: &Path) -> Result<()> {
    fs::rename(temp, path).map_err(Error::io("write", path))
}

/// A directory for files in the making; [`sweep`] finds it by its prefix.
pub(crate) fn prepare(dir: &Path, prefix: &str) -> Result<TempDir> {
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
