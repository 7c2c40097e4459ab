//! The repository: a root with a `.dvc` directory, its configuration and the lock that DVC shares.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::config::{self, Config};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::fsx::{TEMP_PREFIX, TEMP_SUFFIX};
use crate::holder::Holder;
use crate::locks::{Lock, Patience};
use crate::progress::{Progress, Task};
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
    /// Lie below the root of the Git repository instead of at it.
    pub subdir: bool,
    /// Replace a repository that is there, with its cache.
    pub force: bool,
}

/// What a repository uses, for reports.
#[derive(Clone, Debug, serde::Serialize)]
pub struct About {
    /// Where its objects lie, absolute.
    pub cache_dir: String,
    /// The ways in which its files can share bytes with the cache; none while there is no cache.
    pub link_types: Vec<String>,
    /// Its remotes by name.
    pub remotes: Vec<String>,
    /// Whether it works with Git.
    pub git: bool,
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
    progress: Option<Arc<dyn Progress>>,
    environment: Environment,
}

impl Repo {
    /// The repository that holds `start`, which must be an existing directory. Paths in messages and in
    /// [`Status`](crate::Status) are relative to `start`.
    pub fn discover(start: &Path, environment: &Environment) -> Result<Self> {
        let cwd = std::path::absolute(start).map_err(Error::io("look at", start))?;
        let cwd = fsx::normalize(&cwd, Path::new(""));
        let root = find_root(&cwd).ok_or_else(|| Error::NotARepo { dir: cwd.clone() })?;
        let config = Config::load(&root.join(".dvc"), environment)?;
        let git_root = if config.no_scm { None } else { git::root_of(&root) };
        let environment = environment.clone();
        Ok(Self { root, cwd, git_root, config, revision: None, progress: None, environment })
    }

    /// The repository that holds `start` or, where there is none, the directory itself, which may be in Git.
    pub fn discover_any(start: &Path, environment: &Environment) -> Result<Self> {
        match Self::discover(start, environment) {
            Err(Error::NotARepo { dir }) => {
                let config = Config::load(&dir.join(".dvc"), environment)?;
                let git_root = git::root_of(&dir);
                let root = git_root.clone().unwrap_or_else(|| dir.clone());
                let environment = environment.clone();
                Ok(Self { root, cwd: dir, git_root, config, revision: None, progress: None, environment })
            }
            other => other,
        }
    }

    /// The bare Git repository at `git_dir`, to be looked at through one of its commits.
    pub(crate) fn bare(git_dir: &Path, environment: &Environment) -> Result<Self> {
        let root = git_dir.to_path_buf();
        let config = Config::load(&root.join(".dvc"), environment)?;
        Ok(Self {
            cwd: root.clone(),
            git_root: Some(root.clone()),
            root,
            config,
            revision: None,
            progress: None,
            environment: environment.clone(),
        })
    }

    /// Makes `dir` a repository with the files that `dvc init` writes; with Git they are staged.
    pub fn init(dir: &Path, options: InitOptions, environment: &Environment) -> Result<Self> {
        let dir =
            fsx::normalize(&std::path::absolute(dir).map_err(Error::io("look at", dir))?, Path::new(""));
        let dvc_dir = dir.join(".dvc");
        if options.no_scm && options.subdir {
            return Err(Error::invalid("a repository without Git has no parent to lie in"));
        }
        if dvc_dir.exists() && !options.force {
            return Err(Error::RepoExists { dir });
        }
        let git_root =
            if options.subdir { git::root_of(&dir) } else { git::root_of(&dir).filter(|at| *at == dir) };
        match &git_root {
            _ if options.no_scm => {}
            None => return Err(Error::NoGit { dir }),
            Some(root) if git::ignores(root, &dvc_dir)? => {
                return Err(Error::hinted(
                    format!("{} is ignored by git", dvc_dir.display()),
                    "take its pattern out of .gitignore, or add '!.dvc'",
                ));
            }
            Some(_) => {}
        }
        fsx::create_dirs(&dir)?;
        let staging = tempfile::Builder::new()
            .prefix(".dvc-")
            .tempdir_in(&dir)
            .map_err(Error::io("create a directory in", &dir))?;
        let config = if options.no_scm { "[core]\n    no_scm = True\n" } else { "" };
        fsx::write_text(&staging.path().join("config"), config)?;
        if !options.no_scm {
            fsx::write_text(&staging.path().join(".gitignore"), &(DVC_GITIGNORE.join("\n") + "\n"))?;
        }
        fsx::create_dirs(&staging.path().join("tmp"))?;
        fsx::write_text(&staging.path().join("tmp/btime"), "")?;
        if fsx::metadata(&dir.join(".dvcignore"))?.is_none() {
            fsx::write_text(&dir.join(".dvcignore"), DVCIGNORE)?;
        }
        fsx::chmod(staging.path(), 0o777 & !umask())?;
        let fresh = staging.keep();
        if dvc_dir.exists() {
            // The old one goes as a whole: what a crash leaves is the old, the new, or neither with the old aside.
            let old = dir.join(format!("{TEMP_PREFIX}old-{}{TEMP_SUFFIX}", std::process::id()));
            std::fs::rename(&dvc_dir, &old).map_err(Error::io("replace", &dvc_dir))?;
            std::fs::rename(&fresh, &dvc_dir).map_err(Error::io("create", &dvc_dir))?;
            fsx::remove(&old)?;
        } else {
            std::fs::rename(&fresh, &dvc_dir).map_err(Error::io("create", &dvc_dir))?;
        }
        fsx::sync_dir(&dir);
        let repo = Self::discover(&dir, environment)?;
        if let Some(git_root) = &repo.git_root {
            let files = [dvc_dir.join(".gitignore"), dvc_dir.join("config"), dir.join(".dvcignore")];
            git::add(git_root, &files)?;
        }
        Ok(repo)
    }

