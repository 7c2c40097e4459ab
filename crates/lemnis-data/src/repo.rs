//! The repository: a root with a `.dvc` directory, its configuration and the lock that DVC shares.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::revision::GitTree;
use crate::{fsx, git};

const LOCK_RETRIES: u32 = 6;
/// After a stage ran its results are worth a longer wait.
const RELOCK_RETRIES: u32 = 240;
const LOCK_DELAY: Duration = Duration::from_millis(500);

const DVCIGNORE: &str = "\
# Add patterns of files dvc should ignore, which could improve
# the performance. Learn more at
# https://dvc.org/doc/user-guide/dvcignore
";
const DVC_GITIGNORE: [&str; 3] = ["/config.local", "/tmp", "/cache"];

/// How to initialise a repository.
#[derive(Clone, Copy, Debug, Default)]
pub struct InitOptions {
    /// Do without Git.
    pub no_scm: bool,
}

/// A data repository in DVC's layout.
#[derive(Debug)]
pub struct Repo {
    root: PathBuf,
    cwd: PathBuf,
    git_root: Option<PathBuf>,
    config: Config,
    /// The commit that is looked at instead of the working tree.
    revision: Option<Arc<GitTree>>,
}

impl Repo {
    /// The repository that holds `start`, which must be an existing directory. Paths in messages and in
    /// [`Status`](crate::Status) are relative to `start`.
    pub fn discover(start: &Path) -> Result<Self> {
        let cwd = std::path::absolute(start).map_err(Error::io("look at", start))?;
        let cwd = fsx::normalize(&cwd, Path::new(""));
        let root = cwd.ancestors().find(|at| at.join(".dvc").is_dir()).map(Path::to_path_buf);
        let root = root.ok_or_else(|| Error::NotARepo { dir: cwd.clone() })?;
        let config = Config::load(&root.join(".dvc"))?;
        let git_root = if config.no_scm { None } else { git::root_of(&root) };
        Ok(Self { root, cwd, git_root, config, revision: None })
    }

    /// The repository that holds `start` or, where there is none, the directory itself, which may be in Git.
    pub(crate) fn discover_any(start: &Path) -> Result<Self> {
        match Self::discover(start) {
            Err(Error::NotARepo { dir }) => {
                let config = Config::load(&dir.join(".dvc"))?;
                let git_root = git::root_of(&dir);
                let root = git_root.clone().unwrap_or_else(|| dir.clone());
                Ok(Self { root, cwd: dir, git_root, config, revision: None })
            }
            other => other,
        }
    }

    /// The bare Git repository at `git_dir`, to be looked at through one of its commits.
    pub(crate) fn bare(git_dir: &Path) -> Result<Self> {
        let root = git_dir.to_path_buf();
        let config = Config::load(&root.join(".dvc"))?;
        Ok(Self { cwd: root.clone(), git_root: Some(root.clone()), root, config, revision: None })
    }

    /// Makes `dir` a repository with the files that `dvc init` writes; with Git they are staged.
    pub fn init(dir: &Path, options: InitOptions) -> Result<Self> {
        let dir =
            fsx::normalize(&std::path::absolute(dir).map_err(Error::io("look at", dir))?, Path::new(""));
        let dvc_dir = dir.join(".dvc");
        if dvc_dir.exists() {
            return Err(Error::RepoExists { dir });
        }
        if !options.no_scm && !dir.join(".git").exists() {
            return Err(Error::NoGit { dir });
        }
        let staging = tempfile::Builder::new()
            .prefix(".dvc-")
            .tempdir_in(&dir)
            .map_err(Error::io("create a directory in", &dir))?;
        let config = if options.no_scm { "[core]\n    no_scm = True\n" } else { "" };
        fsx::write_text(&staging.path().join("config"), config)?;
        fsx::write_text(&staging.path().join(".gitignore"), &(DVC_GITIGNORE.join("\n") + "\n"))?;
        fsx::create_dirs(&staging.path().join("tmp"))?;
        fsx::write_text(&staging.path().join("tmp/btime"), "")?;
        if fsx::metadata(&dir.join(".dvcignore"))?.is_none() {
            fsx::write_text(&dir.join(".dvcignore"), DVCIGNORE)?;
        }
        fsx::chmod(staging.path(), 0o777 & !umask())?;
        std::fs::rename(staging.path(), &dvc_dir).map_err(Error::io("create", &dvc_dir))?;
        let _ = staging.keep();
        fsx::sync_dir(&dir);
        let repo = Self::discover(&dir)?;
        if let Some(git_root) = &repo.git_root {
            let files = [dvc_dir.join(".gitignore"), dvc_dir.join("config"), dir.join(".dvcignore")];
            git::add(git_root, &files)?;
        }
        Ok(repo)
    }

