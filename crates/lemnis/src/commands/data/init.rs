//! `init`: makes a directory a data repository.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use lemnis_data::{InitOptions, Repo};

use crate::context::Context;
use crate::output::{self, FAINT, Failure, GOOD};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  git init && lemnis init && git commit -m 'Start versioning data'
  lemnis init --subdir            one of several data repositories in one Git repository
  lemnis init --no-scm            without Git")]
pub struct Init {
    /// The directory
    #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
    pub directory: PathBuf,
    /// Do without Git
    #[arg(long)]
    pub no_scm: bool,
    /// Lie below the root of the Git repository
    #[arg(long)]
    pub subdir: bool,
    /// Replace a data repository that is there, with its cache
    #[arg(short, long)]
    pub force: bool,
}

pub fn run(context: &Context, arguments: &Init) -> Result<u8, Failure> {
    let Init { no_scm, subdir, force, .. } = *arguments;
    let options = InitOptions { no_scm, subdir, force };
    let repo = Repo::init(&context.path(&arguments.directory), options, &context.environment)
        .map_err(|error| Failure::from(error).with_dvc_code(1))?;
    if !context.quiet {
        output::line(format!("{GOOD}✓{GOOD:#} {} is a data repository", repo.root().display()));
        if !arguments.no_scm {
            output::line(format!("{FAINT}commit the new files to Git{FAINT:#}"));
        }
    }
    Ok(0)
}
