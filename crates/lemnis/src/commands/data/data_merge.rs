//! `data merge`: a branch into another one.

use clap::{Args, ValueEnum};
use lemnis_data::{Conflict, ConflictKind, MergeOptions, MergeReport, MergedOutput, Side};

use super::data_branch::short;
use super::{checkout, progress};
use crate::context::Context;
use crate::output::{self, BAD, FAINT, Failure, STRONG, WARN};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis data merge prices --dry-run            what would change, and what conflicts
  lemnis data merge prices -m 'new prices'      into the branch that is checked out
  lemnis data merge prices --into main          into another branch, without a checkout
  lemnis data merge prices --strategy theirs    their version of what both sides changed

Files of tracked directories are merged one by one, tracked files and outputs of stages by digest, all other files by
Git. A merge makes a merge commit. With conflicts nothing changes and the exit code is 1.")]
pub struct DataMerge {
    /// The branch, or any revision
    pub branch: String,
    /// Merge into this branch instead of the one that is checked out
    #[arg(long, value_name = "BRANCH")]
    pub into: Option<String>,
    /// Settle conflicts of data with one side's version
    #[arg(short, long)]
    pub strategy: Option<Strategy>,
    /// Only say what would come of it
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// The message of the merge commit
    #[arg(short, long)]
    pub message: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Strategy {
    /// The branch that is merged into wins
    Ours,
    /// The branch that is merged wins
    Theirs,
}

pub fn run(context: &Context, arguments: &DataMerge) -> Result<u8, Failure> {
    let repo = progress::open(context)?;
    let options = MergeOptions {
        into: arguments.into.clone(),
        strategy: arguments.strategy.map(|strategy| match strategy {
            Strategy::Ours => Side::Ours,
            Strategy::Theirs => Side::Theirs,
        }),
        dry_run: arguments.dry_run,
        message: arguments.message.clone(),
    };
    let report = lemnis_data::merge_branch(&repo, &arguments.branch, &options)?;
    let code = u8::from(!report.conflicts.is_empty());
    if context.json {
        output::json(&report)?;
    } else if !report.conflicts.is_empty() {
        conflicts(&report);
    } else if !context.quiet {
        show(context, &report)?;
    }
    Ok(code)
}

fn conflicts(report: &MergeReport) {
    let MergeReport { from, into, .. } = report;
    output::note(format!("{BAD}conflict:{BAD:#} {from} and {into} both changed"));
    for Conflict { path, kind, .. } in &report.conflicts {
        let kind = match kind {
            ConflictKind::Data => "data",
            ConflictKind::Record => "record",
            ConflictKind::Git => "file in Git",
        };
        output::note(format!("    {path}  {FAINT}{kind}{FAINT:#}"));
    }
    let hint = match report.conflicts.iter().any(|conflict| conflict.kind == ConflictKind::Git) {
        true => format!(
            "nothing was changed; merge the files in Git on {from} first: git switch {from} && git merge {into}"
        ),
        false => "nothing was changed; choose a side with --strategy ours or --strategy theirs, or settle it on one \
                  of the branches"
            .to_owned(),
    };
    output::note(format!("{WARN}hint:{WARN:#} {hint}"));
}

fn show(context: &Context, report: &MergeReport) -> Result<(), Failure> {
    let MergeReport { from, into, .. } = report;
    if report.up_to_date {
        output::line(format!("{into} holds everything of {from} already"));
        return Ok(());
    }
    for MergedOutput { path, added, modified, deleted, .. } in &report.outputs {
        output::line(format!("{path}  +{added} ~{modified} -{deleted}"));
    }
    checkout::print(context, false, &report.data)?;
    match &report.commit {
        Some(commit) => output::line(format!(
            "merged {STRONG}{from}{STRONG:#} into {STRONG}{into}{STRONG:#} as {}",
            short(commit)
        )),
        None => output::line(format!("{from} merges into {into} without conflict; nothing was changed")),
    }
    Ok(())
}
