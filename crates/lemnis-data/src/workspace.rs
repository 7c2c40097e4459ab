//! One operation on a repository: the lock, the cache, the hash state, and what the workspace holds now.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::cache::{Cache, sweep};
use crate::error::{Error, Result};
use crate::fsx::{self, Stat};
use crate::hash::{self, HashName, Recorded, TreeFile};
use crate::ignore::Ignore;
use crate::locks::Lock;
use crate::repo::Repo;
use crate::state::{Known, State};

/// Patterns that hold even without a `.dvcignore`.
const ALWAYS: &str = ".git\n.hg/\n.dvc/\n";
const MAX_DEPTH: usize = 256;

/// The repository, locked.
pub(crate) struct Workspace<'r> {
    pub(crate) repo: &'r Repo,
    pub(crate) cache: Cache,
    pub(crate) state: State,
    lock: Option<Lock>,
}

/// A file inside a tracked directory.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) relpath: String,
    pub(crate) path: PathBuf,
    pub(crate) stat: Stat,
}

/// What stands at a path.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) recorded: Recorded,
    /// The stat of a file, the fingerprint of a directory.
    pub(crate) stat: Stat,
}

impl<'r> Workspace<'r> {
    /// Locks the repository.
    pub(crate) fn open(repo: &'r Repo) -> Result<Self> {
        let lock = Some(repo.lock()?);
        let scratch = repo.scratch_dir();
        sweep(&scratch);
        Ok(Self { repo, cache: Cache::new(repo.config(), scratch), state: State::load(repo), lock })
    }

    /// Lets others in while `work` runs.
    pub(crate) fn unlocked<T>(&mut self, work: impl FnOnce() -> T) -> Result<T> {
        self.state.save()?;
        self.lock = None;
        let result = work();
        self.lock = Some(self.repo.relock()?);
        Ok(result)
    }

    /// Keeps what was learnt about hashes.
    pub(crate) fn close(mut self) -> Result<()> {
        self.state.save()
    }

    /// What stands at `path`; `None` when nothing does or it is ignored by `.dvcignore`.
    pub(crate) fn snapshot(&mut self, path: &Path, name: HashName) -> Result<Option<Snapshot>> {
        let Some(meta) = fsx::metadata(path)? else { return Ok(None) };
        let key = self.key(path);
        if meta.is_dir() {
            return self.directory(path, &key, name).map(Some);
        }
        if !meta.is_file() {
            return Err(Error::invalid(format!(
                "{} is neither a file nor a directory",
                self.repo.show(path)
            )));
        }
        let stat = Stat::of(&meta);
        let known = if name == HashName::Md5 { self.state.get(&key, &stat) } else { None };
        let md5 = match known {
            Some(known) => known.md5.clone(),
            None => {
                let task = self.repo.task("Hashing MiB", stat.size as usize / hash::CHUNK);
                let md5 = hash::md5_file_seen(path, name, &task)?;
                drop(task);
                let after = fsx::metadata(path)?.map(|meta| Stat::of(&meta));
                if name == HashName::Md5 && after.is_some_and(|after| after.same_content(&stat)) {
                    self.state.put(&key, Known { md5: md5.clone(), stat, nfiles: 1 });
                }
                md5
            }
        };
        let recorded = Recorded { name, md5, size: Some(stat.size), nfiles: None, isexec: stat.is_exec() };
        Ok(Some(Snapshot { recorded, stat }))
    }

    fn directory(&mut self, path: &Path, key: &str, name: HashName) -> Result<Snapshot> {
        let files = self.walk(path)?;
        let stat = fingerprint(&files);
        let nfiles = files.len() as u64;
        let known = if name == HashName::Md5 { self.state.get(key, &stat) } else { None };
        let md5 = match known.filter(|known| known.nfiles == nfiles && known.md5.ends_with(".dir")) {
            Some(known) => known.md5.clone(),
            None => {
                let mut tree = self.hash_files(key, &files, name)?;
                let md5 = hash::tree_md5(&hash::tree_bytes(&mut tree));
                if name == HashName::Md5 && fingerprint(&self.walk(path)?) == stat {
                    self.state.put(key, Known { md5: md5.clone(), stat, nfiles });
                }
                md5
            }
        };
        let recorded = Recorded { name, md5, size: Some(stat.size), nfiles: Some(nfiles), isexec: false };
        Ok(Snapshot { recorded, stat })
    }

    /// The files of a directory with their hashes, in the order of `files`.
    pub(crate) fn hash_files(&mut self, key: &str, files: &[Found], name: HashName) -> Result<Vec<TreeFile>> {
        let known = if name == HashName::Md5 { self.state.files_of(key) } else { HashMap::new() };
        let task = self.repo.task("Hashing", files.len());
        let hashed: Vec<(TreeFile, Known)> = files
            .par_iter()
            .map(|file| {
                task.advance(1);
                let md5 = match known.get(&file.relpath).filter(|known| known.stat.same_content(&file.stat)) {
                    Some(known) => known.md5.clone(),
                    None => hash::md5_file(&file.path, name)?,
                };
                let known = Known { md5: md5.clone(), stat: file.stat, nfiles: 1 };
                Ok((TreeFile { relpath: file.relpath.clone(), md5 }, known))
            })
            .collect::<Result<_>>()?;
        let mut tree = Vec::with_capacity(hashed.len());
        let mut now = HashMap::with_capacity(hashed.len());
        for (file, known) in hashed {
            now.insert(file.relpath.clone(), known);
            tree.push(file);
        }
        if name == HashName::Md5 && now != known {
            self.state.put_files(key, &now)?;
        }
        Ok(tree)
    }

