//! `data diff`: which files changed between two revisions, and for tables what changed in them.

use std::path::Path;

use clap::Args;
use lemnis_app::table_diff::{ColumnDiff, TableAt, TableDiff, diff_tables};
use lemnis_core::Classify;
use lemnis_data::{Diff, Error, FileVersion, Repo, Revised};
use lemnis_quality::summary::ColumnSummary;
use serde::Serialize;

use super::diff as files;
use crate::context::Context;
use crate::output::{self, FAINT, Failure, STRONG};
use crate::wiring::Clouds;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis data diff                                  since the last commit
  lemnis data diff v1.0 main                        between two revisions
  lemnis data diff main prices data/raw/2026.csv    one table, also one inside a tracked directory
  lemnis data diff old.csv new.parquet              two files, tracked or not
  lemnis data diff v1.0 main data/raw --drift --markdown

CSV and Parquet files are compared as tables: columns, rows, and each column in figures. They are read from the cache, \
part by part; nothing is checked out.")]
pub struct DataDiff {
    /// [OLD [NEW]] [PATH]: revisions (default: HEAD and the workspace) and a tracked path; or two files
    #[arg(value_name = "REV|PATH", num_args = 0..=3)]
    pub what: Vec<String>,
    /// Also judge whether the distributions drifted (both tables are read into memory)
    #[arg(long)]
    pub drift: bool,
    /// Only the files, not what is in tables
    #[arg(long, conflicts_with = "drift")]
    pub no_tables: bool,
    /// Columns that did not change as well
    #[arg(long)]
    pub all_columns: bool,
    /// Markdown, for a pull request
    #[arg(long, visible_alias = "md")]
    pub markdown: bool,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Report {
    old: String,
    new: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Diff>,
    tables: Vec<Compared>,
    not_compared: Vec<NotCompared>,
}

/// A table on both sides.
#[derive(Serialize)]
struct Compared {
    path: String,
    #[serde(flatten)]
    diff: TableDiff,
}

/// A table that cannot be read.
#[derive(Serialize)]
struct NotCompared {
    path: String,
    reason: String,
}

pub fn run(context: &Context, arguments: &DataDiff) -> Result<u8, Failure> {
    let report = match Repo::discover(&context.dir, &context.environment) {
        Ok(repo) => match asked(&repo, context, &arguments.what)? {
            Asked::Files(old, new) => of_files(context, old, new, arguments)?,
            Asked::Revisions { old, new, path } => of_revisions(&repo, &old, new, path, arguments)?,
        },
        // Two files need no repository.
        Err(Error::NotARepo { .. }) if arguments.what.len() == 2 => {
            of_files(context, &arguments.what[0], &arguments.what[1], arguments)?
        }
        Err(error) => return Err(error.into()),
    };
    if context.json {
        output::json(&report)?;
    } else if arguments.markdown {
        markdown(&report, arguments.all_columns);
    } else {
        show(&report, arguments.all_columns);
    }
    Ok(0)
}

/// What the arguments mean.
enum Asked<'a> {
    Files(&'a str, &'a str),
    Revisions { old: String, new: Option<&'a str>, path: Option<&'a str> },
}

/// Revisions come first; what is none is the path. Two files that are no revisions are compared as they are.
fn asked<'a>(repo: &Repo, context: &Context, what: &'a [String]) -> Result<Asked<'a>, Failure> {
    let is_revision = |word: &str| lemnis_data::is_revision(repo, word);
    if let [old, new] = what
        && [old, new].iter().all(|word| context.path(Path::new(word)).is_file())
        && !is_revision(old)?
    {
        return Ok(Asked::Files(old, new));
    }
    let mut words = what.iter().map(String::as_str).peekable();
    let mut revisions = Vec::new();
    while let Some(word) = words.peek().copied() {
        if revisions.len() == 2 || !(word == "workspace" && revisions.len() == 1 || is_revision(word)?) {
            break;
        }
        revisions.push(word);
        words.next();
    }
    let path = words.next();
    if let Some(extra) = words.next() {
        let not = path.unwrap_or_default();
        return Err(Failure::usage(format!("'{not}' is no revision, and '{extra}' is one word too many"))
            .with_hint("name revisions first, then a path: lemnis data diff OLD NEW PATH"));
    }
    let old = revisions.first().copied().unwrap_or("HEAD").to_owned();
    let new = revisions.get(1).copied().filter(|new| *new != "workspace");
    Ok(Asked::Revisions { old, new, path })
}

