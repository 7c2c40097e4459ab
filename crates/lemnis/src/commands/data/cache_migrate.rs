//! `cache migrate`: objects and records of DVC 2.x as 3.x has them.

use clap::Args;

use super::progress;
use crate::context::Context;
use crate::output::{self, Failure};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis cache migrate --dry               what would be done
  lemnis cache migrate --dvc-files         also rewrite .dvc files and dvc.lock

Old objects stay, for revisions that refer to them; `gc` removes them when nothing does.")]
pub struct Migrate {
    /// Rewrite .dvc files and dvc.lock as well
    #[arg(long)]
    pub dvc_files: bool,
    /// Only print what would be done
    #[arg(long)]
    pub dry: bool,
}

pub fn run(context: &Context, arguments: &Migrate) -> Result<u8, Failure> {
    let repo = progress::open(context)?;
    let done = lemnis_data::migrate(&repo, arguments.dvc_files, arguments.dry)?;
    if context.json {
        output::json_line(&done)?;
        return Ok(0);
    }
    if context.quiet {
        return Ok(0);
    }
    let count = done.objects;
    match arguments.dry {
        true => output::line(format!(
            "{count} files will be re-hashed and migrated to the DVC 3.0 cache location."
        )),
        false => output::line(format!("Migrated {count} files to DVC 3.0 cache location.")),
    }
    if arguments.dvc_files && done.files.is_empty() {
        output::line("No DVC files in the repo to migrate to the 3.0 format.");
    }
    for file in &done.files {
        let verb = if arguments.dry { "Would update" } else { "Updated" };
        output::line(format!("{verb} {file}"));
    }
    Ok(0)
}
