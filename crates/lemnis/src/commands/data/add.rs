//! `add`: files and folders into the cache, a `.dvc` file for Git.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use lemnis_data::{AddOptions, Repo};

use crate::context::Context;
use crate::output::{self, FAINT, Failure, GOOD};

#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  lemnis add data/raw/customers.csv && git add data/raw/customers.csv.dvc data/raw/.gitignore"
)]
pub struct Add {
    /// Files or folders
    #[arg(required = true, value_hint = ValueHint::AnyPath)]
    pub targets: Vec<PathBuf>,
}

pub fn run(context: &Context, arguments: &Add) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let targets: Vec<_> = arguments.targets.iter().map(|target| context.path(target)).collect();
    let added = lemnis_data::add(&repo, &targets, &AddOptions::default())?;
    if context.json {
        output::json_line(&added)?;
        return Ok(0);
    }
    for one in &added {
        let count = one.nfiles.map(|count| format!(", {count} files")).unwrap_or_default();
        output::line(format!(
            "{GOOD}✓{GOOD:#} {}  {}{count}  {FAINT}{}{FAINT:#}",
            one.path,
            output::size(one.size_bytes),
            one.dvc_file
        ));
    }
    output::line(format!("{FAINT}commit the .dvc files and .gitignore to Git{FAINT:#}"));
    Ok(0)
}
