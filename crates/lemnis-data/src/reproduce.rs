//! Brings pipelines up to date: runs what is stale, restores what was made before, skips the rest.
//!
//! A stage's entry in `dvc.lock` is written last, after its outputs are safe in the cache. So a run that is
//! killed at any point leaves the old entry or none, and the next one finds the stage stale.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::hash::HashName;
use crate::index::Index;
use crate::lockfile::{self, LockEntry};
use crate::output::{Restored, unprotect};
use crate::repo::Repo;
use crate::run::{self, Job, StageGuard};
use crate::rwlock::PathLocks;
use crate::stage::Stage;
use crate::status::{DepChange, deps, output};
use crate::workspace::Workspace;
use crate::{dvcfile, fsx, git, params, runcache};

/// What to bring up to date, and how.
#[derive(Clone, Debug, Default)]
pub struct Reproduce {
    /// Stages, outputs or files; none means the `dvc.yaml` where the repository was opened.
    pub targets: Vec<String>,
    /// Run stages even when nothing changed, and never restore.
    pub force: bool,
    /// Do not restore results of earlier runs with the same inputs.
    pub no_run_cache: bool,
    /// Environment variables that are set for every command.
    pub env: Vec<(String, String)>,
    /// Set by the caller to stop: the running command is interrupted and the call fails.
    pub cancel: Option<Arc<AtomicBool>>,
}

/// Follows a reproduction.
pub trait Observer {
    /// Called only when the stage's command is about to run, with the reason; the variables that it
    /// returns are added to the command's environment. An error keeps the stage from running.
    fn stage_will_run(
        &mut self,
        stage: &str,
        why: &str,
    ) -> Result<Vec<(String, String)>, Box<dyn std::error::Error + Send + Sync>>;

    /// A line that the command printed, without its line end.
    fn stage_line(&mut self, stage: &str, line: &str);

    /// The stage is dealt with.
    fn stage_done(&mut self, outcome: &StageOutcome);
}

/// What became of a stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageOutcome {
    /// The stage.
    pub stage: String,
    /// What was done.
    pub outcome: Outcome,
    /// Why.
    pub reason: String,
    /// How long it took.
    pub seconds: f64,
}

/// What was done with a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its command ran.
    Ran,
    /// Nothing changed.
    Skipped,
    /// Its outputs came from the cache: the same inputs were seen before.
    Restored,
    /// It is frozen: its outputs were recorded as they are.
    Frozen,
    /// A tracked file that is no command's output had changed and was recorded.
    Committed,
}

/// Reproduces the targets and what they depend on, dependencies first. Outcomes come in that order; the
/// first failure ends the call, stages before it stay done.
pub fn reproduce(repo: &Repo, how: &Reproduce, observer: &mut dyn Observer) -> Result<Vec<StageOutcome>> {
    let mut workspace = Workspace::open(repo)?;
    let mut index = Index::load_locked(&workspace)?;
    index.check(repo)?;
    let here = repo.cwd().join("dvc.yaml");
    let targets = if how.targets.is_empty() {
        if !here.is_file() {
            return Err(Error::Missing { what: "pipeline file", path: repo.show(&here) });
        }
        let own = |(at, stage): (usize, &Stage)| (stage.file == here).then_some(at);
        index.stages.iter().enumerate().filter_map(own).collect()
    } else {
        index.find_all(repo, &how.targets)?
    };
    let mut outcomes = Vec::new();
    let mut result = Ok(());
    for at in index.order(&targets, true, repo)? {
        match one(&mut workspace, &mut index.stages[at], how, observer) {
            Ok(outcome) => {
                observer.stage_done(&outcome);
                outcomes.push(outcome);
            }
            Err(error) => {
                result = Err(error);
                break;
            }
        }
    }
    workspace.close()?;
    result.map(|()| outcomes)
}

fn one(
    workspace: &mut Workspace<'_>,
    stage: &mut Stage,
    how: &Reproduce,
    observer: &mut dyn Observer,
) -> Result<StageOutcome> {
    let started = Instant::now();
    let address = stage.address(workspace.repo);
    if how.cancel.as_ref().is_some_and(|flag| flag.load(Ordering::SeqCst)) {
        return Err(Error::Interrupted { stage: address });
    }
    let why = if how.force { Some("it was forced".to_owned()) } else { stale(workspace, stage)? };
    let (outcome, reason) = match why {
        None => (Outcome::Skipped, "nothing changed".to_owned()),
        Some(why) if stage.cmd.is_none() => (data_source(workspace, stage)?, why),
        Some(why) if stage.frozen => {
            record(workspace, stage, false)?;
            (Outcome::Frozen, why)
        }
        Some(why) => (pipeline_stage(workspace, stage, how, &address, &why, observer)?, why),
    };
    Ok(StageOutcome { stage: address, outcome, reason, seconds: started.elapsed().as_secs_f64() })
}

