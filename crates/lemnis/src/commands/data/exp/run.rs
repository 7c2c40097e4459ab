//! `exp run`: runs the pipeline as an experiment, here or in a workspace apart, or queues it.

use std::path::PathBuf;

use clap::Args;
use lemnis_data::{Enqueue, Overrides, Repo, Reproduce, SaveExperiment};

use super::{name, say, seed};
use crate::commands::data::queue::run_all;
use crate::commands::data::repro::Pipeline;
use crate::commands::data::watcher::Watcher;
use crate::context::Context;
use crate::output::{self, Failure};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis exp run -n slow -S train.lr=0.01
  lemnis exp run -S '+train.layers=[64,32]' train
  lemnis exp run --temp                        in a workspace apart; this one stays as it is
  lemnis exp run --queue -S train.lr=0.1,0.2   one experiment a value, to be run later
  lemnis exp run --run-all -j 2                what is queued, two at a time")]
pub struct Run {
    #[command(flatten)]
    pub pipeline: Pipeline,
    /// The experiment's name
    #[arg(short, long, value_name = "NAME")]
    pub name: Option<String>,
    /// Set a parameter first: `[FILE:]KEY=VALUE`, `+KEY=VALUE` adds, `~KEY` removes
    #[arg(short = 'S', long = "set-param", value_name = "PARAM")]
    pub set_param: Vec<String>,
    /// Do not run it now: put it into the queue
    #[arg(long)]
    pub queue: bool,
    /// Run what is queued, and wait for it
    #[arg(long)]
    pub run_all: bool,
    /// Run up to this many queued experiments at once
    #[arg(short, long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: u16,
    /// Run in a workspace apart instead of this one
    #[arg(long)]
    pub temp: bool,
    /// Untracked or ignored files that the workspace apart needs
    #[arg(short = 'C', long = "copy-paths", value_name = "PATH")]
    pub copy_paths: Vec<PathBuf>,
    /// The commit's message
    #[arg(short, long, short_alias = 'M', value_name = "TEXT")]
    pub message: Option<String>,
    /// Run with the params.yaml that is there, also when hydra.enabled asks for a composed one
    #[arg(long)]
    pub no_hydra: bool,
}

pub fn run(context: &Context, repo: &Repo, arguments: &Run) -> Result<u8, Failure> {
    if arguments.run_all {
        return run_all(context, repo, arguments.jobs.into());
    }
    let sweeps = lemnis_data::sweeps(&arguments.set_param)?;
    if arguments.queue {
        return enqueue(context, repo, arguments, sweeps);
    }
    if sweeps.is_some() {
        let failure = Failure::usage("several values of a parameter make several experiments");
        return Err(
            failure.with_hint("queue them with --queue, then run them with `lemnis exp run --run-all`")
        );
    }
    if arguments.temp || arguments.pipeline.dry {
        return run_apart(context, repo, arguments);
    }
    run_here(context, repo, arguments)
}

fn overrides(arguments: &Run, params: Vec<String>) -> Overrides {
    Overrides { params, no_hydra: arguments.no_hydra }
}

fn request(arguments: &Run, name: Option<String>, params: Vec<String>) -> Enqueue {
    Enqueue {
        name,
        overrides: overrides(arguments, params),
        how: arguments.pipeline.request(),
        copy_paths: arguments.copy_paths.clone(),
        message: arguments.message.clone(),
    }
}

fn enqueue(
    context: &Context,
    repo: &Repo,
    arguments: &Run,
    sweeps: Option<Vec<Vec<String>>>,
) -> Result<u8, Failure> {
    let swept = sweeps.is_some();
    let all = sweeps.unwrap_or_else(|| vec![arguments.set_param.clone()]);
    let mut names = Vec::new();
    for (at, params) in all.into_iter().enumerate() {
        let wanted = arguments.name.clone();
        let wanted = if swept { wanted.map(|name| format!("{name}-{}", at + 1)) } else { wanted };
        let shown = params.join(", ");
        let queued = lemnis_data::enqueue(repo, &request(arguments, wanted, params), seed(context))?;
        if !context.quiet && !context.json {
            if !shown.is_empty() {
                output::line(format!("Queueing with overrides '{shown}'."));
            }
            output::line(format!("Queued experiment '{queued}' for future execution."));
        }
        names.push(queued);
    }
    if context.json {
        output::json_line(&names)?;
    }
    Ok(0)
}

fn run_apart(context: &Context, repo: &Repo, arguments: &Run) -> Result<u8, Failure> {
    let dry = arguments.pipeline.dry;
    let request = request(arguments, arguments.name.clone(), arguments.set_param.clone());
    let apart = lemnis_data::open_apart(repo, &request, seed(context))?;
    if !context.quiet && !context.json {
        output::line(format!("Reproducing experiment '{}'", apart.run.name()));
    }
    let how = Reproduce { dry, ..apart.run.request.clone() };
    let done = Watcher::new(context, repo.root().to_path_buf()).reproduce(&apart.run.repo, &how);
    let saved = lemnis_data::close_apart(repo, apart, done.is_ok() && !dry)?;
    done?;
    if let Some(saved) = saved {
        let text = format!(
            "\nRan experiment(s): {0}\nTo apply the results of an experiment to your workspace run:\n\n\tlemnis exp apply {0}",
            saved.name
        );
        say(context, &saved, text)?;
    }
    Ok(0)
}

fn run_here(context: &Context, repo: &Repo, arguments: &Run) -> Result<u8, Failure> {
    let name = name(context, repo, arguments.name.as_deref(), arguments.pipeline.force)?;
    lemnis_data::override_params(repo, &overrides(arguments, arguments.set_param.clone()))?;
    if !context.quiet && !context.json {
        output::line(format!("Reproducing experiment '{name}'"));
    }
    let env = lemnis_data::experiment_environment(repo, &name)?;
    let request = Reproduce { env, ..arguments.pipeline.request() };
    lemnis_data::record_data(repo, &request)?;
    Watcher::new(context, repo.root().to_path_buf()).reproduce(repo, &request)?;
    let options = SaveExperiment {
        name: None,
        force: arguments.pipeline.force,
        include: Vec::new(),
        message: arguments.message.clone(),
    };
    let saved = lemnis_data::save_experiment(repo, &name, &options)?;
    let text = format!(
        "\nRan experiment(s): {}\nExperiment results have been applied to your workspace.",
        saved.name
    );
    say(context, &saved, text)?;
    Ok(0)
}
