//! `status`: which data and stages are not up to date.

use clap::Args;
use lemnis_data::{DepChange, Repo, StageChange, Status as Changes, StatusOptions};

use super::transfer;
use crate::context::Context;
use crate::output::{self, Failure};
use crate::wiring::Clouds;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis status                    everything, against .dvc files and dvc.lock
  lemnis status --json data.csv.dvc
  lemnis status -d train           that stage and what it depends on
  lemnis status -q                 says nothing; exit code 1 when something changed
  lemnis status --cloud            what a push or a pull would move")]
pub struct Status {
    #[command(flatten)]
    pub options: transfer::Options,
    /// Compare the cache with the remote instead of the workspace with what is recorded
    #[arg(short, long)]
    pub cloud: bool,
    /// Do not ask whether imports have updates at their source
    #[arg(long)]
    pub no_updates: bool,
}

pub fn run(context: &Context, arguments: &Status) -> Result<u8, Failure> {
    if arguments.cloud || arguments.options.remote.is_some() {
        return transfer::cloud_status(context, &arguments.options);
    }
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let asked = &arguments.options;
    let flags = [
        ("--all-branches", asked.all_branches),
        ("--all-tags", asked.all_tags),
        ("--all-commits", asked.all_commits),
        ("--jobs", asked.jobs.is_some_and(|jobs| jobs > 0)),
    ];
    if let Some((flag, _)) = flags.iter().find(|(_, set)| *set) {
        return Err(Failure::usage(format!(
            "{flag} means something only when data is compared with a remote"
        )));
    }
    let options = StatusOptions {
        targets: asked.targets.clone(),
        with_deps: asked.with_deps,
        recursive: asked.recursive,
        no_updates: arguments.no_updates,
    };
    let status = lemnis_data::status(&repo, &options, Some(&Clouds::new()))?;
    for stage in &status.frozen {
        output::remark(format!("{stage} is frozen: its dependencies were not looked at"));
    }
    if context.json {
        output::json_line(&status)?;
        return Ok(0);
    }
    if context.quiet {
        return Ok(u8::from(!status.is_clean()));
    }
    show(&status);
    Ok(0)
}

fn show(status: &Changes) {
    if status.is_clean() {
        output::line(if status.tracks_nothing {
            "There are no data or pipelines tracked in this project yet.\nSee <https://dvc.org/doc/start> to get started!"
        } else {
            "Data and pipelines are up to date."
        });
    }
    let state = |indent: usize, state: &str, path: &str| {
        output::line(format!("{}{:<20}{path}", "\t".repeat(indent), format!("{state}:")));
    };
    for (stage, changes) in &status.stages {
        output::line(format!("{stage}:"));
        for change in changes {
            match change {
                StageChange::Deps { changed } => {
                    output::line("\tchanged deps:");
                    for (path, change) in changed {
                        match change {
                            DepChange::Path(what) => state(2, what, path),
                            DepChange::Params(keys) => {
                                output::line(format!("\t\t{path}:"));
                                keys.iter().for_each(|(key, what)| state(3, what, key));
                            }
                        }
                    }
                }
                StageChange::Outs { changed } => {
                    output::line("\tchanged outs:");
                    changed.iter().for_each(|(path, what)| state(2, what, path));
                }
                StageChange::Note(note) => output::line(format!("\t{note}")),
            }
        }
    }
}
