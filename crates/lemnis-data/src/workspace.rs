//! One operation on a repository: the lock, the cache, the hash state, and what the workspace holds now.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use crate::cache::{Cache, sweep};
use crate::error::{Error, Result};
use crate::fsx::{self, Stat};
use crate::hash::{self, HashName, Recorded, TreeFile};
use crate::ignore::{ALWAYS, Ignore};
use crate::locks::Lock;
use crate::repo::Repo;
use crate::state::{DirState, Known, State};
use crate::walk::{self, Found, Walked, fingerprint};

/// The repository, locked.
pub(crate) struct Workspace<'r> {
    pub(crate) repo: &'r Repo,
    pub(crate) cache: Cache,
    pub(crate) state: State,
    lock: Option<Lock>,
    pool: OnceLock<rayon::ThreadPool>,
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
        let (cache, state) = (Cache::new(repo.config(), scratch), State::load(repo));
        Ok(Self { repo, cache, state, lock, pool: OnceLock::new() })
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
            return Err(not_data(self.repo, path));
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
        let hidden = self.ignore_in(path)?.covers_parent(path);
        let look = |this: &Self| if hidden { Ok(Vec::new()) } else { this.walk(path) };
        let files = look(self)?;
        let stat = fingerprint(&files);
        let nfiles = files.len() as u64;
        let known = if name == HashName::Md5 { self.state.get(key, &stat) } else { None };
        let md5 = match known.filter(|known| known.nfiles == nfiles && known.md5.ends_with(".dir")) {
            Some(known) => known.md5.clone(),
            None => {
                let mut tree = self.hash_files(key, &files, name)?;
                let md5 = hash::tree_md5(&hash::tree_bytes(&mut tree));
                if name == HashName::Md5 && fingerprint(&look(self)?) == stat {
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
        let known = if name == HashName::Md5 { self.state.files_of(key) } else { DirState::default() };
        let task = self.repo.task("Hashing", files.len());
        let new = AtomicBool::new(known.len() != files.len());
        let hash = |file: &Found| {
            task.advance(1);
            let md5 = match known.get(&file.relpath, &file.stat) {
                Some(md5) => md5.to_owned(),
                None => {
                    new.store(true, Ordering::Relaxed);
                    hash::md5_file(&file.path, name)?
                }
            };
            Ok(TreeFile { relpath: file.relpath.clone(), md5 })
        };
        let tree: Vec<TreeFile> = self.in_parallel(|| files.par_iter().map(hash).collect())?;
        if name == HashName::Md5 && new.into_inner() {
            self.state.put_files(key, files, &tree)?;
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
        let mut ignore = Ignore::dvc(root).with(dir, ALWAYS);
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

    /// Every file under `dir` that is not ignored, sorted by relpath.
    pub(crate) fn walk(&self, dir: &Path) -> Result<Vec<Found>> {
        Ok(self.walk_all(dir)?.files)
    }

    /// The same, and the directories below `dir` that are not ignored.
    pub(crate) fn walk_all(&self, dir: &Path) -> Result<Walked> {
        let ignore = self.ignore_in(dir)?;
        self.in_parallel(|| walk::walk(self.repo, dir, &ignore))
    }

    /// Does what may use many threads: as many as `core.checksum_jobs` says, or as there are cores.
    pub(crate) fn in_parallel<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let Some(jobs) = self.repo.setting("core.checksum_jobs").and_then(|jobs| jobs.parse().ok()) else {
            return work();
        };
        let pool = match self.pool.get() {
            Some(pool) => pool,
            None => {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build();
                let failed = |error| Error::invalid(format!("{jobs} threads cannot be started: {error}"));
                let pool = pool.map_err(failed)?;
                self.pool.get_or_init(|| pool)
            }
        };
        pool.install(work)
    }
}

/// An error for what cannot be tracked.
pub(crate) fn not_data(repo: &Repo, path: &Path) -> Error {
    Error::invalid(format!("{} is neither a file nor a directory", repo.show(path)))
}
