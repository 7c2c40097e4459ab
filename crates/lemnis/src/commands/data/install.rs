//! `install`: lets Git call this program after checkouts, before commits and pushes, and to merge `.dvc` files.

use clap::Args;
use lemnis_data::Repo;

use crate::context::Context;
use crate::output::{self, Failure};

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  lemnis install && echo '*.dvc merge=dvc' >> .gitattributes      merges of .dvc files, too")]
pub struct Install {}

pub fn run(context: &Context, _: &Install) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    lemnis_data::install_hooks(&repo).map_err(|error| Failure::from(error).with_dvc_code(1))?;
    if !context.quiet {
        output::line("Git now calls lemnis after checkouts, before commits and before pushes");
    }
    Ok(0)
}