fn of_files(context: &Context, old: &str, new: &str, arguments: &DataDiff) -> Result<Report, Failure> {
    let (before, after) = (context.path(Path::new(old)), context.path(Path::new(new)));
    let old_at = TableAt { place: &before, name: Path::new(old) };
    let new_at = TableAt { place: &after, name: Path::new(new) };
    let diff = diff_tables(old_at, new_at, arguments.drift)?;
    let tables = vec![Compared { path: new.to_owned(), diff }];
    Ok(Report { old: old.to_owned(), new: new.to_owned(), files: None, tables, not_compared: Vec::new() })
}

fn of_revisions(
    repo: &Repo,
    old: &str,
    new: Option<&str>,
    path: Option<&str>,
    arguments: &DataDiff,
) -> Result<Report, Failure> {
    let targets: Vec<String> = path.into_iter().map(str::to_owned).collect();
    let mut diff = lemnis_data::diff(repo, old, new, &targets, &Clouds::new())?;
    if new.is_some() {
        diff.not_in_cache = None;
    }
    let mut report = Report {
        old: old.to_owned(),
        new: new.unwrap_or("workspace").to_owned(),
        files: None,
        tables: Vec::new(),
        not_compared: Vec::new(),
    };
    for entry in diff.modified.iter().filter(|_| !arguments.no_tables) {
        let Revised::One(Some(path)) = &entry.path else { continue };
        if path.ends_with('/') || !lemnis_table::is_table(Path::new(path)) {
            continue;
        }
        // The entries are relative to the root, versions to where the command works.
        let typed = join(&repo.root_from_cwd(), path);
        let version = |revision| lemnis_data::file_version(repo, revision, &typed);
        match compared(path, version(Some(old)), version(new), arguments.drift) {
            Ok(table) => report.tables.push(table),
            Err(not) => report.not_compared.push(not),
        }
    }
    report.files = Some(diff);
    Ok(report)
}

fn join(root: &str, path: &str) -> String {
    if root == "." { path.to_owned() } else { format!("{root}/{path}") }
}

fn compared(
    path: &str,
    old: Result<Option<FileVersion>, Error>,
    new: Result<Option<FileVersion>, Error>,
    drift: bool,
) -> Result<Compared, NotCompared> {
    let not = |reason: String| NotCompared { path: path.to_owned(), reason };
    let side = |version: Result<Option<FileVersion>, Error>| {
        let version = version.map_err(|error| not(error.to_string()))?;
        version.ok_or_else(|| not("it is not on both sides".to_owned()))
    };
    let (old, new) = (side(old)?, side(new)?);
    let name = Path::new(path);
    let diff = diff_tables(TableAt { place: &old.place, name }, TableAt { place: &new.place, name }, drift);
    let diff = diff.map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        not(format!("{error}{cause}{hint}"))
    })?;
    Ok(Compared { path: path.to_owned(), diff })
}

fn show(report: &Report, all: bool) {
    if let Some(diff) = &report.files {
        files::show(diff);
        if diff.is_empty() {
            output::line(format!("no tracked data differs between {} and {}", report.old, report.new));
        }
    }
    for table in &report.tables {
        output::line(format!("{STRONG}{}{STRONG:#}  {}", table.path, headline(&table.diff)));
        schema(&table.diff).iter().for_each(|line| output::line(format!("    {line}")));
        let rows = rows(&table.diff, all);
        if !rows.is_empty() {
            output::line(output::table(&HEADINGS, rows));
        }
        drift(&table.diff).iter().for_each(output::line);
        output::line("");
    }
    for NotCompared { path, reason } in &report.not_compared {
        output::line(format!("{path}  {FAINT}not compared: {reason}{FAINT:#}"));
    }
}

fn markdown(report: &Report, all: bool) {
    if let Some(diff) = &report.files {
        output::line(format!("### Data: `{}` to `{}`\n", report.old, report.new));
        files::markdown(diff, false);
    }
    for table in &report.tables {
        output::line(format!("#### `{}`: {}\n", table.path, headline(&table.diff)));
        let schema = schema(&table.diff);
        schema.iter().for_each(|line| output::line(format!("- {line}")));
        if !schema.is_empty() {
            output::line("");
        }
        let rows: Vec<Vec<String>> = rows(&table.diff, all)
            .into_iter()
            .map(|row| row.into_iter().map(|cell| cell.replace('|', "\\|")).collect())
            .collect();
        if !rows.is_empty() {
            output::line(output::markdown_table(&HEADINGS, &rows));
        }
        drift(&table.diff).iter().for_each(|line| output::line(format!("{line}\n")));
    }
    for NotCompared { path, reason } in &report.not_compared {
        output::line(format!("`{path}` was not compared: {reason}\n"));
    }
}

