//! `git-hook`: what Git calls after `install`. Outside a data repository nothing happens, so that a hook never
//! stands in the way of plain Git.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};
use lemnis_data::{Error, Repo};

use crate::cli::{Cli, Command};
use crate::context::Context;
use crate::output::Failure;

#[derive(Args, Debug)]
pub struct GitHook {
    #[command(subcommand)]
    hook: Hook,
}

#[derive(Subcommand, Debug)]
enum Hook {
    /// Show what is not up to date
    PreCommit {
        /// What Git passes
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Check out the data of the commit that was checked out
    PostCheckout {
        /// What Git passes: the old commit, the new one, and 1 for a branch or 0 for files
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Push the data that belongs to the commits
    PrePush {
        /// What Git passes
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Merge two versions of a .dvc file into OUR
    MergeDriver {
        /// The version that both started from
        #[arg(long, value_hint = ValueHint::FilePath)]
        ancestor: PathBuf,
        /// The version of the current branch, which is overwritten
        #[arg(long, value_hint = ValueHint::FilePath)]
        our: PathBuf,
        /// The version of the other branch
        #[arg(long, value_hint = ValueHint::FilePath)]
        their: PathBuf,
    },
}

pub fn run(context: &Context, arguments: &GitHook) -> Result<u8, Failure> {
    let repo = match Repo::discover(&context.dir, &context.environment) {
        Ok(repo) => repo,
        Err(Error::NotARepo { .. }) => return Ok(0),
        Err(error) => return Err(error.into()),
    };
    match &arguments.hook {
        Hook::PreCommit { .. } => verb(context, "status"),
        Hook::PrePush { .. } => verb(context, "push"),
        Hook::PostCheckout { args } => {
            let kind = context.environment.get("PRE_COMMIT_CHECKOUT_TYPE");
            let of_branch = kind.or(args.get(2).map(String::as_str)) == Some("1");
            if !of_branch || lemnis_data::is_rebasing(&repo) {
                return Ok(0);
            }
            verb(context, "checkout")
        }
        Hook::MergeDriver { ancestor, our, their } => {
            lemnis_data::merge_dvc_files(&repo, ancestor, our, their)?;
            Ok(0)
        }
    }
}

/// Runs a verb as if it had been typed without options.
fn verb(context: &Context, name: &str) -> Result<u8, Failure> {
    let typed = Cli::try_parse_from(["lemnis", name])
        .map_err(|error| Failure::usage(format!("the hook cannot call '{name}': {error}")))?;
    match typed.command {
        Command::Data(verb) => verb.run(context),
        _ => Err(Failure::usage(format!("'{name}' is no verb on data"))),
    }
}
