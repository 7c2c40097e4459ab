//! `update`: brings imports to the newest version of where they come from.

use clap::{Args, ValueHint};
use lemnis_data::{Outside, Repo, UpdateOptions};

use super::transfer::Bar;
use crate::context::Context;
use crate::output::{self, Failure, GOOD};
use crate::wiring::Clouds;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lemnis update cats.dvc\n  lemnis update raw.csv.dvc --rev v1.3\n  lemnis update -R data"
)]
pub struct Update {
    /// The .dvc files of imports
    #[arg(required = true, value_hint = ValueHint::AnyPath)]
    pub targets: Vec<String>,
    /// To this commit, branch or tag instead of the newest commit; for a file of a bucket with versions, to this version
    #[arg(long, value_name = "REV")]
    pub rev: Option<String>,
    /// Record the new version, bring no data
    #[arg(long)]
    pub no_download: bool,
    /// Targets that are folders mean every import below them
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// Send the new data of a URL straight to the remote, without a copy here
    #[arg(long, conflicts_with = "no_download")]
    pub to_remote: bool,
    /// The remote for --to-remote (default: the default one)
    #[arg(short, long, value_name = "NAME", requires = "to_remote")]
    pub remote: Option<String>,
    /// How many files move at once
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,
}

pub fn run(context: &Context, arguments: &Update) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let bar = Bar::new(context);
    let clouds = Clouds::new();
    let options = UpdateOptions {
        targets: arguments.targets.clone(),
        rev: arguments.rev.clone(),
        no_download: arguments.no_download,
        recursive: arguments.recursive,
        to_remote: arguments.to_remote,
        remote: arguments.remote.clone(),
    };
    let outside =
        Outside { stores: &clouds, progress: &bar, jobs: arguments.jobs, environment: &context.environment };
    let updated = lemnis_data::update(&repo, &options, &outside)?;
    drop(bar);
    for out in &updated.never_pushed {
        output::remark(format!(
            "'{out}' is no import and was never pushed, so there is nothing to update it from"
        ));
    }
    if context.json {
        output::json_line(&updated.files)?;
    } else if !context.quiet {
        for file in &updated.files {
            output::line(format!("{GOOD}✓{GOOD:#} {file}"));
        }
    }
    Ok(0)
}
