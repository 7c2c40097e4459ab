//! `status`: which data and stages are not up to date.

use clap::Args;
use lemnis_data::{DepChange, Repo, StageChange, Status as Changes, StatusOptions};

use crate::context::Context;
use crate::output::{self, Failure};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis status                    everything, against .dvc files and dvc.lock
  lemnis status --json data.csv.dvc
  lemnis status -d train           that stage and what it depends on
  lemnis status -q                 says nothing; exit code 1 when something changed")]
pub struct Status {
    /// Data files or stages (default: all)
    pub targets: Vec<String>,
    /// The stages that the targets depend on as well
    #[arg(short = 'd', long)]
    pub with_deps: bool,
    /// Every stage below target directories
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// Do not ask whether imports have updates at their source
    #[arg(long)]
    pub no_updates: bool,
    /// All branches (only against a remote)
    #[arg(short = 'a', long)]
    pub all_branches: bool,
    /// All tags (only against a remote)
    #[arg(short = 'T', long)]
    pub all_tags: bool,
    /// All commits (only against a remote)
    #[arg(short = 'A', long)]
    pub all_commits: bool,
}

pub fn run(context: &Context, arguments: &Status) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let flags = [
        ("--all-branches", arguments.all_branches),
        ("--all-tags", arguments.all_tags),
        ("--all-commits", arguments.all_commits),
    ];
    if let Some((flag, _)) = flags.iter().find(|(_, set)| *set) {
        return Err(Failure::usage(format!(
            "{flag} means something only when data is compared with a remote"
        )));
    }
    let options = StatusOptions {
        targets: arguments.targets.clone(),
        with_deps: arguments.with_deps,
        recursive: arguments.recursive,
    };
    let status = lemnis_data::status(&repo, &options)?;
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
