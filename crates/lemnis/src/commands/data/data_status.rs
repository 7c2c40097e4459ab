//! `data status`: tracked data between the last commit, what is recorded, and the workspace.

use clap::{Args, ValueEnum};
use lemnis_data::{AskRemote, DataChanges, DataStatus, DataStatusOptions, Repo, Revised, Untracked};
use serde_json::{Map, Value};

use crate::context::Context;
use crate::output::{self, Failure};
use crate::wiring::Clouds;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis data status
  lemnis data status --granular --json data/raw
  lemnis data status --untracked-files --unchanged
  lemnis data status --not-in-remote -r backup")]
pub struct DataStatusArgs {
    /// Only these tracked paths
    pub targets: Vec<String>,
    /// Single files of tracked directories as well
    #[arg(long)]
    pub granular: bool,
    /// Data that did not change as well
    #[arg(long)]
    pub unchanged: bool,
    /// Files that neither Git nor a .dvc file tracks as well
    #[arg(long, num_args = 0..=1, default_value = "no", default_missing_value = "all", value_name = "WHICH")]
    pub untracked_files: Which,
    /// Data that the remote lacks as well
    #[arg(long)]
    pub not_in_remote: bool,
    /// The remote to look at instead of the default one
    #[arg(short, long, value_name = "NAME")]
    pub remote: Option<String>,
    /// How many questions are asked of the remote at once
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,
    /// The remote is asked in any case
    #[arg(long, hide = true)]
    pub no_remote_refresh: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Which {
    No,
    All,
}

pub fn run(context: &Context, arguments: &DataStatusArgs) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let untracked = if arguments.untracked_files == Which::All { Untracked::All } else { Untracked::No };
    let targets = arguments.targets.clone();
    let ask = AskRemote { remote: arguments.remote.clone(), jobs: arguments.jobs };
    let not_in_remote = arguments.not_in_remote.then_some(ask);
    let options = DataStatusOptions { targets, granular: arguments.granular, untracked, not_in_remote };
    let mut status = lemnis_data::data_status(&repo, &options, &Clouds::new())?;
    if !arguments.unchanged {
        status.unchanged.clear();
    }
    if context.json {
        output::json_line(&filled(&status)?)?;
        return Ok(0);
    }
    show(&status);
    Ok(0)
}

/// The status without its empty members.
fn filled(status: &DataStatus) -> Result<Map<String, Value>, Failure> {
    let value = serde_json::to_value(status).map_err(|error| Failure::usage(error.to_string()))?;
    let members = value.as_object().cloned().unwrap_or_default();
    let empty = |value: &Value| match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    Ok(members.into_iter().filter(|(_, value)| !empty(value)).collect())
}

fn show(status: &DataStatus) {
    let sections: [(&str, &[&str], Vec<String>); 6] = [
        ("Not in cache", &["use \"dvc fetch <file>...\" to download files"], status.not_in_cache.clone()),
        ("Not in remote", &["use \"dvc push <file>...\" to upload files"], status.not_in_remote.clone()),
        (
            "DVC committed changes",
            &["git commit the corresponding dvc files to update the repo"],
            lines(&status.committed),
        ),
        (
            "DVC uncommitted changes",
            &[
                "use \"dvc commit <file>...\" to track changes",
                "use \"dvc checkout <file>...\" to discard changes",
            ],
            lines(&status.uncommitted),
        ),
        (
            "Untracked files",
            &["use \"git add <file> ...\" or \"dvc add <file>...\" to commit to git or to dvc"],
            status.untracked.clone(),
        ),
        ("DVC unchanged files", &[], status.unchanged.clone()),
    ];
    let mut shown = 0;
    for (heading, hints, items) in sections.iter().filter(|(.., items)| !items.is_empty()) {
        if shown > 0 {
            output::line("");
        }
        shown += 1;
        output::line(format!("{heading}:"));
        hints.iter().for_each(|hint| output::line(format!("  ({hint})")));
        items.iter().for_each(|item| output::line(format!("        {item}")));
    }
    if shown == 0 {
        let place = if status.no_commits { " in an empty git repo" } else { "" };
        output::line(format!("No changes{place}."));
    }
    if status.git_dirty {
        let other = if shown > 0 { "other " } else { "" };
        output::line(format!("(there are {other}changes not tracked by dvc, use \"git status\" to see)"));
    }
}

fn lines(changes: &DataChanges) -> Vec<String> {
    let mut out = Vec::new();
    let groups = [
        ("modified", &changes.modified),
        ("added", &changes.added),
        ("deleted", &changes.deleted),
        ("unknown", &changes.unknown),
    ];
    for (group, paths) in groups {
        out.extend(paths.iter().map(|path| format!("{group}: {path}")));
    }
    for change in &changes.renamed {
        if let Revised::Both { old: Some(old), new: Some(new) } = change {
            out.push(format!("renamed: {old} -> {new}"));
        }
    }
    out
}
