//! `init`: makes a directory a data repository.

use clap::Args;
use lemnis_data::{InitOptions, Repo};

use crate::context::Context;
use crate::output::{self, FAINT, Failure, GOOD};

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  git init && lemnis init && git commit -m 'Start versioning data'")]
pub struct Init {
    /// Do without Git
    #[arg(long)]
    pub no_scm: bool,
}

pub fn run(context: &Context, arguments: &Init) -> Result<u8, Failure> {
    let repo = Repo::init(&context.dir, InitOptions { no_scm: arguments.no_scm }, &context.environment)?;
    if !context.quiet {
        output::line(format!("{GOOD}✓{GOOD:#} {} is a data repository", repo.root().display()));
        if !arguments.no_scm {
            output::line(format!("{FAINT}commit the new files to Git{FAINT:#}"));
        }
    }
    Ok(0)
}
