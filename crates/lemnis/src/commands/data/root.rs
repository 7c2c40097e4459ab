//! `root`: the way from here to the root of the data repository.

use clap::Args;
use lemnis_data::Repo;

use crate::context::Context;
use crate::output::{self, Failure};

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  cd \"$(lemnis root)\"")]
pub struct Root {}

pub fn run(context: &Context, _: &Root) -> Result<u8, Failure> {
    let root = Repo::discover(&context.dir, &context.environment)?.root_from_cwd();
    if context.json {
        output::json_line(&root)?;
    } else {
        output::line(root);
    }
    Ok(0)
}
