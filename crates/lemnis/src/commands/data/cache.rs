//! `cache`: where the objects of the data repository lie.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use lemnis_data::{OptionName, Settings};

use super::cache_migrate;
use super::config::At;
use crate::context::Context;
use crate::output::{self, Failure};

#[derive(Args, Debug)]
pub struct Cache {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Print or choose the directory of the cache
    #[command(after_help = "\
Examples:
  lemnis cache dir                   print it
  lemnis cache dir /mnt/shared       choose it; a relative path starts at the present directory")]
    Dir {
        #[command(flatten)]
        at: At,
        /// The directory
        #[arg(value_hint = ValueHint::DirPath)]
        value: Option<PathBuf>,
        /// Go back to the repository's own cache
        #[arg(short, long)]
        unset: bool,
    },
    /// Bring objects and records of DVC 2.x to where and how 3.x has them
    Migrate(cache_migrate::Migrate),
}

pub fn run(context: &Context, arguments: &Cache) -> Result<u8, Failure> {
    match &arguments.verb {
        Verb::Migrate(arguments) => cache_migrate::run(context, arguments),
        Verb::Dir { at, value, unset } => dir(context, *at, value.as_ref(), *unset),
    }
}

fn dir(context: &Context, at: At, value: Option<&PathBuf>, unset: bool) -> Result<u8, Failure> {
    let settings = Settings::open(&context.dir, &context.environment)?;
    let name = OptionName::parse("cache.dir").ok_or_else(|| Failure::usage("cache.dir is no option"))?;
    match value {
        _ if unset => settings.unset(at.level(), &name)?,
        Some(dir) => settings.set(at.level(), &name, &dir.to_string_lossy())?,
        None => output::line(settings.cache_dir(at.level())?.display()),
    }
    Ok(0)
}
