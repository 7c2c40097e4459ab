//! `repro`: runs the stages whose inputs changed.

use clap::Args;
use lemnis_data::{OnError, Repo, Reproduce, Scope};

use super::watcher::{Watcher, ran};
use crate::context::Context;
use crate::output::{self, FAINT, Failure};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis repro                      what is stale in this directory's dvc.yaml
  lemnis repro train                that stage and what it needs
  lemnis repro train --why          the same, and why each stage runs
  lemnis repro sub/dvc.yaml:train   a stage of another file
  lemnis repro --glob 'train@*'     stages by pattern
  lemnis repro -j 4                 independent stages side by side
  lemnis repro --dry                only say what would run

What a stage printed last is kept in .dvc/tmp/lemnis/logs.")]
pub struct Repro {
    #[command(flatten)]
    pub pipeline: Pipeline,
    /// Say why each stage runs
    #[arg(long)]
    pub why: bool,
    /// Run up to this many independent stages at once
    #[arg(short, long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: u16,
}

/// Which stages to run, and how: what `repro` and `exp run` share.
#[derive(Args, Clone, Debug)]
pub struct Pipeline {
    /// Stages, groups, outputs, dvc.yaml or .dvc files (default: dvc.yaml)
    pub targets: Vec<String>,
    /// Run the stages even when nothing changed
    #[arg(short, long)]
    pub force: bool,
    /// Ask before each stage
    #[arg(short, long)]
    pub interactive: bool,
    /// Only the targets, without what they need
    #[arg(short, long)]
    pub single_item: bool,
    /// The whole pipelines of the targets
    #[arg(short, long)]
    pub pipeline: bool,
    /// All pipelines of the repository
    #[arg(short = 'P', long)]
    pub all_pipelines: bool,
    /// A target that is a directory means the stages inside it
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// The targets and what depends on them
    #[arg(long)]
    pub downstream: bool,
    /// Run everything that directly depends on a stage that ran
    #[arg(long)]
    pub force_downstream: bool,
    /// Fetch missing data and earlier results from the remote
    #[arg(long)]
    pub pull: bool,
    /// Skip stages whose data is missing but otherwise unchanged
    #[arg(long)]
    pub allow_missing: bool,
    /// Change nothing, only print the commands
    #[arg(long)]
    pub dry: bool,
    /// Go on after a failure with the stages that do not need the failed one
    #[arg(short, long, overrides_with = "ignore_errors")]
    pub keep_going: bool,
    /// Take failures for nothing
    #[arg(long)]
    pub ignore_errors: bool,
    /// Targets are shell patterns of stage names
    #[arg(long)]
    pub glob: bool,
    /// Leave outputs out of the cache
    #[arg(long)]
    pub no_commit: bool,
    /// Run commands even when they ran with the same inputs before
    #[arg(long)]
    pub no_run_cache: bool,
}

impl Pipeline {
    /// What the options ask for.
    pub fn request(&self) -> Reproduce {
        let scope = match self {
            Self { all_pipelines: true, .. } => Scope::All,
            Self { pipeline: true, .. } => Scope::Pipelines,
            Self { single_item: true, .. } => Scope::Single,
            Self { downstream: true, .. } => Scope::Downstream,
            _ => Scope::Upstream,
        };
        let on_error = match (self.keep_going, self.ignore_errors) {
            (true, _) => OnError::KeepGoing,
            (_, true) => OnError::Ignore,
            _ => OnError::Stop,
        };
        Reproduce {
            targets: self.targets.clone(),
            recursive: self.recursive,
            glob: self.glob,
            scope,
            force: self.force,
            force_downstream: self.force_downstream,
            dry: self.dry,
            interactive: self.interactive,
            pull: self.pull,
            allow_missing: self.allow_missing,
            no_run_cache: self.no_run_cache,
            no_commit: self.no_commit,
            on_error,
            ..Reproduce::default()
        }
    }
}

pub fn run(context: &Context, arguments: &Repro) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let mut watcher = Watcher::new(context, repo.root().to_path_buf());
    watcher.explain = arguments.why;
    let started = std::time::Instant::now();
    let request = Reproduce { jobs: arguments.jobs.into(), ..arguments.pipeline.request() };
    let outcomes = watcher.reproduce(&repo, &request)?;
    if context.json {
        output::json_line(&outcomes)?;
        return Ok(0);
    }
    if context.quiet {
        return Ok(0);
    }
    let took = output::duration(started.elapsed());
    let changed = outcomes.iter().filter(|outcome| outcome.outcome.is_change()).count();
    match (changed, arguments.pipeline.dry) {
        (0, _) => output::line(format!("Data and pipelines are up to date. {FAINT}{took}{FAINT:#}")),
        (_, true) => {
            output::line(format!("{FAINT}{changed} of {} stages would change{FAINT:#}", outcomes.len()))
        }
        _ => output::line(format!(
            "{FAINT}{} of {} stages ran in {took}; `lemnis push` sends new data to the remote{FAINT:#}",
            ran(&outcomes),
            outcomes.len()
        )),
    }
    Ok(0)
}
