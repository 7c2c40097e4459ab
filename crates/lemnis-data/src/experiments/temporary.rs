//! A workspace apart: a Git worktree below `.dvc/tmp/exps` in which an experiment runs while the user's own
//! stays as it is. Cache and refs are shared, so the experiment is there as soon as it is saved.
//!
//! `.dvc/tmp/exps/run/<commit>/<commit>.run` tells where it is before it is made. So what a killed process
//! leaves behind is found and removed.

use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

use crate::checkout::{CheckoutOptions, checkout};
use crate::config::ini;
use crate::error::{Error, Result};
use crate::experiments::queue::run_dir;
use crate::experiments::save::{SaveExperiment, save_experiment};
use crate::experiments::stash::Stashed;
use crate::experiments::{Experiment, arguments, experiments, reference};
use crate::fsx;
use crate::repo::Repo;
use crate::reproduce::Reproduce;
use crate::revision::{git, no_git};
use crate::run::StageGuard;

const PREPARING: u8 = 1;
const SUCCESS: u8 = 3;
const FAILED: u8 = 4;
const FINISHED: u8 = 6;

/// The workspace of one experiment.
pub struct Temporary {
    /// The repository in it.
    pub repo: Repo,
    /// How to reproduce its pipeline.
    pub request: Reproduce,
    stashed: Stashed,
    top: PathBuf,
    message: Option<String>,
    location: &'static str,
    saved: Option<Experiment>,
}

impl Temporary {
    /// Makes the workspace of `stashed`, with its data linked from the cache and `copies`, paths below the
    /// repository's root, copied over.
    pub(crate) fn open(
        repo: &Repo,
        stashed: &Stashed,
        copies: &[String],
        message: Option<String>,
        location: &'static str,
    ) -> Result<Self> {
        let git_root = repo.git_root().ok_or_else(no_git)?;
        let exps = repo.tmp_dir().join("exps");
        fsx::create_dirs(&exps)?;
        let made = tempfile::Builder::new().prefix("tmp").tempdir_in(&exps);
        let top = made.map_err(Error::io("create a directory in", &exps))?.keep();
        note(repo, stashed, &top, location, PREPARING, None)?;
        match Self::fill(repo, git_root, stashed, copies, &top) {
            Ok((repo, request)) => {
                let stashed = stashed.clone();
                Ok(Self { repo, request, stashed, top, message, location, saved: None })
            }
            Err(error) => {
                let _ = remove(git_root, &top);
                Err(error)
            }
        }
    }

    fn fill(
        repo: &Repo,
        git_root: &Path,
        stashed: &Stashed,
        copies: &[String],
        top: &Path,
    ) -> Result<(Repo, Reproduce)> {
        let place = top.to_string_lossy();
        let quiet = ["-c", "core.hooksPath=/dev/null"];
        let add =
            ["worktree", "add", "--quiet", "--force", "--detach", "--no-checkout", &place, &stashed.head];
        git(git_root, &[&quiet[..], &add[..]].concat())?;
        git(top, &[&quiet[..], &["read-tree", "--reset", "-u", &stashed.commit][..]].concat())?;
        let inner = repo.root().strip_prefix(git_root).unwrap_or(Path::new(""));
        let root = top.join(inner);
        let file = root.join(arguments::FILE);
        let bytes = std::fs::read(&file).map_err(Error::io("read", &file))?;
        fsx::remove(&file)?;
        let arguments::Arguments { request, wdir } = arguments::unpack(&bytes)?;
        share_config(repo, &root)?;
        for path in copies {
            copy(&repo.root().join(path), &root.join(path))?;
        }
        let start = fsx::normalize(&root, Path::new(&wdir));
        let start = if start.starts_with(&root) && start.is_dir() { start } else { root };
        let own = repo.sharing(&start)?;
        let options = CheckoutOptions {
            force: true,
            allow_missing: true,
            with_deps: !request.targets.is_empty(),
            recursive: request.recursive,
            ..CheckoutOptions::default()
        };
        checkout(&own, &request.targets, options)?;
        Ok((own, request))
    }

    /// The experiment's name.
    pub fn name(&self) -> &str {
        &self.stashed.name
    }

    /// Keeps what the workspace holds as the experiment.
    pub fn save(&mut self, parent: &Repo) -> Result<Experiment> {
        let Stashed { name, baseline, .. } = &self.stashed;
        let taken = experiments(parent)?.iter().any(|one| one.name == *name && one.baseline == *baseline);
        if taken && !self.request.force {
            return Err(Error::hinted(
                format!("there is an experiment '{name}' of this commit by now"),
                "run it again under another name, or replace that one with --force",
            ));
        }
        let options = SaveExperiment {
            name: None,
            force: self.request.force,
            include: Vec::new(),
            message: self.message.clone(),
        };
        let saved = save_experiment(&self.repo, name, &options)?;
        note(parent, &self.stashed, &self.top, self.location, SUCCESS, Some(&saved))?;
        self.saved = Some(saved.clone());
        Ok(saved)
    }

