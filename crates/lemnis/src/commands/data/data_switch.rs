//! `data switch`: another branch in the work tree, with its data.

use clap::Args;

use super::{checkout, progress};
use crate::context::Context;
use crate::output::{self, Failure, STRONG};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis data switch main                       `git switch main` and `lemnis checkout` in one, judged first
  lemnis data switch --create prices            a new branch where HEAD is
  lemnis data switch --create fix --from v1.0

Files are linked from the cache as cache.type says. Links share the bytes:
  lemnis config cache.type reflink,hardlink,symlink")]
pub struct DataSwitch {
    /// The branch
    pub name: String,
    /// Make the branch first
    #[arg(short, long)]
    pub create: bool,
    /// Make it at this revision instead of HEAD
    #[arg(long, value_name = "REV", requires = "create")]
    pub from: Option<String>,
    /// Leave out data that is not in the cache
    #[arg(long)]
    pub allow_missing: bool,
}

pub fn run(context: &Context, arguments: &DataSwitch) -> Result<u8, Failure> {
    let repo = progress::open(context)?;
    let DataSwitch { name, create, from, allow_missing } = arguments;
    let done = lemnis_data::switch_branch(&repo, name, *create, from.as_deref(), *allow_missing)?;
    if context.json {
        output::json(&done)?;
        return Ok(0);
    }
    checkout::print(context, false, &done.data)?;
    if !context.quiet {
        output::line(format!("switched to {STRONG}{name}{STRONG:#}"));
    }
    Ok(0)
}
