//! `data log`: which commits changed a tracked path.

use clap::{Args, ValueHint};
use lemnis_data::{ChangeKind, Repo};

use super::data_branch::{count, day, short};
use crate::context::Context;
use crate::output::{self, Failure};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis data log data/raw                      a tracked directory, newest change first
  lemnis data log data/raw/2026.csv             one file inside it
  lemnis data log model.onnx --rev v1.0 --json")]
pub struct DataLog {
    /// A tracked file or directory, a file inside one, or a .dvc file
    #[arg(value_hint = ValueHint::AnyPath)]
    pub path: String,
    /// Begin at this revision
    #[arg(long, value_name = "REV", default_value = "HEAD")]
    pub rev: String,
    /// How many changes at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
}

pub fn run(context: &Context, arguments: &DataLog) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let changes = lemnis_data::log_of(&repo, &arguments.rev, &arguments.path, arguments.limit.max(1))?;
    if context.json {
        output::json(&changes)?;
        return Ok(0);
    }
    let rows = changes
        .iter()
        .map(|change| {
            let kind = match change.kind {
                ChangeKind::Added => "added",
                ChangeKind::Modified => "modified",
                ChangeKind::Deleted => "deleted",
                ChangeKind::Unknown => "not in cache",
            };
            vec![
                short(&change.commit).to_owned(),
                day(&change.committed).to_owned(),
                change.author.clone(),
                kind.to_owned(),
                change.digest.as_ref().map(|digest| digest.short().to_owned()).unwrap_or_default(),
                count(change.files),
                change.size_bytes.map(output::size).unwrap_or_default(),
                change.subject.clone(),
            ]
        })
        .collect();
    let headings = ["commit", "day", "author", "change", "md5", "files", "size", "subject"];
    output::line(output::table(&headings, rows));
    Ok(0)
}