    /// Removes the workspace.
    pub fn close(self, parent: &Repo) -> Result<()> {
        let status = if self.saved.is_some() { FINISHED } else { FAILED };
        note(parent, &self.stashed, &self.top, self.location, status, self.saved.as_ref())?;
        remove(parent.git_root().ok_or_else(no_git)?, &self.top)
    }
}

/// Paths to copy, from the repository's root; those that lead out of it are refused.
pub(crate) fn checked_paths(repo: &Repo, paths: &[PathBuf]) -> Result<Vec<String>> {
    let mut checked = Vec::new();
    for path in paths {
        let full = fsx::normalize(repo.cwd(), path);
        if !full.starts_with(repo.root()) {
            return Err(Error::invalid(format!("{} lies outside the repository", path.display())));
        }
        if fsx::metadata(&full)?.is_none() {
            return Err(Error::Missing { what: "path to copy", path: path.display().to_string() });
        }
        checked.push(fsx::relative(&full, repo.root()));
    }
    Ok(checked)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if to.components().any(|part| part == Component::ParentDir) {
        return Err(Error::invalid(format!("{} leads out of the repository", from.display())));
    }
    fsx::create_dirs(to.parent().unwrap_or(Path::new("/")))?;
    let meta = std::fs::symlink_metadata(from).map_err(Error::io("copy", from))?;
    if meta.is_dir() {
        fsx::create_dirs(to)?;
        for entry in std::fs::read_dir(from).map_err(Error::io("list", from))? {
            let entry = entry.map_err(Error::io("list", from))?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    fsx::remove(to)?;
    std::fs::copy(from, to).map(drop).map_err(Error::io("copy", from))
}

/// Commands that the stages run find the same cache and secrets: `.dvc/config.local`.
fn share_config(repo: &Repo, root: &Path) -> Result<()> {
    let text = fsx::read_text(&repo.root().join(".dvc/config.local"))?.unwrap_or_default();
    let mut document = ini::Document::parse(&text, ".dvc/config.local")?;
    let cache = repo.cache_dir().to_string_lossy();
    document.sections.entry("cache".to_owned()).or_default().set("dir", &cache);
    let path = root.join(".dvc/config.local");
    fsx::create_dirs(&root.join(".dvc"))?;
    fsx::write_text(&path, &document.render()?)
}

/// Writes what DVC knows about a run.
fn note(
    repo: &Repo,
    stashed: &Stashed,
    top: &Path,
    location: &str,
    status: u8,
    saved: Option<&Experiment>,
) -> Result<()> {
    let git_root = repo.git_root().ok_or_else(no_git)?;
    let dir = run_dir(repo, &stashed.commit);
    fsx::create_dirs(&dir)?;
    let text = json!({
        "git_url": format!("file://{}", top.display()),
        "baseline_rev": stashed.baseline,
        "location": location,
        "root_dir": top.to_string_lossy(),
        "dvc_dir": fsx::relative(&repo.root().join(".dvc"), git_root),
        "name": stashed.name,
        "wdir": ".",
        "result_hash": saved.map(|saved| saved.commit.as_str()),
        "result_ref": saved.map(|saved| reference(&saved.baseline, &saved.name)),
        "result_force": false,
        "status": status,
    });
    fsx::write_text(&dir.join(format!("{}.run", stashed.commit)), &text.to_string())
}

fn noted(repo: &Repo, commit: &str) -> Result<Value> {
    let text = fsx::read_text(&run_dir(repo, commit).join(format!("{commit}.run")))?.unwrap_or_default();
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

/// The ref of the experiment that the run of `commit` made.
pub(crate) fn result_of(repo: &Repo, commit: &str) -> Result<Option<String>> {
    let noted = noted(repo, commit)?;
    let made = noted["result_hash"].is_string();
    Ok(made.then(|| noted["result_ref"].as_str().unwrap_or_default().to_owned()))
}

/// Ends what still runs in the workspace of a killed process, and removes it.
pub(crate) fn sweep(repo: &Repo, commit: &str) -> Result<()> {
    let noted = noted(repo, commit)?;
    let Some(top) = noted["root_dir"].as_str().map(PathBuf::from) else { return Ok(()) };
    // The note is a file that others may have written: only what lies where workspaces lie is removed.
    if top.parent() != Some(&repo.tmp_dir().join("exps")) || !top.is_dir() {
        return Ok(());
    }
    let git_root = repo.git_root().ok_or_else(no_git)?;
    let inner = repo.root().strip_prefix(git_root).unwrap_or(Path::new(""));
    if let Ok(own) = repo.sharing(&top.join(inner))
        && own.root().starts_with(&top)
    {
        drop(StageGuard::take(&own)?);
    }
    remove(git_root, &top)
}

fn remove(git_root: &Path, top: &Path) -> Result<()> {
    if git(git_root, &["worktree", "remove", "--force", "--force", &top.to_string_lossy()]).is_err() {
        fsx::remove(top)?;
        git(git_root, &["worktree", "prune"])?;
    }
    Ok(())
}

/// Lets Git forget workspaces that are gone.
pub(crate) fn prune(repo: &Repo) -> Result<()> {
    git(repo.git_root().ok_or_else(no_git)?, &["worktree", "prune"]).map(drop)
}
