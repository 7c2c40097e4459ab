//! Experiments: results that are kept as commits under `refs/exps`, off every branch, as DVC lays them out.
//!
//! `refs/exps/<2>/<38>/<name>` holds the baseline commit in its path and points at a commit whose parent is
//! that baseline. So DVC lists, applies and pushes what was saved here, and the other way round.

mod apart;
mod apply;
mod arguments;
mod capture;
mod diff;
mod hydra;
mod overrides;
mod queue;
mod remove;
mod save;
mod scratch_index;
mod share;
mod show;
mod stash;
mod sweep;
mod temporary;

pub use apart::{Apart, close_apart, open_apart};
pub use apply::{apply_experiment, branch_experiment, rename_experiment};
pub use capture::record_data;
pub use diff::{DiffExperiments, ExperimentsDiff, diff_experiments};
pub use overrides::{Overrides, override_params};
pub use queue::{
    Enqueue, QueueTask, TakenTask, TaskState, Worker, Workers, clean_experiments, end_task, enqueue,
    fail_task, give_back_lost, kill_tasks, note_process, queue_tasks, remove_tasks, stop_workers, take_task,
    take_worker, task_log, task_output, waiting_tasks, worker_log, workers,
};
pub use remove::{RemoveExperiments, remove_experiments};
pub use save::{SaveExperiment, experiment_environment, experiment_name, save_experiment};
pub use share::{ShareExperiments, Shared, list_remote_experiments, pull_experiments, push_experiments};
pub use show::{ExperimentTable, ShowExperiments, Style, TableOptions, show_experiments};
pub use sweep::sweeps;
pub use temporary::Temporary;

use indexmap::IndexMap;

use crate::error::{Error, Result};
use crate::repo::Repo;
use crate::revision::{git, no_git};
use crate::values::{RevisionScope, revisions};

pub(crate) const NAMESPACE: &str = "refs/exps";

/// A saved experiment.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Experiment {
    /// Its name.
    pub name: String,
    /// The commit that it started from.
    pub baseline: String,
    /// The commit that holds it.
    pub commit: String,
}

/// A commit with experiments.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Baseline {
    /// The commit.
    pub commit: String,
    /// The branch or tag that leads to it.
    pub name: Option<String>,
    /// What started from it.
    pub experiments: Vec<Experiment>,
}

impl Baseline {
    /// Experiments by baseline, for those of `commits` that have some.
    fn group(all: Vec<Experiment>, commits: IndexMap<String, String>) -> Vec<Self> {
        let mut out = Vec::new();
        for (commit, name) in commits {
            let experiments: Vec<Experiment> =
                all.iter().filter(|one| one.baseline == commit).cloned().collect();
            if !experiments.is_empty() {
                out.push(Self { commit, name: (!name.is_empty()).then_some(name), experiments });
            }
        }
        out
    }
}

impl Experiment {
    /// From a commit and the ref that holds it; `None` for refs that hold something else.
    fn parse((commit, reference): (&str, &str)) -> Option<Self> {
        let parts: Vec<&str> = reference.splitn(5, '/').collect();
        match parts[..] {
            [_, _, head, tail, name] if head.len() == 2 && tail.len() == 38 => {
                let baseline = format!("{head}{tail}");
                Some(Self { name: name.to_owned(), baseline, commit: commit.to_owned() })
            }
            _ => None,
        }
    }

    pub(crate) fn reference(&self) -> String {
        reference(&self.baseline, &self.name)
    }
}

pub(crate) fn reference(baseline: &str, name: &str) -> String {
    let (head, tail) = baseline.split_at(baseline.len().min(2));
    format!("{NAMESPACE}/{head}/{tail}/{name}")
}

/// Every experiment of the repository, by baseline and name.
pub fn experiments(repo: &Repo) -> Result<Vec<Experiment>> {
    let git_root = repo.git_root().ok_or_else(no_git)?;
    let listed = git(git_root, &["for-each-ref", "--format=%(objectname) %(refname)", NAMESPACE])?;
    Ok(listed.lines().filter_map(|line| line.split_once(' ')).filter_map(Experiment::parse).collect())
}

/// The experiment called `name`; those of the present commit come first.
pub(crate) fn find(repo: &Repo, name: &str) -> Result<Experiment> {
    named(repo, &experiments(repo)?, name)?.ok_or_else(|| {
        Error::hinted(format!("there is no experiment '{name}'"), "list them with `lemnis exp list -A`")
    })
}

