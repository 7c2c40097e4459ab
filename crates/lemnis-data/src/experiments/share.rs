//! `exp push`, `pull` and `list REMOTE`: experiments on Git remotes. A push or a pull moves the refs; the
//! data is moved by [`push`](crate::push) and [`fetch`](crate::fetch) of their commits.

use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::experiments::{
    Baseline, Baselines, Experiment, NAMESPACE, baselines, experiments, find, listed, named,
};
use crate::repo::Repo;
use crate::revision::{git, no_git};

/// Which experiments to move.
#[derive(Clone, Debug, Default)]
pub struct ShareExperiments {
    /// Their names; none means those of `from`.
    pub names: Vec<String>,
    /// The commits that they started from.
    pub from: Baselines,
    /// Replace what differs on the other side.
    pub force: bool,
}

/// What became of experiments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Shared {
    /// Those that were moved.
    pub success: Vec<Experiment>,
    /// Those that were there already.
    pub up_to_date: Vec<Experiment>,
    /// Those that differ on the other side, and were left as they are.
    pub diverged: Vec<Experiment>,
}

impl Shared {
    /// The commits that are on both sides now.
    pub fn commits(&self) -> Vec<String> {
        self.success.iter().chain(&self.up_to_date).map(|one| one.commit.clone()).collect()
    }
}

/// The experiments that a remote, by name or URL, holds.
pub(crate) fn on_remote(repo: &Repo, remote: &str) -> Result<Vec<Experiment>> {
    let git_root = repo.git_root().ok_or_else(no_git)?;
    checked(remote)?;
    let listed = git(git_root, &["ls-remote", "--quiet", "--", remote, &format!("{NAMESPACE}/*")])?;
    Ok(listed.lines().filter_map(|line| line.split_once('\t')).filter_map(Experiment::parse).collect())
}

fn checked(remote: &str) -> Result<()> {
    if remote.is_empty() || remote.starts_with('-') || remote.starts_with("ext::") {
        return Err(Error::invalid(format!("'{remote}' is no Git remote")));
    }
    Ok(())
}

/// Those of `all` that are asked for.
fn chosen(
    repo: &Repo,
    all: Vec<Experiment>,
    which: &ShareExperiments,
    remote: &str,
) -> Result<Vec<Experiment>> {
    if which.from.scope.commits && which.names.is_empty() {
        return Ok(all);
    }
    if which.names.is_empty() {
        let commits = baselines(repo, &which.from)?;
        return Ok(all.into_iter().filter(|one| commits.contains_key(&one.baseline)).collect());
    }
    let mut found = Vec::new();
    for name in &which.names {
        found.push(named(repo, &all, name)?.ok_or_else(|| {
            Error::hinted(
                format!("'{remote}' has no experiment '{name}'"),
                format!("list them with `lemnis exp list {remote} -A`"),
            )
        })?);
    }
    Ok(found)
}

/// Sends experiments to a Git remote.
pub fn push_experiments(repo: &Repo, remote: &str, which: &ShareExperiments) -> Result<Shared> {
    let git_root = repo.git_root().ok_or_else(no_git)?;
    let there = on_remote(repo, remote)?;
    let own = match &which.names[..] {
        [] => chosen(repo, experiments(repo)?, which, "this repository")?,
        names => names.iter().map(|name| find(repo, name)).collect::<Result<_>>()?,
    };
    let (shared, refspecs) = sort(own, &there, which.force);
    if !refspecs.is_empty() {
        let force: &[&str] = if which.force { &["--force"] } else { &[] };
        let mut args = vec!["push", "--quiet", "--no-verify"];
        args.extend(force);
        args.extend(["--", remote]);
        args.extend(refspecs.iter().map(String::as_str));
        git(git_root, &args)?;
    }
    Ok(shared)
}

/// Brings experiments from a Git remote.
pub fn pull_experiments(repo: &Repo, remote: &str, which: &ShareExperiments) -> Result<Shared> {
    let git_root = repo.git_root().ok_or_else(no_git)?;
    let theirs = chosen(repo, on_remote(repo, remote)?, which, remote)?;
    let (shared, refspecs) = sort(theirs, &experiments(repo)?, which.force);
    if !refspecs.is_empty() {
        let force: &[&str] = if which.force { &["--force"] } else { &[] };
        let mut args = vec!["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"];
        args.extend(force);
        args.extend(["--", remote]);
        args.extend(refspecs.iter().map(String::as_str));
        git(git_root, &args)?;
    }
    Ok(shared)
}

/// What is to be moved, and the refs to do it with. Experiments that differ are no continuation of one
/// another, so they count as diverged unless forced.
fn sort(from: Vec<Experiment>, to: &[Experiment], force: bool) -> (Shared, Vec<String>) {
    let mut shared = Shared::default();
    let mut refspecs = Vec::new();
    for one in from {
        let there = to.iter().find(|there| there.baseline == one.baseline && there.name == one.name);
        match there {
            Some(there) if there.commit == one.commit => shared.up_to_date.push(one),
            Some(_) if !force => shared.diverged.push(one),
            _ => {
                refspecs.push(format!("{0}:{0}", one.reference()));
                shared.success.push(one);
            }
        }
    }
    (shared, refspecs)
}

/// The experiments on a Git remote by the commit that they started from.
pub fn list_remote_experiments(repo: &Repo, remote: &str, which: &Baselines) -> Result<Vec<Baseline>> {
    listed(repo, on_remote(repo, remote)?, which)
}

/// Removes experiments from a Git remote.
pub(crate) fn remove_from(git_root: &Path, remote: &str, gone: &[Experiment]) -> Result<()> {
    if !gone.is_empty() {
        let refspecs: Vec<String> = gone.iter().map(|one| format!(":{}", one.reference())).collect();
        let mut args = vec!["push", "--quiet", "--no-verify", "--", remote];
        args.extend(refspecs.iter().map(String::as_str));
        git(git_root, &args)?;
    }
    Ok(())
}
