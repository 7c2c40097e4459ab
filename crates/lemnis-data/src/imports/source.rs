//! A foreign repository at one revision: where its files are, what it tracks, and where its data can be had.

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::Outside;
use super::spec::RepoRef;
use crate::cache::Cache;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::hash::md5_bytes;
use crate::index::Index;
use crate::remote::Remote;
use crate::repo::Repo;
use crate::revision::export;
use crate::yaml::Value;
use crate::{config, fsx, git};

/// Where clones are kept, one directory a user. They can be deleted at any time.
const CLONES: &str = "/var/tmp";

pub(crate) struct Source {
    /// What paths in the repository start from.
    pub(crate) base: PathBuf,
    /// The commit; `None` without Git.
    pub(crate) commit: Option<String>,
    /// The original when it lies on this machine.
    local: Option<PathBuf>,
    /// Holds an exported revision.
    environment: Environment,
    _holder: Option<TempDir>,
}

impl Source {
    /// Opens the repository at a path or URL. Without a revision a data repository on this machine is taken as it
    /// stands, any other at its newest commit.
    pub(crate) fn open(cwd: &Path, url: &str, rev: Option<&str>, environment: &Environment) -> Result<Self> {
        let environment = environment.clone();
        if url.starts_with('-') || url.is_empty() {
            return Err(Error::invalid(format!("'{url}' is no repository")));
        }
        let path = fsx::normalize(cwd, Path::new(url.strip_prefix("file://").unwrap_or(url)));
        if path.is_dir() {
            let git_root = git::root_of(&path);
            let commit = match &git_root {
                Some(git_root) => resolve(git_root, rev.unwrap_or("HEAD"), url)?,
                None => None,
            };
            if rev.is_none() && (path.join(".dvc").is_dir() || git_root.is_none()) {
                return Ok(Self {
                    base: path.clone(),
                    commit,
                    local: Some(path),
                    environment,
                    _holder: None,
                });
            }
            let (Some(git_root), Some(commit)) = (git_root, commit) else {
                return Err(no_revision(url, rev));
            };
            let (holder, tree) = checkout(&git_root, &commit)?;
            let inner = path.strip_prefix(&git_root).unwrap_or(Path::new(""));
            let base = tree.join(inner);
            let (commit, local) = (Some(commit), Some(path));
            return Ok(Self { base, commit, local, environment, _holder: Some(holder) });
        }
        let clone = clone_of(url, rev)?;
        let Some(commit) = resolve(&clone, rev.unwrap_or("HEAD"), url)? else {
            return Err(no_revision(url, rev));
        };
        let (holder, base) = checkout(&clone, &commit)?;
        Ok(Self { base, commit: Some(commit), local: None, environment, _holder: Some(holder) })
    }

    /// The Git repository at a path or URL, brought up to date; `None` for a directory without Git.
    pub(crate) fn git_dir_of(cwd: &Path, url: &str) -> Result<Option<PathBuf>> {
        let path = fsx::normalize(cwd, Path::new(url.strip_prefix("file://").unwrap_or(url)));
        if path.is_dir() { Ok(git::root_of(&path)) } else { clone_of(url, None).map(Some) }
    }

    /// The commit that the repository is at, without checking anything out.
    pub(crate) fn commit_of(cwd: &Path, url: &str, rev: Option<&str>) -> Result<Option<String>> {
        Self::git_dir_of(cwd, url)?.map_or(Ok(None), |dir| resolve(&dir, rev.unwrap_or("HEAD"), url))
    }

    /// The data repository that holds `path`; `None` for one that only Git knows.
    pub(crate) fn repo_of(&self, path: &Path) -> Result<Option<Repo>> {
        let root =
            path.ancestors().take_while(|at| at.starts_with(&self.base)).find(|at| at.join(".dvc").is_dir());
        let Some(root) = root else { return Ok(None) };
        let repo = Repo::discover(root, &self.environment)?;
        // The original's configuration has the local level and paths that mean something.
        match &self.local {
            Some(local) if *local != self.base => {
                let inner = root.strip_prefix(&self.base).unwrap_or(Path::new(""));
                let original = local.join(inner);
                if original.join(".dvc").is_dir() {
                    return Ok(Some(Repo::discover(&original, &self.environment)?.exported_to(root)));
                }
                Ok(Some(repo))
            }
            _ => Ok(Some(repo)),
        }
    }

    pub(crate) fn index(repo: &Repo) -> Result<Index> {
        Index::load(repo)
    }

    /// Where the objects of `repo` can be had, nearest first: the cache of an original on this machine, then the
    /// remote that the output, the import or the repository names.
    pub(crate) fn remotes(
        &self,
        repo: &Repo,
        asked: Option<&RepoRef>,
        of_output: Option<&str>,
        outside: &Outside<'_>,
    ) -> Result<Vec<Remote>> {
        let mut settings = repo.config().clone();
        let mut name = of_output.map(str::to_owned);
        if let Some(asked) = asked {
            match &asked.config {
                Some(Value::Str(file)) => {
                    let file = fsx::normalize(repo.cwd(), Path::new(file));
                    settings.lay_over(config::read_file(&file)?);
                }
                Some(sections) => settings.lay_over(sections_of(sections)),
                None => {}
            }
            match &asked.remote {
                Some(Value::Str(remote)) => name = name.or_else(|| Some(remote.clone())),
                Some(Value::Map(options)) => {
                    let target = settings.remote.clone().unwrap_or_else(|| "import".into());
                    let entry = settings.remotes.entry(target.clone()).or_default();
                    entry.extend(options.iter().map(|(key, value)| (key.text.clone(), plain(value))));
                    settings.remote = Some(target);
                }
                _ => {}
            }
        }
        let mut remotes = Vec::new();
        if self.local.is_some() {
            let dir = settings.cache_dir.display().to_string();
            remotes.push(Remote::at("cache", &dir, &Default::default(), outside.stores, outside.jobs)?);
        }
        if name.is_some() || settings.remote.is_some() {
            remotes.push(Remote::open(&settings, name.as_deref(), outside.stores, outside.jobs)?);
        }
        Ok(remotes)
    }

