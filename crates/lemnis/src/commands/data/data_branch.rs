//! `data branch`: branches with the data that each holds.

use clap::Args;
use lemnis_data::{Branch, Change};

use super::progress;
use crate::context::Context;
use crate::output::{self, FAINT, Failure, GOOD, STRONG};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis data branch                            every branch with its tracked outputs
  lemnis data branch --list prices              one of them
  lemnis data branch prices                     a new branch where HEAD is; nothing is copied
  lemnis data branch fix --from v1.0
  lemnis data branch --delete prices

A branch is a Git branch: `git branch` sees it too. Its data lies in the cache once, whoever uses it.")]
pub struct DataBranch {
    /// The branch to make, show or delete
    pub name: Option<String>,
    /// Make it at this revision instead of HEAD
    #[arg(long, value_name = "REV", requires = "name", conflicts_with_all = ["delete", "list"])]
    pub from: Option<String>,
    /// Delete it; its data stays in the cache until `lemnis gc`
    #[arg(short, long, requires = "name", conflicts_with = "list")]
    pub delete: bool,
    /// Delete it although it is not merged
    #[arg(short, long, requires = "delete")]
    pub force: bool,
    /// List branches (what happens without a name)
    #[arg(short, long)]
    pub list: bool,
}

pub fn run(context: &Context, arguments: &DataBranch) -> Result<u8, Failure> {
    let repo = progress::open(context)?;
    match &arguments.name {
        Some(name) if arguments.delete => {
            let commit = lemnis_data::delete_branch(&repo, name, arguments.force)?;
            say(context, "deleted", name, &commit)?;
        }
        Some(name) if !arguments.list => {
            let commit = lemnis_data::create_branch(&repo, name, arguments.from.as_deref())?;
            say(context, "created", name, &commit)?;
        }
        name => {
            let branches = lemnis_data::list_branches(&repo, name.as_deref())?;
            if context.json {
                output::json(&branches)?;
            } else {
                branches.iter().for_each(show);
            }
        }
    }
    Ok(0)
}

fn say(context: &Context, what: &str, name: &str, commit: &str) -> Result<(), Failure> {
    if context.json {
        return output::json(&serde_json::json!({ what: name, "commit": commit }));
    }
    if !context.quiet {
        output::line(format!("{what} branch {STRONG}{name}{STRONG:#} at {}", short(commit)));
    }
    Ok(())
}

fn show(branch: &Branch) {
    let mark = if branch.current { format!("{GOOD}*{GOOD:#}") } else { " ".to_owned() };
    let Branch { name, commit, committed, subject, size_bytes, .. } = branch;
    let (commit, day, size) = (short(commit), day(committed), output::size(*size_bytes));
    output::line(format!(
        "{mark} {STRONG}{name}{STRONG:#}  {size}  {FAINT}{commit} {day} {subject}{FAINT:#}"
    ));
    let rows: Vec<Vec<String>> = branch
        .outputs
        .iter()
        .map(|output| {
            let held = &output.held;
            let digest = held.digest.as_ref().map_or("not made yet", |digest| digest.short());
            vec![
                format!("    {}", held.path),
                digest.to_owned(),
                count(held.files),
                held.size_bytes.map(output::size).unwrap_or_default(),
                output.last_change.as_ref().map(last).unwrap_or_default(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        output::line(output::table(&["    output", "md5", "files", "size", "last change"], rows));
    }
}

fn last(change: &Change) -> String {
    format!("{} {} {}", short(&change.commit), day(&change.committed), change.author)
}

/// The first characters of a commit's name.
pub fn short(commit: &str) -> &str {
    commit.get(..8).unwrap_or(commit)
}

/// The day of an ISO 8601 moment.
pub fn day(moment: &str) -> &str {
    moment.get(..10).unwrap_or(moment)
}

/// A number, or nothing.
pub fn count(number: Option<u64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}
