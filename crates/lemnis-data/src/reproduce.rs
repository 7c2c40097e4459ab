//! Brings pipelines up to date: runs what is stale, restores what was made before, skips the rest.
//!
//! A stage's entry in `dvc.lock` is written last, after its outputs are safe in the cache. So a run that is
//! killed at any point leaves the old entry or none, and the next one finds the stage stale. Commands run on
//! threads of their own; everything that touches the repository happens on the caller's thread, under its
//! lock, one stage after the other.

mod fetch;
mod pick;
mod plan;
mod prepare;
mod record;
mod schedule;
mod stale;
mod task;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::index::Index;
use crate::remote::OpenStore;
use crate::repo::Repo;
use crate::workspace::Workspace;

pub(crate) use pick::{Pick, pick};
pub(crate) use plan::Graph;
pub(crate) use record::record_inputs;

/// What to bring up to date, and how.
#[derive(Clone, Debug, Default)]
pub struct Reproduce {
    /// Stages, groups, outputs or files; none means the `dvc.yaml` where the repository was opened.
    pub targets: Vec<String>,
    /// A target that is a directory means all stages inside it.
    pub recursive: bool,
    /// Targets are shell patterns of stage names.
    pub glob: bool,
    /// What belongs to the targets.
    pub scope: Scope,
    /// Run stages even when nothing changed, and never restore.
    pub force: bool,
    /// Run stages even when nothing changed, or restore what an earlier run with the same inputs made; what is
    /// recorded of them does not matter.
    pub anew: bool,
    /// Run everything that directly depends on a stage that ran.
    pub force_downstream: bool,
    /// Change nothing: only tell what would be run.
    pub dry: bool,
    /// Ask the observer before each stage.
    pub interactive: bool,
    /// Fetch missing data and earlier results from the remote.
    pub pull: bool,
    /// Skip stages whose data is missing but otherwise unchanged.
    pub allow_missing: bool,
    /// Do not restore results of earlier runs with the same inputs.
    pub no_run_cache: bool,
    /// Leave outputs out of the cache.
    pub no_commit: bool,
    /// What a failed stage means for the others.
    pub on_error: OnError,
    /// How many stages may run at once; zero counts as one.
    pub jobs: usize,
    /// Environment variables that are set for every command.
    pub env: Vec<(String, String)>,
    /// Set by the caller to stop: the running commands are interrupted and the call fails.
    pub cancel: Option<Arc<AtomicBool>>,
}

/// Which stages belong to a reproduction's targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// The targets and what they depend on.
    #[default]
    Upstream,
    /// The targets alone.
    Single,
    /// The targets and what depends on them.
    Downstream,
    /// The whole pipelines of the targets.
    Pipelines,
    /// Everything in the repository; the targets do not matter.
    All,
}

/// What a failed stage means for the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// No further stage is started.
    #[default]
    Stop,
    /// Only what depends on it is left out; the call fails in the end.
    KeepGoing,
    /// Nothing; the call succeeds.
    Ignore,
}

/// Where a command printed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Follows a reproduction, always on the caller's thread.
pub trait Observer {
    /// Called only when the stage's command is about to run, with the reason; the variables that it
    /// returns are added to the command's environment. An error keeps the stage from running.
    fn stage_will_run(
        &mut self,
        stage: &str,
        why: &str,
    ) -> Result<Vec<(String, String)>, Box<dyn std::error::Error + Send + Sync>>;

    /// Opens the remotes' stores; without them a reproduction pulls nothing.
    fn stores(&self) -> Option<&dyn OpenStore> {
        None
    }

    /// Data or earlier results could not be fetched; the reproduction goes on without them.
    fn fetch_failed(&self, what: &str, error: &Error) {
        let _ = (what, error);
    }

    /// Called in a dry run for a stage that would run, with its commands; `cached` when its outputs would
    /// come from the cache.
    fn stage_would_run(&mut self, stage: &str, why: &str, cached: bool, commands: &[&str]) {
        let _ = (stage, why, cached, commands);
    }

    /// Whether to go on with the stage; asked only in an interactive reproduction.
    fn confirm(&mut self, stage: &str) -> bool {
        let _ = stage;
        true
    }

    /// The stage now runs this command, or this line of it.
    fn stage_command(&mut self, stage: &str, command: &str) {
        let _ = (stage, command);
    }

    /// Bytes that the command printed, as they come.
    fn stage_output(&mut self, stage: &str, stream: Stream, bytes: &[u8]) {
        let _ = (stage, stream, bytes);
    }

    /// A line that the command printed, without its line end.
    fn stage_line(&mut self, stage: &str, line: &str);

    /// The stage failed and the reproduction goes on, without the stages in `skipped`.
    fn stage_failed(&mut self, stage: &str, error: &Error, skipped: &[String]) {
        let _ = (stage, error, skipped);
    }

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
    /// Its outputs came from the remote: only they were missing.
    Pulled,
    /// It is frozen: its outputs were recorded as they are.
    Frozen,
    /// It is an import and came from its source again.
    Imported,
    /// A tracked file that is no command's output had changed and was recorded.
    Committed,
    /// It is stale; a dry run does no more than say so.
    Planned,
    /// Its command failed, and that was to be ignored.
    Failed,
}

impl Outcome {
    /// Whether the stage changed, or in a dry run would.
    pub fn is_change(self) -> bool {
        !matches!(self, Self::Skipped | Self::Pulled | Self::Failed)
    }
}

/// Reproduces the targets and what belongs to them, dependencies first. Outcomes come in the order in which
/// stages ended. The first failure ends the call unless `on_error` says otherwise; stages before it stay done.
pub fn reproduce(repo: &Repo, how: &Reproduce, observer: &mut dyn Observer) -> Result<Vec<StageOutcome>> {
    let mut workspace = Workspace::open(repo)?;
    let mut index = Index::load_locked(&workspace)?;
    index.check(repo)?;
    let plan = plan::make(repo, &index, how)?;
    if how.pull && !how.no_run_cache && !how.dry {
        fetch::fetch_runs(&workspace, observer);
    }
    let result = schedule::Schedule::new(&mut workspace, &mut index, plan, how).run(observer);
    workspace.close()?;
    result
}
