//! `exp show` and `exp diff`: experiments side by side.

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use lemnis_data::{DiffExperiments, Repo, ShowExperiments, Style, TableOptions, ValueTable};

use super::{Heads, Which, told};
use crate::commands::data::values::print;
use crate::context::Context;
use crate::output::{self, Failure};

const PRECISION: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// The smallest first
    Asc,
    /// The greatest first
    Desc,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis exp show --only-changed --sort-by acc --sort-order desc
  lemnis exp show -n 5 --md           of the last five commits, as a Markdown table
  lemnis exp show -A --csv > all.csv")]
pub struct Show {
    #[command(flatten)]
    pub which: Which,
    #[command(flatten)]
    pub heads: Heads,
    /// Comma-separated values
    #[arg(long)]
    pub csv: bool,
    /// A Markdown table
    #[arg(long)]
    pub md: bool,
    /// Significant digits of numbers, with --csv
    #[arg(long, value_name = "N")]
    pub precision: Option<usize>,
    /// Only columns in which values differ
    #[arg(long)]
    pub only_changed: bool,
    /// Leave out the columns that this regular expression matches
    #[arg(long, value_name = "REGEX")]
    pub drop: Vec<String>,
    /// Keep the columns that this regular expression matches in any case
    #[arg(long, value_name = "REGEX")]
    pub keep: Vec<String>,
    /// Only parameters that stages depend on
    #[arg(long)]
    pub param_deps: bool,
    /// Order the experiments of a commit by this metric or parameter
    #[arg(long, value_name = "NAME")]
    pub sort_by: Option<String>,
    /// In which direction
    #[arg(long, value_enum, default_value_t = Order::Asc, value_name = "ORDER")]
    pub sort_order: Order,
    /// Commits instead of the names of branches and tags
    #[arg(long)]
    pub sha: bool,
    /// Leave out what failed in the queue
    #[arg(long)]
    pub hide_failed: bool,
    /// Leave out what waits in the queue
    #[arg(long)]
    pub hide_queued: bool,
    /// Leave out the workspace
    #[arg(long)]
    pub hide_workspace: bool,
    /// No pager is used in any case
    #[arg(long, hide = true)]
    pub no_pager: bool,
    /// Experiments are read anew in any case
    #[arg(short, long, hide = true)]
    pub force: bool,
    /// Nothing is fetched in any case
    #[arg(long, hide = true)]
    pub no_fetch: bool,
}

#[derive(Args, Debug)]
pub struct Diff {
    /// The older experiment or commit
    #[arg(default_value = "HEAD")]
    pub a_rev: String,
    /// The newer one
    #[arg(default_value = "workspace")]
    pub b_rev: String,
    /// Values that did not change as well
    #[arg(long)]
    pub all: bool,
    /// Only parameters that stages depend on
    #[arg(long)]
    pub param_deps: bool,
    /// Markdown tables
    #[arg(long)]
    pub md: bool,
    /// Leave out the column of files
    #[arg(long)]
    pub no_path: bool,
    /// Significant digits of metrics
    #[arg(long, default_value_t = PRECISION, value_name = "N")]
    pub precision: usize,
}

pub fn show(context: &Context, repo: &Repo, arguments: &Show) -> Result<(), Failure> {
    let mut from = arguments.which.baselines();
    from.scope.branches = arguments.heads.all_branches;
    from.scope.tags = arguments.heads.all_tags;
    let shown = lemnis_data::show_experiments(
        repo,
        &ShowExperiments {
            from,
            param_deps: arguments.param_deps,
            sha_only: arguments.sha,
            hide_workspace: arguments.hide_workspace,
            hide_failed: arguments.hide_failed,
            hide_queued: arguments.hide_queued,
        },
    )
    .map_err(told)?;
    if context.json {
        output::line(shown.json());
        return Ok(());
    }
    let style = match arguments.csv {
        true => Style::Csv { precision: arguments.precision },
        false => Style::Tree { today: today(context) },
    };
    let table = shown.table(&TableOptions {
        style,
        sort_by: arguments.sort_by.clone(),
        descending: arguments.sort_order == Order::Desc,
        only_changed: arguments.only_changed,
        drop: arguments.drop.clone(),
        keep: arguments.keep.clone(),
    })?;
    match arguments.csv {
        true => output::raw(std::io::stdout(), csv(&table).as_bytes()),
        false => print(&table, arguments.md),
    }
    Ok(())
}

/// The day as people here have it.
fn today(context: &Context) -> String {
    let now = jiff::Timestamp::from_millisecond(context.clock.now_ms()).unwrap_or_default();
    now.to_zoned(TimeZone::system()).date().to_string()
}

/// RFC 4180, as Python's `csv` writes it.
fn csv(table: &ValueTable) -> String {
    let quoted = |cell: &String| match cell.contains(['"', ',', '\r', '\n']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.clone(),
    };
    let line = |cells: &Vec<String>| match &cells[..] {
        [one] if one.is_empty() => "\"\"\r\n".to_owned(),
        cells => format!("{}\r\n", cells.iter().map(quoted).collect::<Vec<_>>().join(",")),
    };
    std::iter::once(&table.headings).chain(&table.rows).map(line).collect()
}

pub fn diff(context: &Context, repo: &Repo, arguments: &Diff) -> Result<(), Failure> {
    let diff = lemnis_data::diff_experiments(
        repo,
        &DiffExperiments {
            old: arguments.a_rev.clone(),
            new: arguments.b_rev.clone(),
            all: arguments.all,
            param_deps: arguments.param_deps,
        },
    )
    .map_err(told)?;
    if context.json {
        output::line(diff.json());
        return Ok(());
    }
    let precision = if arguments.precision == 0 { PRECISION } else { arguments.precision };
    let [metrics, params] = diff.tables(precision, arguments.no_path);
    print(&metrics, arguments.md);
    if arguments.md || !(metrics.rows.is_empty() || params.rows.is_empty()) {
        output::line("");
    }
    print(&params, arguments.md);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_is_written_as_python_writes_it() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let table =
            ValueTable { headings: row(&["a", "b"]), rows: vec![row(&["", "[1, 2]"]), row(&["\"", "c d"])] };
        assert_eq!(csv(&table), "a,b\r\n,\"[1, 2]\"\r\n\"\"\"\",c d\r\n");
    }
}