const HEADINGS: [&str; 8] =
    ["column", "kind", "missing", "distinct", "mean", "quartiles", "range", "most frequent"];

fn headline(diff: &TableDiff) -> String {
    let change = diff.rows_new as i128 - diff.rows_old as i128;
    format!("{} rows ({change:+})", pair(diff.rows_old.to_string(), diff.rows_new.to_string()))
}

fn schema(diff: &TableDiff) -> Vec<String> {
    let mut lines = Vec::new();
    let list = |columns: &[lemnis_app::table_diff::NamedKind]| {
        columns.iter().map(|one| format!("{} ({})", one.column, one.kind)).collect::<Vec<_>>().join(", ")
    };
    if !diff.columns_added.is_empty() {
        lines.push(format!("columns added: {}", list(&diff.columns_added)));
    }
    if !diff.columns_removed.is_empty() {
        lines.push(format!("columns removed: {}", list(&diff.columns_removed)));
    }
    for one in &diff.columns_retyped {
        lines.push(format!("column {} was {}, is {}", one.column, one.old, one.new));
    }
    lines
}

fn drift(diff: &TableDiff) -> Vec<String> {
    let Some(report) = &diff.drift else { return Vec::new() };
    let drifted = report.columns.iter().filter(|column| column.drifted());
    let names: Vec<String> = drifted
        .map(|column| match column.psi {
            Some(psi) => format!("{} (PSI {psi:.3})", column.column),
            None => column.column.clone(),
        })
        .collect();
    let (few, all) = (report.number_of_drifted_columns, report.number_of_columns);
    let mut line = format!("drift: {few} of {all} judged columns");
    if !names.is_empty() {
        line.push_str(&format!(": {}", names.join(", ")));
    }
    vec![line]
}

fn rows(diff: &TableDiff, all: bool) -> Vec<Vec<String>> {
    let wanted = diff.columns.iter().filter(|column| all || column.changed);
    wanted.map(|column| row(column, diff.rows_old, diff.rows_new)).collect()
}

fn row(diff: &ColumnDiff, rows_old: u64, rows_new: u64) -> Vec<String> {
    let both = |figure: &dyn Fn(&ColumnSummary) -> String| {
        let text = |side: &Option<ColumnSummary>| side.as_ref().map(figure).unwrap_or_default();
        pair(text(&diff.old), text(&diff.new))
    };
    let missing = |side: &Option<ColumnSummary>, rows: u64| {
        side.as_ref().map_or_else(String::new, |side| share(side.profile.nulls as f64 / rows.max(1) as f64))
    };
    vec![
        diff.column.clone(),
        both(&|side| side.profile.kind.clone()),
        pair(missing(&diff.old, rows_old), missing(&diff.new, rows_new)),
        both(&|side| format!("{}{}", if side.estimated { "~" } else { "" }, side.profile.distinct)),
        both(&|side| side.profile.numbers.as_ref().map(|n| number(n.mean)).unwrap_or_default()),
        both(&|side| {
            let quartiles =
                side.profile.numbers.as_ref().map(|n| [n.quantiles[2], n.quantiles[3], n.quantiles[4]]);
            quartiles.map(|three| three.map(number).join(" / ")).unwrap_or_default()
        }),
        both(&|side| match (&side.profile.numbers, &side.range) {
            (Some(n), _) => format!("{} … {}", number(n.min), number(n.max)),
            (None, Some((first, last))) => format!("{first} … {last}"),
            _ => String::new(),
        }),
        both(&|side| {
            let top = side.profile.top.iter().take(3);
            top.map(|(value, count)| format!("{} ({count})", clipped(value))).collect::<Vec<_>>().join(", ")
        }),
    ]
}

/// Both sides of a cell, or the one that they share.
fn pair(old: String, new: String) -> String {
    match (old.is_empty(), new.is_empty()) {
        _ if old == new => new,
        (true, false) => format!("→ {new}"),
        (false, true) => format!("{old} →"),
        _ => format!("{old} → {new}"),
    }
}

fn share(part: f64) -> String {
    if part == 0.0 { "0 %".to_owned() } else { format!("{:.1} %", part * 100.0) }
}

/// Four significant digits.
fn number(value: f64) -> String {
    if value == value.trunc() && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    let digits = (3 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    if value.abs() >= 1e15 || value.abs() < 1e-6 {
        format!("{value:.3e}")
    } else {
        format!("{value:.digits$}")
    }
}

fn clipped(value: &str) -> String {
    if value.chars().count() <= 24 {
        value.to_owned()
    } else {
        value.chars().take(23).chain(['…']).collect()
    }
}
