//! `gc`: objects that nothing in use refers to are removed, from the cache and from remotes.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use lemnis_data::{Error, GcOptions, GcRemote, Outside};

use super::transfer::Bar;
use super::{progress, prompt};
use crate::context::Context;
use crate::output::{self, Failure, exit};
use crate::wiring::Clouds;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis gc --workspace --dry              what would go
  lemnis gc --all-branches --all-tags      keep what the heads of branches and the tags use
  lemnis gc --rev main -n 10               keep what the last ten commits of main use
  lemnis gc -w -p ../other                 the cache is shared with another repository
  lemnis gc -A -c                          the remote as well: keep what any commit uses
  lemnis gc -w --not-in-remote             free the disk of what the remote holds

What the workspace uses is always kept. Data of other repositories that share the cache is not known unless
they are named with --projects.")]
pub struct Gc {
    /// Keep what the workspace uses
    #[arg(short, long)]
    pub workspace: bool,
    /// Keep what this revision uses
    #[arg(long, value_name = "COMMIT")]
    pub rev: Option<String>,
    /// Keep what that many commits of --rev or of each branch use
    #[arg(short, long, value_name = "N")]
    pub num: Option<usize>,
    /// Keep what the heads of all branches use
    #[arg(short = 'a', long)]
    pub all_branches: bool,
    /// Keep what all tags use
    #[arg(short = 'T', long)]
    pub all_tags: bool,
    /// Keep what any commit uses
    #[arg(short = 'A', long)]
    pub all_commits: bool,
    /// Keep what any experiment uses
    #[arg(long)]
    pub all_experiments: bool,
    /// Keep what commits of that day and later use
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub date: Option<String>,
    /// Keep what these repositories use as well
    #[arg(short, long, num_args = 1.., value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub projects: Vec<PathBuf>,
    /// Remove from the remote as well what is not used
    #[arg(short, long, conflicts_with = "not_in_remote")]
    pub cloud: bool,
    /// Keep in the cache only what is used and the remote lacks
    #[arg(long)]
    pub not_in_remote: bool,
    /// The remote for --cloud or --not-in-remote (default: the default one)
    #[arg(short, long, value_name = "NAME")]
    pub remote: Option<String>,
    /// How many requests to a remote at once
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Remove nothing, only print what would go
    #[arg(long)]
    pub dry: bool,
    /// Pass over revisions that cannot be read
    #[arg(long)]
    pub skip_failed: bool,
    /// Do not ask, and go on when a folder's files are unknown
    #[arg(short, long)]
    pub force: bool,
}

pub fn run(context: &Context, arguments: &Gc) -> Result<u8, Failure> {
    let options = GcOptions {
        workspace: arguments.workspace,
        rev: arguments.rev.clone(),
        num: arguments.num,
        all_branches: arguments.all_branches,
        all_tags: arguments.all_tags,
        all_commits: arguments.all_commits,
        all_experiments: arguments.all_experiments,
        date: arguments.date.clone(),
        projects: arguments.projects.iter().map(|path| context.path(path)).collect(),
        dry: arguments.dry,
        force: arguments.force,
        skip_failed: arguments.skip_failed,
    };
    options.check()?;
    let remote = match (arguments.cloud, arguments.not_in_remote) {
        (true, _) => Some(GcRemote::Collect(arguments.remote.clone())),
        (_, true) => Some(GcRemote::KeepUnsent(arguments.remote.clone())),
        _ => None,
    };
    let repo = progress::open(context)?;
    let question = match arguments.cloud {
        true => {
            format!("This will remove all of cache and remote except items used in {}.", scope(arguments))
        }
        false => format!("This will remove all cache except items used in {}.", scope(arguments)),
    };
    if !arguments.force
        && !arguments.dry
        && !prompt::confirm(&format!("{question}\nAre you sure you want to proceed?"))
    {
        return Err(Failure::usage(format!("{question} It was not agreed to"))
            .with_hint("agree on a terminal, or give --force"));
    }
    let done = match remote {
        None => lemnis_data::gc(&repo, &options)?,
        Some(remote) => {
            let (bar, clouds) = (Bar::new(context), Clouds::new());
            let (jobs, environment) = (arguments.jobs, &context.environment);
            let outside = Outside { stores: &clouds, progress: &bar, jobs, environment };
            lemnis_data::gc_with_remote(&repo, &options, &remote, &outside).map_err(|error| match error {
                Error::NoRemote { .. } | Error::UnknownRemote { .. } => {
                    Failure::from(error).with_dvc_code(exit::CONFIG)
                }
                error => error.into(),
            })?
        }
    };
    if context.json {
        output::json_line(&done)?;
        return Ok(0);
    }
    if context.quiet {
        return Ok(0);
    }
    if arguments.dry {
        for path in &done.removed {
            output::line(format!("Removing {}", path.display()));
        }
        for url in &done.removed_from_remotes {
            output::line(format!("Removing {url}"));
        }
    }
    let plain = done.removed.len() - done.legacy;
    for (name, count) in [("repo", plain), ("legacy", done.legacy)] {
        let verb = if arguments.dry { "Would remove" } else { "Removed" };
        match count {
            0 => output::line(format!("No unused '{name}' cache to remove.")),
            _ => output::line(format!("{verb} {count} objects from {name} cache.")),
        }
    }
    if arguments.cloud {
        match done.removed_from_remotes.len() {
            0 => output::line("No unused cache to remove from remote."),
            count if arguments.dry => output::line(format!("Would remove {count} objects from remote.")),
            count => output::line(format!("Removed {count} objects from remote.")),
        }
    }
    if !done.removed.is_empty() {
        output::line(format!("{} in all", output::size(done.size_bytes)));
    }
    Ok(0)
}

fn scope(arguments: &Gc) -> String {
    let mut parts = vec!["the workspace".to_owned()];
    let last = |what: &str| match arguments.num {
        Some(count) if count > 1 => format!("the last {count} commits of {what}"),
        _ => what.to_owned(),
    };
    if arguments.all_commits {
        parts.push("all git commits".into());
    }
    if arguments.all_branches {
        parts.push(last("all git branches"));
    }
    if arguments.all_tags {
        parts.push("all git tags".into());
    }
    if let Some(rev) = &arguments.rev {
        parts.push(last(rev));
    }
    if let Some(date) = &arguments.date {
        parts.push(format!("commits since {date}"));
    }
    if arguments.all_experiments {
        parts.push("all experiments".into());
    }
    let whose = match arguments.projects.len() {
        0 => "of the current repo".to_owned(),
        count => format!("of the current repo and {count} others"),
    };
    let unsent = if arguments.not_in_remote { " that are not present in the remote" } else { "" };
    let parts = parts.join(", ");
    format!("{parts}{unsent} {whose}")
}
