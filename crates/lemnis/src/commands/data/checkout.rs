//! `checkout`: outputs from the cache into the workspace.

use clap::{Args, ValueHint};
use lemnis_data::{CheckedOut, CheckoutOptions, Error};

use super::progress;
use crate::context::Context;
use crate::output::{self, BAD, Failure, GOOD, WARN};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git checkout v1 && lemnis checkout       the data of that revision
  lemnis checkout images/cats              a part of a tracked folder
  lemnis checkout --relink                 after another cache.type was configured

Changes that are in no cache are kept unless --force is given.")]
pub struct Checkout {
    /// Tracked paths, .dvc files or stages (default: all)
    #[arg(value_hint = ValueHint::AnyPath)]
    pub targets: Vec<String>,
    /// Print only how many files changed
    #[arg(long)]
    pub summary: bool,
    /// What the targets depend on as well
    #[arg(short = 'd', long)]
    pub with_deps: bool,
    /// Targets that are directories mean everything that is defined below them
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// Overwrite changes that are in no cache
    #[arg(short, long)]
    pub force: bool,
    /// Make links and copies anew as cache.type says
    #[arg(long)]
    pub relink: bool,
    /// Data that is not in the cache is no failure
    #[arg(long)]
    pub allow_missing: bool,
}

pub fn run(context: &Context, arguments: &Checkout) -> Result<u8, Failure> {
    let repo = progress::open(context)?;
    let options = CheckoutOptions {
        force: arguments.force,
        relink: arguments.relink,
        with_deps: arguments.with_deps,
        recursive: arguments.recursive,
        allow_missing: arguments.allow_missing,
        allow_unrecorded: false,
    };
    lemnis_data::finish_merge(&repo)?;
    match lemnis_data::checkout(&repo, &arguments.targets, options) {
        Ok(done) => {
            print(context, arguments.summary, &done)?;
            if arguments.relink && !context.json && !context.quiet {
                output::line("Relinked successfully");
            }
            Ok(0)
        }
        Err(Error::Incomplete { done }) => {
            print(context, arguments.summary, &done)?;
            Err(Error::Incomplete { done }.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Prints what a checkout changed, in DVC's form.
pub fn print(context: &Context, summary: bool, done: &CheckedOut) -> Result<(), Failure> {
    if context.json {
        return output::json_line(done);
    }
    if context.quiet {
        return Ok(());
    }
    if summary {
        output::line(counted(done));
        return Ok(());
    }
    for (style, letter, paths) in
        [(WARN, 'M', &done.modified), (GOOD, 'A', &done.added), (BAD, 'D', &done.deleted)]
    {
        for path in paths {
            output::line(format!("{style}{letter}{style:#}       {path}"));
        }
    }
    Ok(())
}

/// `2 files modified and 1 file added`.
fn counted(done: &CheckedOut) -> String {
    let stats = done.stats;
    let parts: Vec<String> =
        [(stats.modified, "modified"), (stats.added, "added"), (stats.deleted, "deleted")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} file{} {what}", if count > 1 { "s" } else { "" }))
            .collect();
    match parts.split_last() {
        None => "No changes.".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}
