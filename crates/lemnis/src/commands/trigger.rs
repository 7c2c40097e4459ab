//! `trigger`: what new data starts, as one command that may be repeated.
//!
//! The data of the commit is brought into the workspace first, so that the pipeline sees what the commit records.

use std::process::{Command, Stdio};

use clap::Args;
use lemnis_app::git;
use lemnis_app::trigger::Start;
use lemnis_core::ErrorKind;
use lemnis_data::Repo;

use crate::client::require_project;
use crate::context::Context;
use crate::output::{Failure, io_failure};

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  lemnis trigger new-prices

`lemnis up` runs it by itself for every commit that changes the trigger's data on its branch.")]
pub struct TriggerArgs {
    /// The trigger's name in lemnis.yaml
    pub name: String,
    /// The commit that must be checked out, or be part of what is
    #[arg(long, value_name = "COMMIT")]
    pub commit: Option<String>,
    /// The tracked path to bring into the workspace first
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
}

pub fn trigger(context: &Context, arguments: &TriggerArgs) -> Result<u8, Failure> {
    let project = require_project(&context.dir)?;
    let root = project.root().to_path_buf();
    let settings = project.settings()?;
    let rule = settings.trigger(&arguments.name)?;
    if let Some(commit) = &arguments.commit
        && !git::contains(&root, commit)?
    {
        let message = format!("commit {commit} is not part of what is checked out in {}", root.display());
        return Err(Failure::new(ErrorKind::Conflict, message)
            .with_hint(format!("check out the branch {} and run the command again", rule.on.branch)));
    }
    let run = |words: &[&str]| -> Result<u8, Failure> {
        let (program, _) = Context::path_for_stages()?;
        let status = Command::new(&program).args(words).current_dir(&root).stdin(Stdio::null()).status();
        let status = status.map_err(io_failure(format!("starting lemnis {}", words.join(" "))))?;
        Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
    };
    if let Some(path) = &arguments.path {
        let repo = Repo::discover(&root, &context.environment)?;
        let verb = if repo.default_remote().is_some() { "pull" } else { "checkout" };
        // What is in the cache needs no remote.
        let mut code = run(&["checkout", path])?;
        if code != 0 && verb == "pull" {
            code = run(&["pull", path])?;
        }
        if code != 0 {
            return Ok(code);
        }
    }
    match &rule.run {
        Start::Repro(targets) => {
            let words: Vec<&str> =
                std::iter::once("repro").chain(targets.iter().map(String::as_str)).collect();
            run(&words)
        }
        Start::Retrain(endpoint) => run(&["retrain", endpoint]),
    }
}