    /// An absolute path for `path` of the repository; it cannot lead out of it.
    pub(crate) fn locate(&self, path: &str) -> Result<PathBuf> {
        let inner = fsx::normalize(Path::new("/"), Path::new(path));
        Ok(self.base.join(inner.strip_prefix("/").unwrap_or(&inner)))
    }
}

/// `{remote: {name: {option: value}}, core: {remote: name}}` as lines of a configuration.
fn sections_of(sections: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if let Some(name) = sections.get("core").and_then(|core| core.get("remote")) {
        found.push(("core.remote".to_owned(), plain(name)));
    }
    for (name, options) in sections.get("remote").and_then(Value::as_map).into_iter().flatten() {
        for (key, value) in options.as_map().into_iter().flatten() {
            found.push((format!("remote \"{}\".{}", name.text, key.text), plain(value)));
        }
    }
    found
}

fn plain(value: &Value) -> String {
    match value.to_json() {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    }
}

/// A cache that belongs to nobody, for a `get` outside of any repository.
pub(crate) fn loose_cache(near: &Path) -> Result<(TempDir, Cache)> {
    let holder = tempfile::Builder::new()
        .prefix(fsx::TEMP_PREFIX)
        .suffix(fsx::TEMP_SUFFIX)
        .tempdir_in(near)
        .map_err(Error::io("create a directory in", near))?;
    let cache = Cache::loose(&holder.path().join("cache"), &holder.path().join("scratch"));
    Ok((holder, cache))
}

fn no_revision(url: &str, rev: Option<&str>) -> Error {
    let rev = rev.unwrap_or("HEAD");
    Error::hinted(format!("the repository '{url}' has no revision '{rev}'"), "push it there, or name another")
}

fn resolve(git_dir: &Path, rev: &str, url: &str) -> Result<Option<String>> {
    if rev.starts_with('-') {
        return Err(no_revision(url, Some(rev)));
    }
    for name in [rev.to_owned(), format!("origin/{rev}")] {
        let asked = format!("{name}^{{commit}}");
        if let Some(commit) = git::run(git_dir, &["rev-parse", "--verify", "--quiet", &asked])? {
            return Ok(Some(commit.trim().to_owned()));
        }
    }
    if rev == "HEAD" { Ok(None) } else { Err(no_revision(url, Some(rev))) }
}

fn checkout(git_dir: &Path, commit: &str) -> Result<(TempDir, PathBuf)> {
    let near = own_dir()?;
    let holder = tempfile::Builder::new()
        .prefix("tree-")
        .tempdir_in(&near)
        .map_err(Error::io("create a directory in", &near))?;
    let tree = export(git_dir, commit, &holder)?;
    Ok((holder, tree))
}

/// A bare clone of `url`, brought up to date unless it holds the wanted commit.
fn clone_of(url: &str, rev: Option<&str>) -> Result<PathBuf> {
    let dir = own_dir()?;
    let name = md5_bytes(url.as_bytes());
    let clone = dir.join(&name);
    let lock_path = dir.join(format!("{name}.lock"));
    let lock = File::create(&lock_path).map_err(Error::io("lock", &lock_path))?;
    lock.lock().map_err(Error::io("lock", &lock_path))?;
    if clone.is_dir() {
        let is_hash = rev.is_some_and(|rev| rev.len() == 40 && rev.bytes().all(|b| b.is_ascii_hexdigit()));
        let known = |rev: &str| git::run(&clone, &["cat-file", "-e", &format!("{rev}^{{commit}}")]);
        if is_hash && rev.is_some_and(|rev| known(rev).is_ok_and(|there| there.is_some())) {
            return Ok(clone);
        }
        transport(&[
            "-C",
            &clone.to_string_lossy(),
            "fetch",
            "--quiet",
            "--prune",
            "--tags",
            "origin",
            "+refs/heads/*:refs/heads/*",
        ])?;
        return Ok(clone);
    }
    let temp = tempfile::Builder::new()
        .prefix("clone-")
        .tempdir_in(&dir)
        .map_err(Error::io("create a directory in", &dir))?;
    let bare = temp.path().join("git");
    transport(&["clone", "--quiet", "--bare", "--", url, &bare.to_string_lossy()])?;
    fs::rename(&bare, &clone).map_err(Error::io("write", &clone))?;
    Ok(clone)
}

/// Git over a network: it may ask for a password on the terminal, and its messages are the error.
fn transport(args: &[&str]) -> Result<()> {
    let command = if args.contains(&"clone") { "clone" } else { "fetch" };
    let failed = |message: String| Error::Git { command: command.into(), message };
    let output = Command::new("git")
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ")))
}

/// The user's own directory for clones; one that somebody else could write is refused.
fn own_dir() -> Result<PathBuf> {
    let uid = rustix::process::getuid().as_raw();
    let dir = Path::new(CLONES).join(format!("lemnis-{uid}"));
    match fs::DirBuilder::new().mode(0o700).create(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(Error::io("create", &dir)(error));
        }
        _ => {}
    }
    let meta = fs::symlink_metadata(&dir).map_err(Error::io("look at", &dir))?;
    if !meta.is_dir() || meta.uid() != uid || meta.mode() & 0o077 != 0 {
        return Err(Error::hinted(
            format!("{} is not a private directory of yours", dir.display()),
            "remove it, and find out who made it",
        ));
    }
    Ok(dir)
}