/// Why the stage must be brought up to date; `None` when it is.
fn stale(workspace: &mut Workspace<'_>, stage: &Stage) -> Result<Option<String>> {
    if stage.cmd_changed {
        return Ok(Some("its command changed".into()));
    }
    if !stage.frozen {
        if stage.is_callback() || stage.always_changed {
            return Ok(Some("it always runs".into()));
        }
        if let Some((path, change)) = deps(workspace, stage)?.into_iter().next() {
            return Ok(Some(match change {
                DepChange::Path(what) => format!("{path} is {what}"),
                DepChange::Params(keys) => {
                    let keys: Vec<String> =
                        keys.into_iter().map(|(key, what)| format!("{key} is {what}")).collect();
                    format!("in {path} {}", keys.join(", "))
                }
            }));
        }
    }
    for out in &stage.outs {
        if let Some(what) = output(workspace, out)? {
            return Ok(Some(format!("{} is {what}", workspace.repo.show(&out.path))));
        }
    }
    Ok(None)
}

/// A `.dvc` file whose data differs: what the workspace holds is recorded; what is gone comes from the cache.
fn data_source(workspace: &mut Workspace<'_>, stage: &mut Stage) -> Result<Outcome> {
    let repo = workspace.repo;
    let file = stage.file.clone();
    let several = stage.outs.len() != 1;
    let mut outcome = Outcome::Restored;
    for out in &mut stage.outs {
        if several || stage.import {
            return Err(Error::invalid(format!(
                "{} is an import, whose data cannot be recorded again",
                repo.show(&file)
            )));
        }
        if fsx::metadata(&out.path)?.is_none() {
            let path = repo.show(&out.path);
            let recorded =
                out.recorded.clone().filter(|_| out.cache).ok_or(Error::Missing { what: "data", path })?;
            let cache = crate::cache::Cache::new(repo.config(), repo.scratch_dir());
            workspace.restore(&out.path, &recorded, false, &cache)?;
            continue;
        }
        let recorded = match out.cache {
            true => workspace.store(&out.path, true)?,
            false => workspace.snapshot(&out.path, HashName::Md5)?.map(|snapshot| snapshot.recorded),
        };
        let Some(recorded) = recorded else { continue };
        dvcfile::save(&file, &out.def_path, &recorded)?;
        out.recorded = Some(recorded);
        outcome = Outcome::Committed;
    }
    Ok(outcome)
}

fn pipeline_stage(
    workspace: &mut Workspace<'_>,
    stage: &mut Stage,
    how: &Reproduce,
    address: &str,
    why: &str,
    observer: &mut dyn Observer,
) -> Result<Outcome> {
    let guard = StageGuard::take(workspace.repo)?;
    let _paths = PathLocks::take(workspace.repo, stage)?;
    refuse_tracked(workspace.repo, stage)?;
    let locked = locked_entry(workspace, stage, how)?;
    record_inputs(workspace, stage)?;
    let entry = match locked {
        Some(entry) => Some(entry),
        None if how.force || how.no_run_cache => None,
        None => runcache::find(workspace, stage)?,
    };
    if let Some(entry) = entry {
        restore(workspace, stage, &entry)?;
        record(workspace, stage, true)?;
        return Ok(Outcome::Restored);
    }
    for out in &stage.outs {
        if out.persist {
            unprotect(&out.path)?;
        } else {
            fsx::remove(&out.path)?;
        }
    }
    let job = Job {
        repo: workspace.repo,
        stage: address,
        dir: &stage.wdir,
        shell: workspace.repo.environment().shell(),
        cancel: how.cancel.as_deref(),
        guard: &guard,
    };
    run_command(workspace, stage, &job, &how.env, why, observer)?;
    record(workspace, stage, true)?;
    Ok(Outcome::Ran)
}

