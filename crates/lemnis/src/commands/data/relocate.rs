//! `move`: a tracked file or folder together with its `.dvc` file.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::progress;
use crate::context::Context;
use crate::output::{self, FAINT, Failure, GOOD};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis move data.csv raw.csv
  lemnis move data.csv data/           into a folder")]
pub struct Move {
    /// A tracked file or folder that no stage makes
    #[arg(value_hint = ValueHint::AnyPath)]
    pub from: PathBuf,
    /// Its new name, or the folder to put it into
    #[arg(value_hint = ValueHint::AnyPath)]
    pub to: PathBuf,
}

pub fn run(context: &Context, arguments: &Move) -> Result<u8, Failure> {
    let repo = progress::open(context)?;
    let moved =
        lemnis_data::move_output(&repo, &context.path(&arguments.from), &context.path(&arguments.to))?;
    if context.json {
        output::json_line(&moved)?;
    } else if !context.quiet {
        let (from, to, file) = (moved.from, moved.to, moved.dvc_file);
        output::line(format!("{GOOD}✓{GOOD:#} {from} → {to}  {FAINT}{file}{FAINT:#}"));
    }
    Ok(0)
}
