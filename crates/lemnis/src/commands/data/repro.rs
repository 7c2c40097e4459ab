//! `repro`: runs the stages whose inputs changed.

use clap::Args;
use lemnis_data::{Repo, Reproduce};

use super::watcher::{Watcher, ran};
use crate::context::Context;
use crate::output::{self, FAINT, Failure};

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lemnis repro\n  lemnis repro train          that stage and what it needs\n  lemnis repro --force evaluate"
)]
pub struct Repro {
    /// Stages (default: all)
    pub targets: Vec<String>,
    /// Run the stages even when nothing changed
    #[arg(short, long)]
    pub force: bool,
}

pub fn run(context: &Context, arguments: &Repro) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let request =
        Reproduce { targets: arguments.targets.clone(), force: arguments.force, ..Reproduce::default() };
    let mut watcher = Watcher::new(context, repo.root().to_path_buf());
    let started = std::time::Instant::now();
    let outcomes = watcher.reproduce(&repo, &request)?;
    if context.json {
        output::json_line(&outcomes)?;
        return Ok(0);
    }
    let ran = ran(&outcomes);
    let took = output::duration(started.elapsed());
    if ran == 0 {
        output::line(format!("Data and pipelines are up to date. {FAINT}{took}{FAINT:#}"));
    } else {
        output::line(format!("{ran} of {} stages ran in {took}", outcomes.len()));
    }
    Ok(0)
}
