//! `commit`: what the workspace holds, recorded as it is.

use clap::{Args, ValueHint};
use lemnis_data::CommitOptions;

use super::{progress, prompt};
use crate::context::Context;
use crate::output::{self, Failure, GOOD};
use crate::wiring::Clouds;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis commit                    after `add --no-commit`, or after edits, which it asks about
  lemnis commit -f train           take the stage's outputs as they are, without running it")]
pub struct Commit {
    /// Stages, .dvc files or tracked paths (default: all)
    #[arg(value_hint = ValueHint::AnyPath)]
    pub targets: Vec<String>,
    /// Record changes without asking
    #[arg(short, long)]
    pub force: bool,
    /// What the targets depend on as well
    #[arg(short = 'd', long)]
    pub with_deps: bool,
    /// Targets that are directories mean everything that is defined below them
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// Leave the files as they are instead of linking them to the cache
    #[arg(long)]
    pub no_relink: bool,
}

pub fn run(context: &Context, arguments: &Commit) -> Result<u8, Failure> {
    let repo = progress::open(context)?;
    let options = CommitOptions {
        force: arguments.force,
        with_deps: arguments.with_deps,
        recursive: arguments.recursive,
        no_relink: arguments.no_relink,
    };
    let committed =
        lemnis_data::commit(&repo, &arguments.targets, options, Some(&Clouds::new()), &mut prompt::confirm)?;
    if context.json {
        output::json_line(&committed)?;
    } else if !context.quiet {
        for one in committed.iter().filter(|one| one.changed) {
            output::line(format!("{GOOD}✓{GOOD:#} {}", one.stage));
        }
    }
    Ok(0)
}
