//! `exp remove`: takes experiments, and tasks of the queue, out of this repository or a Git remote.

use crate::error::{Error, Result};
use crate::experiments::queue::{QueueTask, TaskState, queue_tasks, remove_tasks};
use crate::experiments::share::{on_remote, remove_from};
use crate::experiments::{Baselines, Experiment, baselines, experiments, named};
use crate::repo::Repo;
use crate::revision::{git, no_git};

/// Which experiments to remove.
#[derive(Clone, Debug, Default)]
pub struct RemoveExperiments {
    /// Their names or commits; what waits or has ended in the queue counts as well.
    pub names: Vec<String>,
    /// Without names: those of these commits.
    pub from: Option<Baselines>,
    /// Everything that waits in the queue.
    pub queued: bool,
    /// Keep those that are named or of these commits, and remove all others.
    pub keep: bool,
    /// Remove from this Git remote instead.
    pub remote: Option<String>,
}

/// Removes experiments and returns their names. Nothing is removed when a name is not known.
pub fn remove_experiments(repo: &Repo, which: &RemoveExperiments) -> Result<Vec<String>> {
    let git_root = repo.git_root().ok_or_else(no_git)?;
    let (all, tasks) = match &which.remote {
        Some(remote) => (on_remote(repo, remote)?, Vec::new()),
        None => (experiments(repo)?, queue_tasks(repo)?),
    };
    let (mut gone, gone_tasks) = match &which.from {
        _ if !which.names.is_empty() => by_name(repo, &all, &tasks, &which.names)?,
        Some(from) if from.scope.commits && from.revs.is_empty() => (all.clone(), Vec::new()),
        Some(from) => {
            let commits = baselines(repo, from)?;
            (all.iter().filter(|one| commits.contains_key(&one.baseline)).cloned().collect(), Vec::new())
        }
        None => (Vec::new(), Vec::new()),
    };
    let mut removed = Vec::new();
    if which.queued {
        removed.extend(remove_tasks(repo, &[], &[TaskState::Queued])?);
    }
    if which.keep {
        gone = all.into_iter().filter(|one| !gone.contains(one)).collect();
    } else if !gone_tasks.is_empty() {
        removed.extend(remove_tasks(repo, &gone_tasks, &[])?);
    }
    match &which.remote {
        Some(remote) => remove_from(git_root, remote, &gone)?,
        None => {
            for one in &gone {
                git(git_root, &["update-ref", "-d", &one.reference(), &one.commit])?;
            }
        }
    }
    for one in gone {
        if !removed.contains(&one.name) {
            removed.push(one.name);
        }
    }
    Ok(removed)
}

/// The experiments and the commits of the tasks that names mean; a name may mean one of each.
fn by_name(
    repo: &Repo,
    all: &[Experiment],
    tasks: &[QueueTask],
    names: &[String],
) -> Result<(Vec<Experiment>, Vec<String>)> {
    let (mut found, mut found_tasks) = (Vec::new(), Vec::new());
    let mut unknown = Vec::new();
    for name in names {
        let experiment = named(repo, all, name)?;
        let ended = tasks.iter().rev().filter(|task| task.state != TaskState::Running);
        let task = ended.clone().find(|task| task.name == *name);
        let by_commit = |task: &&QueueTask| name.len() >= 7 && task.rev.starts_with(name.as_str());
        let task = task.or_else(|| ended.clone().find(by_commit));
        if experiment.is_none() && task.is_none() {
            unknown.push(format!("'{name}'"));
        }
        found.extend(experiment);
        found_tasks.extend(task.map(|task| task.rev.clone()));
    }
    if unknown.is_empty() {
        return Ok((found, found_tasks));
    }
    Err(Error::hinted(
        format!("there is no experiment {}", unknown.join(", ")),
        "list them with `lemnis exp list -A`, tasks with `lemnis queue status`",
    ))
}
