//! `install`: lets Git call this program after checkouts, before commits and pushes, and to merge `.dvc` files.

use clap::Args;
use lemnis_data::Repo;

use crate::context::Context;
use crate::output::{self, Failure};

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  lemnis install && echo '*.dvc merge=dvc' >> .gitattributes      merges of .dvc files, too")]
pub struct Install {
    /// Add the hooks to `.pre-commit-config.yaml` for pre-commit (https://pre-commit.com) instead of to Git
    #[arg(long)]
    pub use_pre_commit_tool: bool,
}

pub fn run(context: &Context, arguments: &Install) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let pre_commit = arguments.use_pre_commit_tool;
    lemnis_data::install_hooks(&repo, pre_commit)?;
    if !context.quiet && pre_commit {
        output::line(
            "The hooks stand in .pre-commit-config.yaml; let Git call them with\n\n\tpre-commit install --hook-type pre-commit --hook-type pre-push --hook-type post-checkout",
        );
    } else if !context.quiet {
        output::line("Git now calls lemnis after checkouts, before commits and before pushes");
    }
    Ok(0)
}
