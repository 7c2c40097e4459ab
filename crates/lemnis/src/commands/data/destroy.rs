//! `destroy`: takes data versioning out of a directory; the data stays.

use clap::Args;
use lemnis_data::Repo;

use crate::context::Context;
use crate::output::{self, Failure};

#[derive(Args, Debug)]
#[command(after_help = "\
Removes .dvc with its cache and configuration, every .dvc file, dvc.yaml and dvc.lock. Data files stay where they are.

Example:
  lemnis destroy --force")]
pub struct Destroy {
    /// Really do it
    #[arg(short, long)]
    force: bool,
}

pub fn run(context: &Context, arguments: &Destroy) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    if !arguments.force {
        let message = format!(
            "this would remove the cache, every .dvc file and every pipeline of {}",
            repo.root().display()
        );
        return Err(Failure::usage(message).with_hint("say so with --force"));
    }
    let root = repo.root().display().to_string();
    let removed = lemnis_data::destroy(repo)?;
    if !context.quiet {
        output::line(format!("{root} is no data repository any more; {removed} files removed"));
    }
    Ok(0)
}
