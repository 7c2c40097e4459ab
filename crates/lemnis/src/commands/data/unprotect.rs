//! `unprotect`: files cut loose from the cache, so that they may be edited in place.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use lemnis_data::Error;

use super::progress;
use crate::context::Context;
use crate::output::{Failure, exit};

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
    let unprotected = lemnis_data::unprotect(&progress::open(context)?, &targets);
    unprotected.map_err(|error| match error {
        Error::Missing { .. } => Failure::from(error).with_dvc_code(exit::OTHER),
        error => error.into(),
    })?;
    Ok(0)
}