    /// This repository as another revision defines it, with that revision's definitions in `root`. Cache and
    /// configuration stay; Git's rules do not reach there.
    pub(crate) fn exported_to(&self, root: &Path) -> Self {
        let inner = self.cwd.strip_prefix(&self.root).unwrap_or(Path::new(""));
        Self {
            root: root.to_path_buf(),
            cwd: root.join(inner),
            git_root: None,
            config: self.config.clone(),
            revision: None,
            progress: None,
            environment: self.environment.clone(),
        }
    }

    /// The repository at `start` with this one's configuration, whose cache and remotes it then shares.
    pub(crate) fn sharing(&self, start: &Path) -> Result<Self> {
        Ok(Self { config: self.config.clone(), ..Self::discover(start, &self.environment)? })
    }

    /// The directory that holds `.dvc`, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The way from where the repository was opened to its root.
    pub fn root_from_cwd(&self) -> String {
        fsx::relative(&self.root, &self.cwd)
    }

    /// What the repository uses.
    pub fn describe(&self) -> Result<About> {
        let cache_dir = self.config.cache_dir.clone();
        let link_types = if cache_dir.is_dir() { self.possible_links(&cache_dir)? } else { Vec::new() };
        Ok(About {
            cache_dir: cache_dir.display().to_string(),
            link_types,
            remotes: self.config.remotes.keys().cloned().collect(),
            git: self.git_root.is_some(),
        })
    }

    /// Tries each way to link a file of the workspace to the cache.
    fn possible_links(&self, cache_dir: &Path) -> Result<Vec<String>> {
        fsx::create_dirs(&self.tmp_dir())?;
        let (there, here) = (Holder::new(cache_dir)?, Holder::new(&self.tmp_dir())?);
        let source = there.path().join("object");
        fsx::write_scratch(&source, "x")?;
        let to = |name: &str| here.path().join(name);
        let tried = [
            ("reflink", fsx::reflink(&source, &to("reflink")).is_ok()),
            ("hardlink", std::fs::hard_link(&source, to("hardlink")).is_ok()),
            ("symlink", std::os::unix::fs::symlink(&source, to("symlink")).is_ok()),
        ];
        Ok(tried.into_iter().filter(|(_, works)| *works).map(|(name, _)| name.to_owned()).collect())
    }

    /// Where the objects of the cache lie, absolute.
    pub fn cache_dir(&self) -> &Path {
        &self.config.cache_dir
    }

    /// The name of the default remote, where one is configured.
    pub fn default_remote(&self) -> Option<&str> {
        self.config.remote.as_deref()
    }

    /// Lets `listener` follow long work.
    pub fn with_progress(mut self, listener: Arc<dyn Progress>) -> Self {
        self.progress = Some(listener);
        self
    }

    /// Work of `total` steps begins; the listener hears of it until the task is dropped.
    pub(crate) fn task(&self, what: &str, total: usize) -> Task<'_> {
        Task::begin(self.progress.as_ref(), what, total)
    }

    /// An option of the merged configuration such as `core.checksum_jobs`, where it is set.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.config.get(key)
    }

    pub(crate) fn cwd(&self) -> &Path {
        &self.cwd
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// What the process that opened it said about itself.
    pub fn environment(&self) -> &Environment {
        &self.environment
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
        Self {
            root,
            cwd,
            git_root,
            config: self.config.clone(),
            revision: Some(tree),
            progress: None,
            environment: self.environment.clone(),
        }
    }

    /// The repository in the directory `root` of this one, as the working tree or the commit has it.
    pub(crate) fn nested(&self, root: &Path) -> Result<Self> {
        let config = Config::load(&root.join(".dvc"), &self.environment)?;
        Ok(Self {
            root: root.to_path_buf(),
            cwd: root.to_path_buf(),
            git_root: self.git_root.clone(),
            config,
            revision: self.revision.clone(),
            progress: None,
            environment: self.environment.clone(),
        })
    }

    /// A repository that is seen through a commit and is nowhere checked out has the remotes that the commit names.
    pub(crate) fn with_committed_config(mut self) -> Result<Self> {
        let path = self.root.join(".dvc/config");
        if self.revision.is_some() && !path.exists() {
            let text = self.read_text(&path)?.unwrap_or_default();
            self.config.lay_over(config::parse(&text, ".dvc/config")?);
        }
        Ok(self)
    }

    /// Puts settings of remotes above the repository's own.
    pub(crate) fn lay_over(&mut self, settings: Vec<(String, String)>) {
        self.config.lay_over(settings);
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
    pub(crate) fn lock(&self) -> Result<Lock> {
        self.lock_within(LOCK_RETRIES)
    }

    /// Takes the lock again after a stage ran, waiting up to two minutes.
    pub(crate) fn relock(&self) -> Result<Lock> {
        self.lock_within(RELOCK_RETRIES)
    }

    fn lock_within(&self, retries: u32) -> Result<Lock> {
        let dir = self.tmp_dir();
        fsx::create_dirs(&dir)?;
        let retries = (!self.environment.waits_for_lock()).then_some(retries);
        let patience = Patience { retries, delay: LOCK_DELAY };
        let lock = Lock::take(&dir.join("lock"), self.config.hardlink_lock, patience)?;
        self.restore_gitignore()?;
        Ok(lock)
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

/// The root of the repository that holds `dir`.
pub(crate) fn find_root(dir: &Path) -> Option<PathBuf> {
    dir.ancestors().find(|at| at.join(".dvc").is_dir()).map(Path::to_path_buf)
}

/// The process's umask.
pub(crate) fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok()).unwrap_or(0o022)
}