/// The one of `all` that is called `name` or whose commit begins so.
pub(crate) fn named(repo: &Repo, all: &[Experiment], name: &str) -> Result<Option<Experiment>> {
    let named: Vec<&Experiment> = all
        .iter()
        .filter(|one| one.name == name || (name.len() >= 7 && one.commit.starts_with(name)))
        .collect();
    let head = repo.resolve("HEAD")?;
    match (named.iter().find(|one| one.baseline == head), &named[..]) {
        (Some(one), _) => Ok(Some((*one).clone())),
        (None, []) => Ok(None),
        (None, [one]) => Ok(Some((*one).clone())),
        (None, several) => Err(Error::hinted(
            format!("{} experiments of different commits are called '{name}'", several.len()),
            "give the commit of the one that is meant",
        )),
    }
}

/// The commit that the experiment at `revision` began from; `None` where that is no experiment.
pub(crate) fn baseline_of(repo: &Repo, revision: &str) -> Result<Option<String>> {
    let commit = repo.resolve(revision)?;
    let found = experiments(repo)?.into_iter().find(|one| one.commit == commit);
    Ok(found.map(|one| one.baseline))
}

/// The commits whose experiments are meant.
#[derive(Clone, Debug)]
pub struct Baselines {
    /// Those of branches, tags or every commit.
    pub scope: RevisionScope,
    /// These commits.
    pub revs: Vec<String>,
    /// How many commits back from each of `revs` and each branch, along first parents; all where it is negative.
    pub num: i64,
}

impl Default for Baselines {
    /// The present commit.
    fn default() -> Self {
        Self { scope: RevisionScope::default(), revs: Vec::new(), num: 1 }
    }
}

/// Baseline commits with the name that people know each by: the present branch, else a tag, else a branch.
pub(crate) fn baselines(repo: &Repo, which: &Baselines) -> Result<IndexMap<String, String>> {
    let git_root = repo.git_root().ok_or_else(no_git)?;
    let Baselines { scope, revs, num } = which;
    let present = repo.resolve("HEAD")?;
    let mut starts = Vec::new();
    for rev in revs {
        starts.push(repo.resolve(rev)?);
    }
    if revs.is_empty() && scope.is_workspace_only() {
        starts.push(present.clone());
    }
    let mut commits = Vec::new();
    let back = |start: &str| -> Result<Vec<String>> {
        let count = format!("--max-count={num}");
        let listed = git(git_root, &["rev-list", "--first-parent", &count, start])?;
        Ok(listed.lines().map(str::to_owned).collect())
    };
    for start in &starts {
        commits.extend(back(start)?);
    }
    for (commit, _) in revisions(repo, RevisionScope { tags: false, ..*scope })? {
        match scope.commits {
            true => commits.push(commit),
            false => commits.extend(back(&commit)?),
        }
    }
    if scope.tags && !scope.commits {
        commits
            .extend(revisions(repo, RevisionScope { tags: true, ..RevisionScope::default() })?.into_keys());
    }
    let names = git(
        git_root,
        &[
            "for-each-ref",
            "--format=%(objectname) %(*objectname) %(refname:lstrip=2)",
            "refs/tags",
            "refs/heads",
        ],
    )?;
    let mut known: IndexMap<&str, &str> = IndexMap::new();
    for line in names.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        if let [object, peeled, name] = words[..] {
            known.insert(if peeled.is_empty() { object } else { peeled }, name);
        }
    }
    let head = git(git_root, &["symbolic-ref", "--quiet", "--short", "HEAD"]).unwrap_or_default();
    let mut out = IndexMap::new();
    for commit in commits {
        let name = match known.get(commit.as_str()) {
            _ if commit == present && !head.trim().is_empty() => head.trim().to_owned(),
            Some(name) => (*name).to_owned(),
            None => String::new(),
        };
        out.insert(commit, name);
    }
    Ok(out)
}

/// Experiments by the commit that they started from. Those of every commit include what no branch leads to any more.
pub fn list_experiments(repo: &Repo, which: &Baselines) -> Result<Vec<Baseline>> {
    listed(repo, experiments(repo)?, which)
}

fn listed(repo: &Repo, all: Vec<Experiment>, which: &Baselines) -> Result<Vec<Baseline>> {
    let mut commits = baselines(repo, which)?;
    if which.scope.commits {
        for one in &all {
            commits.entry(one.baseline.clone()).or_default();
        }
    }
    Ok(Baseline::group(all, commits))
}
