//! `cache`: looks after the cache.

use clap::{Args, Subcommand};

use super::cache_migrate;
use crate::context::Context;
use crate::output::Failure;

#[derive(Args, Debug)]
pub struct Cache {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Bring objects and records of DVC 2.x to where and how 3.x has them
    Migrate(cache_migrate::Migrate),
}

pub fn run(context: &Context, arguments: &Cache) -> Result<u8, Failure> {
    match &arguments.verb {
        Verb::Migrate(arguments) => cache_migrate::run(context, arguments),
    }
}
