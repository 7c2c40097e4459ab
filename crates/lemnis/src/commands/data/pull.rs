//! `pull`: brings data from a remote into the cache and the workspace.

use clap::Args;
use lemnis_core::ErrorKind;
use lemnis_data::Repo;

use super::checkout::print;
use super::transfer::{Bar, Options, summary, warn_missing};
use crate::context::Context;
use crate::output::{self, Failure};
use crate::wiring::Clouds;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  git pull && lemnis pull\n  lemnis pull data/images/cats      a part of a data folder\n  lemnis pull train --with-deps --allow-missing"
)]
pub struct Pull {
    #[command(flatten)]
    pub options: Options,
    /// Overwrite data of the workspace that is in no cache
    #[arg(short, long)]
    pub force: bool,
    /// The run-cache as well
    #[arg(long, overrides_with = "no_run_cache")]
    pub run_cache: bool,
    /// Without the run-cache, which is the default
    #[arg(long, overrides_with = "run_cache")]
    pub no_run_cache: bool,
    /// Targets are shell patterns
    #[arg(long)]
    pub glob: bool,
    /// Data that the remote lacks is no failure
    #[arg(long)]
    pub allow_missing: bool,
}

pub fn run(context: &Context, arguments: &Pull) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let mut request = arguments.options.transfer();
    request.run_cache = arguments.run_cache;
    request.selection.glob = arguments.glob;
    let bar = Bar::new(context);
    let (force, lenient) = (arguments.force, arguments.allow_missing);
    let pulled = lemnis_data::pull(&repo, &request, force, lenient, &Clouds::new(), &bar)?;
    drop(bar);
    let done = &pulled.checkout;
    warn_missing(context, &pulled.missing);
    if context.json {
        output::json_line(&pulled)?;
    } else if !context.quiet {
        print(context, false, done)?;
        output::line(summary(&[
            (pulled.fetched as usize, "fetched"),
            (done.stats.modified, "modified"),
            (done.stats.added, "added"),
            (done.stats.deleted, "deleted"),
        ]));
    }
    if done.failed.is_empty() {
        return Ok(0);
    }
    let (unrecorded, missing): (Vec<&String>, Vec<&String>) =
        done.failed.iter().partition(|path| done.unrecorded.contains(path));
    let mut failure = Failure::new(ErrorKind::NotFound, "some data could not be checked out");
    failure.messages.extend(missing.iter().map(|path| format!("'{path}' is not in the cache")));
    failure.messages.extend(unrecorded.iter().map(|path| format!("nothing is recorded of '{path}'")));
    if missing.is_empty() {
        return Err(failure.with_hint("run the stages that make it, or go on without it: --allow-missing"));
    }
    Err(failure.with_hint("push it from where it is, or go on without it: --allow-missing"))
}