    /// The directory that holds `.dvc`, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The name of the default remote, where one is configured.
    pub fn default_remote(&self) -> Option<&str> {
        self.config.remote.as_deref()
    }

    pub(crate) fn cwd(&self) -> &Path {
        &self.cwd
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn git_root(&self) -> Option<&Path> {
        self.git_root.as_deref()
    }

    /// The commit that is looked at; `None` for the working tree.
    pub(crate) fn revision(&self) -> Option<&GitTree> {
        self.revision.as_deref()
    }

    /// This repository with `tree` in place of the working tree.
    pub(crate) fn seen_through(&self, tree: Arc<GitTree>) -> Self {
        let (root, cwd, git_root) = (self.root.clone(), self.cwd.clone(), self.git_root.clone());
        Self { root, cwd, git_root, config: self.config.clone(), revision: Some(tree) }
    }

    pub(crate) fn tmp_dir(&self) -> PathBuf {
        self.root.join(".dvc/tmp")
    }

    /// Where temporary files of this implementation and the hash state live.
    pub(crate) fn scratch_dir(&self) -> PathBuf {
        self.root.join(".dvc/tmp/lemnis")
    }

    /// `path` for people: relative to where they are inside the repository, else to the root.
    pub(crate) fn show(&self, path: &Path) -> String {
        if path.starts_with(&self.root) { fsx::relative(path, &self.cwd) } else { path.display().to_string() }
    }

    pub(crate) fn in_repo(&self, path: &Path) -> String {
        fsx::relative(path, &self.root)
    }

    /// Takes the lock that DVC takes, waiting up to three seconds.
    pub(crate) fn lock(&self) -> Result<RepoLock> {
        self.lock_within(LOCK_RETRIES)
    }

    /// Takes the lock again after a stage ran, waiting up to two minutes.
    pub(crate) fn relock(&self) -> Result<RepoLock> {
        self.lock_within(RELOCK_RETRIES)
    }

    fn lock_within(&self, retries: u32) -> Result<RepoLock> {
        let dir = self.tmp_dir();
        fsx::create_dirs(&dir)?;
        let path = dir.join("lock");
        for attempt in 0..=retries {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(Error::io("lock", &path))?;
            match file.try_lock() {
                Ok(()) => {
                    let text = format!(" {}\n", std::process::id());
                    file.rewind().map_err(Error::io("lock", &path))?;
                    file.write_all(text.as_bytes()).map_err(Error::io("lock", &path))?;
                    file.set_len(text.len() as u64).map_err(Error::io("lock", &path))?;
                    self.restore_gitignore()?;
                    return Ok(RepoLock { _file: file });
                }
                Err(TryLockError::WouldBlock) if attempt < retries => thread::sleep(LOCK_DELAY),
                Err(TryLockError::WouldBlock) => {
                    let mut text = String::new();
                    let _ = file.read_to_string(&mut text);
                    let pid = text.trim();
                    let holder = if pid.is_empty() { "unknown".into() } else { format!("process {pid}") };
                    return Err(Error::Locked { holder });
                }
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
            }
        }
        Err(Error::Locked { holder: "unknown".into() })
    }

    /// Brings back lines of `.dvc/.gitignore` that keep the cache out of Git.
    fn restore_gitignore(&self) -> Result<()> {
        if self.git_root.is_none() {
            return Ok(());
        }
        let path = self.root.join(".dvc/.gitignore");
        let mut text = fsx::read_text(&path)?.unwrap_or_default();
        let missing: Vec<&str> =
            DVC_GITIGNORE.into_iter().filter(|line| !text.lines().any(|present| present == *line)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        for line in missing {
            text.push_str(line);
            text.push('\n');
        }
        fsx::write_text(&path, &text)
    }
}

/// Holds the repository; freed when dropped or when the process dies.
pub(crate) struct RepoLock {
    _file: File,
}

/// The process's umask.
pub(crate) fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok()).unwrap_or(0o022)
}
