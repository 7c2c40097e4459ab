//! `diff`: which tracked data changed between two commits, or since one.

use clap::Args;
use lemnis_data::{Diff as Changes, DiffEntry, Error, Repo, Revised};

use crate::context::Context;
use crate::output::{self, Failure};
use crate::wiring::Clouds;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis diff                      since the last commit
  lemnis diff v1.0 main            between two revisions
  lemnis diff HEAD~1 --targets data/raw --show-hash")]
pub struct Diff {
    /// The older revision
    #[arg(default_value = "HEAD")]
    pub a_rev: String,
    /// The newer revision (default: the workspace)
    pub b_rev: Option<String>,
    /// Only these tracked files or directories
    #[arg(long, num_args = 0.., value_name = "PATH")]
    pub targets: Vec<String>,
    /// Show the hashes
    #[arg(long)]
    pub show_hash: bool,
    /// A Markdown table
    #[arg(long)]
    pub md: bool,
    /// Leave out data that is not in the cache
    #[arg(long)]
    pub hide_missing: bool,
}

pub fn run(context: &Context, arguments: &Diff) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let (old, new) = (&arguments.a_rev, arguments.b_rev.as_deref());
    let diff = lemnis_data::diff(&repo, old, new, &arguments.targets, &Clouds::new());
    let mut diff = diff.map_err(|error| match error {
        Error::NoSuchTarget { .. } => error.into(),
        error => Failure::from(error).with_dvc_code(1),
    })?;
    let nothing = diff.is_empty();
    if arguments.hide_missing || arguments.b_rev.is_some() {
        diff.not_in_cache = None;
    }
    if !arguments.show_hash {
        diff = diff.without_hashes();
    }
    if context.json {
        if nothing {
            output::line("{}");
        } else {
            output::json_line(&diff)?;
        }
    } else if arguments.md {
        markdown(&diff, arguments.show_hash);
    } else {
        show(&diff);
    }
    Ok(0)
}

fn groups(diff: &Changes) -> [(&'static str, &[DiffEntry]); 5] {
    [
        ("added", &diff.added),
        ("deleted", &diff.deleted),
        ("renamed", &diff.renamed),
        ("modified", &diff.modified),
        ("not in cache", diff.not_in_cache.as_deref().unwrap_or_default()),
    ]
}

fn path(entry: &DiffEntry) -> String {
    match &entry.path {
        Revised::One(path) => path.clone().unwrap_or_default(),
        Revised::Both { old, new } => {
            format!("{} -> {}", old.as_deref().unwrap_or_default(), new.as_deref().unwrap_or_default())
        }
    }
}

fn digest(entry: &DiffEntry) -> String {
    let short = |hash: &Option<String>| hash.as_deref().map(|hash| hash[..hash.len().min(8)].to_owned());
    match &entry.hash {
        None => String::new(),
        Some(Revised::One(hash)) => short(hash).unwrap_or_default(),
        Some(Revised::Both { old, new }) => {
            format!("{}..{}", short(old).unwrap_or_default(), short(new).unwrap_or_default())
        }
    }
}

/// A Markdown table of what changed.
pub fn markdown(diff: &Changes, with_hash: bool) {
    let mut rows = Vec::new();
    for (group, entries) in groups(diff) {
        for entry in entries {
            let mut row = vec![group.to_owned()];
            row.extend(with_hash.then(|| digest(entry)));
            row.push(path(entry));
            rows.push(row);
        }
    }
    let headings: &[&str] = if with_hash { &["Status", "Hash", "Path"] } else { &["Status", "Path"] };
    output::line(output::markdown_table(headings, &rows));
}

/// What changed, in DVC's form.
pub fn show(diff: &Changes) {
    let mut summary = Vec::new();
    for (group, entries) in groups(diff) {
        if entries.is_empty() {
            continue;
        }
        let mut heading = group.to_owned();
        heading[..1].make_ascii_uppercase();
        output::line(format!("{heading}:"));
        for entry in entries {
            let digest = digest(entry);
            let gap = if digest.is_empty() { "" } else { "  " };
            output::line(format!("    {digest}{gap}{}", path(entry)));
        }
        output::line("");
        let files = entries.iter().filter(|entry| !path(entry).ends_with('/')).count();
        if files > 0 {
            summary.push(format!("{files} {group}"));
        }
    }
    if !summary.is_empty() {
        output::line(format!("files summary: {}", summary.join(", ")));
    }
}
