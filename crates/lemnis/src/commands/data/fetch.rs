//! `fetch`: brings data from a remote into the cache.

use clap::{Args, ValueEnum};
use lemnis_data::Repo;

use super::transfer::{Bar, Options, summary, warn_missing};
use crate::context::Context;
use crate::output::{self, Failure};
use crate::wiring::Clouds;

/// A kind of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Metrics,
    Plots,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lemnis fetch\n  lemnis fetch train --with-deps\n  lemnis fetch --max-size 1000000 --all-tags"
)]
pub struct Fetch {
    #[command(flatten)]
    pub options: Options,
    /// The run-cache as well
    #[arg(long, overrides_with = "no_run_cache")]
    pub run_cache: bool,
    /// Without the run-cache, which is the default
    #[arg(long, overrides_with = "run_cache")]
    pub no_run_cache: bool,
    /// Leave out data of this many bytes or more
    #[arg(long, value_name = "BYTES")]
    pub max_size: Option<u64>,
    /// Only outputs of this kind; may be repeated
    #[arg(long = "type", value_name = "KIND")]
    pub types: Vec<Kind>,
}

pub fn run(context: &Context, arguments: &Fetch) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let mut request = arguments.options.transfer();
    request.run_cache = arguments.run_cache;
    request.max_size_bytes = arguments.max_size;
    request.metrics = arguments.types.contains(&Kind::Metrics);
    request.plots = arguments.types.contains(&Kind::Plots);
    let bar = Bar::new(context);
    let fetched = lemnis_data::fetch(&repo, &request, &Clouds::new(), &bar)?;
    drop(bar);
    warn_missing(context, &fetched.missing);
    if context.json {
        output::json_line(&fetched)?;
    } else if !context.quiet {
        output::line(summary(&[(fetched.fetched as usize, "fetched")]));
    }
    Ok(0)
}
