//! `remove`: stops tracking data, or takes stages out of the pipeline.

use clap::{Args, ValueHint};
use lemnis_data::Repo;

use crate::context::Context;
use crate::output::{self, FAINT, Failure, GOOD};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis remove data.csv.dvc           stop tracking; data.csv stays
  lemnis remove --outs train           take out the stage and delete what it made")]
pub struct Remove {
    /// Stages or .dvc files
    #[arg(required = true, value_hint = ValueHint::FilePath)]
    pub targets: Vec<String>,
    /// Delete the data as well
    #[arg(long)]
    pub outs: bool,
}

pub fn run(context: &Context, arguments: &Remove) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let removed = lemnis_data::remove(&repo, &arguments.targets, arguments.outs)?;
    if context.json {
        output::json_line(&removed)?;
    } else if !context.quiet {
        let what = if arguments.outs { "deleted" } else { "kept" };
        for one in removed {
            let outs = one.outs.join(", ");
            output::line(format!("{GOOD}✓{GOOD:#} {}  {FAINT}{what} {outs}{FAINT:#}", one.stage));
        }
    }
    Ok(0)
}
