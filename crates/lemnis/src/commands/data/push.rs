//! `push`: sends data to a remote.

use clap::Args;
use lemnis_data::Repo;

use super::transfer::{Bar, Options, summary, warn_missing};
use crate::context::Context;
use crate::output::{self, Failure};
use crate::wiring::Clouds;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lemnis push\n  lemnis push data/raw.dvc -r backup\n  lemnis push --all-commits --run-cache"
)]
pub struct Push {
    #[command(flatten)]
    pub options: Options,
    /// The run-cache as well
    #[arg(long, overrides_with = "no_run_cache")]
    pub run_cache: bool,
    /// Without the run-cache, which is the default
    #[arg(long, overrides_with = "run_cache")]
    pub no_run_cache: bool,
    /// Targets are shell patterns
    #[arg(long)]
    pub glob: bool,
}

pub fn run(context: &Context, arguments: &Push) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let mut request = arguments.options.transfer();
    request.run_cache = arguments.run_cache;
    request.selection.glob = arguments.glob;
    let bar = Bar::new(context);
    let pushed = lemnis_data::push(&repo, &request, &Clouds::new(), &bar)?;
    drop(bar);
    warn_missing(context, &pushed.missing);
    if context.json {
        output::json_line(&pushed)?;
    } else if !context.quiet {
        output::line(summary(&[(pushed.pushed as usize, "pushed")]));
    }
    Ok(0)
}
