//! `exp remove`: takes experiments, and what waits in the queue, away.

use clap::Args;
use lemnis_data::{RemoveExperiments, Repo};

use super::{Which, say};
use crate::context::Context;
use crate::output::{Failure, exit};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis exp remove slow fast
  lemnis exp remove --rev HEAD -n 3     of the last three commits
  lemnis exp remove --keep best         all but this one")]
pub struct Remove {
    /// Their names or commits; what is queued counts as well
    pub names: Vec<String>,
    #[command(flatten)]
    pub which: Which,
    /// Everything that waits in the queue
    #[arg(long, conflicts_with = "git_remote")]
    pub queue: bool,
    /// Remove from this Git remote instead
    #[arg(short, long, value_name = "REMOTE")]
    pub git_remote: Option<String>,
    /// Keep those that are named or chosen, and remove all others
    #[arg(long)]
    pub keep: bool,
}

pub fn run(context: &Context, repo: &Repo, arguments: &Remove) -> Result<(), Failure> {
    let Remove { names, which, queue, git_remote, keep } = arguments;
    let chosen = which.all_commits || !which.rev.is_empty();
    let refuse =
        |message: &str, hint: &str| Err(Failure::usage(message).with_hint(hint).with_dvc_code(exit::OTHER));
    if *keep && *queue {
        return refuse("--keep does not go with --queue", "leave one of them out");
    }
    if (chosen || *queue) != names.is_empty() {
        return refuse(
            "which experiments are meant is not clear",
            "give either names, or one of --rev, --all-commits and --queue",
        );
    }
    let removed = lemnis_data::remove_experiments(
        repo,
        &RemoveExperiments {
            names: names.clone(),
            from: chosen.then(|| which.baselines()),
            queued: *queue,
            keep: *keep,
            remote: git_remote.clone(),
        },
    )?;
    let text = match removed.is_empty() {
        true => "No experiments to remove.".to_owned(),
        false => format!("Removed experiments: {}", listed(&removed)),
    };
    say(context, &removed, text)
}

/// `'a', 'b' and 'c'`.
fn listed(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