/// The stage's own entry in `dvc.lock`, when only its outputs are missing or changed.
fn locked_entry(workspace: &mut Workspace<'_>, stage: &Stage, how: &Reproduce) -> Result<Option<LockEntry>> {
    let known = stage.outs.iter().all(|out| out.recorded.is_some());
    if how.force
        || stage.cmd_changed
        || !known
        || !runcache::applies(stage)
        || !deps(workspace, stage)?.is_empty()
    {
        return Ok(None);
    }
    let entry = LockEntry {
        cmd: stage.cmd.as_ref().map_or(crate::yaml::Value::Null, crate::stage::Cmd::to_value),
        deps: stage.deps.iter().map(|dep| (dep.def_path.clone(), dep.recorded.clone())).collect(),
        params: Default::default(),
        outs: stage.outs.iter().map(|out| (out.def_path.clone(), out.recorded.clone())).collect(),
    };
    Ok(runcache::complete(workspace, stage, &entry)?.then_some(entry))
}

fn refuse_tracked(repo: &Repo, stage: &Stage) -> Result<()> {
    let Some(git_root) = repo.git_root() else { return Ok(()) };
    for out in stage.outs.iter().filter(|out| out.cache) {
        if git::is_tracked(git_root, &out.path)? {
            return Err(Error::TrackedByGit { path: repo.in_repo(&out.path) });
        }
    }
    Ok(())
}

/// Records dependencies and parameters as they are before the command runs: what changes while it runs
/// makes the stage stale again.
fn record_inputs(workspace: &mut Workspace<'_>, stage: &mut Stage) -> Result<()> {
    for dep in &mut stage.deps {
        let snapshot = workspace.snapshot(&dep.path, HashName::Md5)?;
        let missing = || Error::Missing { what: "dependency", path: workspace.repo.show(&dep.path) };
        dep.recorded = Some(snapshot.ok_or_else(missing)?.recorded);
    }
    for dep in &mut stage.params {
        dep.recorded = Some(params::values(workspace.repo, dep)?);
    }
    Ok(())
}

fn restore(workspace: &mut Workspace<'_>, stage: &Stage, entry: &LockEntry) -> Result<()> {
    let normal = crate::cache::Cache::new(workspace.repo.config(), workspace.repo.scratch_dir());
    let copying = normal.copying();
    for out in &stage.outs {
        let Some(Some(recorded)) = entry.outs.get(&out.def_path) else { continue };
        let cache = if out.cache { &normal } else { &copying };
        let _: Restored = workspace.restore(&out.path, recorded, true, cache)?;
    }
    Ok(())
}

fn run_command(
    workspace: &mut Workspace<'_>,
    stage: &Stage,
    job: &Job<'_>,
    env: &[(String, String)],
    why: &str,
    observer: &mut dyn Observer,
) -> Result<()> {
    let Some(cmd) = &stage.cmd else { return Ok(()) };
    workspace.unlocked(|| {
        let extra = observer
            .stage_will_run(job.stage, why)
            .map_err(|source| Error::Observer { stage: job.stage.to_owned(), source })?;
        let env: Vec<(String, String)> = env.iter().cloned().chain(extra).collect();
        for script in cmd.scripts() {
            run::script(job, &env, script, &mut |line| observer.stage_line(job.stage, line))?;
        }
        Ok(())
    })?
}

/// Stores the outputs and, last of all, writes the entry in `dvc.lock`.
fn record(workspace: &mut Workspace<'_>, stage: &mut Stage, inputs_known: bool) -> Result<()> {
    let mut lines = git::Added::default();
    let result = record_outputs(workspace, stage, &mut lines);
    if result.is_err() {
        git::roll_back(lines);
    }
    result?;
    if !inputs_known {
        record_inputs(workspace, stage)?;
    }
    runcache::save(workspace, stage)?;
    lockfile::save(workspace.repo, stage)
}

fn record_outputs(workspace: &mut Workspace<'_>, stage: &mut Stage, lines: &mut git::Added) -> Result<()> {
    let repo = workspace.repo;
    for out in &stage.outs {
        if fsx::metadata(&out.path)?.is_none() {
            return Err(Error::Missing { what: "output", path: repo.show(&out.path) });
        }
    }
    for out in &mut stage.outs {
        if let Some(git_root) = repo.git_root().filter(|_| out.cache) {
            git::ignore(git_root, &out.path, lines)?;
        }
        let recorded = match out.cache {
            true => workspace.store(&out.path, true)?,
            false => workspace.snapshot(&out.path, HashName::Md5)?.map(|snapshot| snapshot.recorded),
        };
        let path = repo.show(&out.path);
        out.recorded = Some(recorded.ok_or(Error::Missing { what: "output", path })?);
    }
    Ok(())
}