    /// The name under which the state knows `path`.
    pub(crate) fn key(&self, path: &Path) -> String {
        if path.starts_with(self.repo.root()) { self.repo.in_repo(path) } else { path.display().to_string() }
    }

    /// The ignore rules that hold inside `dir`.
    pub(crate) fn ignore_in(&self, dir: &Path) -> Result<Ignore> {
        let root = self.repo.root();
        let mut ignore = Ignore::default().with(root, ALWAYS).with(dir, ALWAYS);
        let Ok(relative) = dir.strip_prefix(root) else { return Ok(ignore) };
        let mut at = root.to_path_buf();
        ignore = ignore.enter(&at, ".dvcignore")?;
        let mut parts: Vec<_> = relative.components().collect();
        parts.pop();
        for part in parts {
            at.push(part);
            ignore = ignore.enter(&at, ".dvcignore")?;
        }
        Ok(ignore)
    }

    /// Every file under `dir` that is not ignored, sorted by relpath. Symlinked files count as files;
    /// symlinked directories are left out; a dangling symlink is an error.
    pub(crate) fn walk(&self, dir: &Path) -> Result<Vec<Found>> {
        Ok(self.walk_all(dir)?.0)
    }

    /// The same, and the directories below `dir` that are not ignored.
    pub(crate) fn walk_all(&self, dir: &Path) -> Result<(Vec<Found>, Vec<PathBuf>)> {
        let ignore = self.ignore_in(dir)?;
        let mut listing = Listing::default();
        self.list_into(dir, "", &ignore, 0, &mut listing)?;
        let look = |(relpath, path): (String, PathBuf)| {
            let meta = fs::metadata(&path).map_err(Error::io("follow the link", &path))?;
            if meta.is_dir() {
                return Ok(None);
            }
            if !meta.is_file() {
                return Err(Error::invalid(format!("{} is not a regular file", self.repo.show(&path))));
            }
            Ok(Some(Found { relpath, stat: Stat::of(&meta), path }))
        };
        let found: Vec<Option<Found>> =
            listing.files.into_par_iter().with_min_len(256).map(look).collect::<Result<_>>()?;
        let mut found: Vec<Found> = found.into_iter().flatten().collect();
        found.par_sort_unstable_by(|a, b| a.relpath.cmp(&b.relpath));
        Ok((found, listing.dirs))
    }

    fn list_into(
        &self,
        dir: &Path,
        prefix: &str,
        ignore: &Ignore,
        depth: usize,
        listing: &mut Listing,
    ) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::invalid(format!("{} is nested too deeply", self.repo.show(dir))));
        }
        for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
            let entry = entry.map_err(Error::io("list", dir))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(Error::io("look at", &path))?;
            if ignore.matches(&path, kind.is_dir()) {
                continue;
            }
            let Ok(name) = entry.file_name().into_string() else {
                return Err(Error::hinted(
                    format!("the name of {} is not valid UTF-8", path.display()),
                    "rename the file",
                ));
            };
            if name == ".dvcignore" {
                return Err(Error::hinted(
                    format!("{} lies inside a tracked directory", self.repo.show(&path)),
                    "move its patterns to a .dvcignore above that directory",
                ));
            }
            let relpath = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            if !kind.is_dir() {
                listing.files.push((relpath, path));
            } else if !path.join(".dvc").is_dir() {
                self.list_into(&path, &relpath, ignore, depth + 1, listing)?;
                listing.dirs.push(path);
            }
        }
        Ok(())
    }
}

/// What a walk met, before anything is asked about it. Directories come after those below them.
#[derive(Default)]
struct Listing {
    files: Vec<(String, PathBuf)>,
    dirs: Vec<PathBuf>,
}

/// A stat that changes when any file of the directory does.
pub(crate) fn fingerprint(files: &[Found]) -> Stat {
    let mut text = String::with_capacity(files.len() * 60);
    let (mut newest, mut size) = (0, 0);
    for file in files {
        let Stat { inode, mtime_ns, size: bytes, .. } = file.stat;
        text.push_str(&format!("{}\0{inode} {mtime_ns} {bytes}\n", file.relpath));
        newest = newest.max(mtime_ns);
        size += bytes;
    }
    let digest = hash::md5_bytes(text.as_bytes());
    let inode = u64::from_str_radix(&digest[..16], 16).unwrap_or_default();
    Stat { inode, mtime_ns: newest, size, mode: 0 }
}
