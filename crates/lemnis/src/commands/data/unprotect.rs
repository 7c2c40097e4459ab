//! `unprotect`: files cut loose from the cache, so that they may be edited in place.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::progress;
use crate::context::Context;
use crate::output::Failure;

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  lemnis unprotect data.csv && vi data.csv && lemnis add data.csv")]
pub struct Unprotect {
    /// Files or folders that are links to the cache
    #[arg(required = true, value_hint = ValueHint::AnyPath)]
    pub targets: Vec<PathBuf>,
}

pub fn run(context: &Context, arguments: &Unprotect) -> Result<u8, Failure> {
    let targets: Vec<_> = arguments.targets.iter().map(|target| context.path(target)).collect();
    lemnis_data::unprotect(&progress::open(context)?, &targets)?;
    Ok(0)
}
