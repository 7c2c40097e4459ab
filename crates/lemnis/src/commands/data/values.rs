//! `metrics` and `params`: values that stages make and take, now and at other revisions.

use clap::{Args, Subcommand};
use lemnis_data::{CompareOptions, Repo, RevisionScope, ValueTable};

use crate::context::Context;
use crate::output::{self, Failure};

const PRECISION: usize = 5;

#[derive(Args, Debug)]
pub struct Precision {
    /// Round to this many digits; 0 stands for the default
    #[arg(long, default_value_t = PRECISION, value_name = "N")]
    precision: usize,
}

impl Precision {
    fn digits(&self) -> usize {
        if self.precision == 0 { PRECISION } else { self.precision }
    }
}

#[derive(Subcommand, Debug)]
pub enum MetricsCommand {
    /// Show metrics
    Show(Show),
    /// Say how metrics changed between two commits, or since one
    Diff(MetricsDiff),
}

#[derive(Subcommand, Debug)]
pub enum ParamsCommand {
    /// Say how parameters changed between two commits, or since one
    Diff(ParamsDiff),
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lemnis metrics show\n  lemnis metrics show -a --md       every branch, as a Markdown table"
)]
pub struct Show {
    /// Metrics files (default: all)
    pub targets: Vec<String>,
    /// Every branch
    #[arg(short = 'a', long)]
    pub all_branches: bool,
    /// Every tag
    #[arg(short = 'T', long)]
    pub all_tags: bool,
    /// Every commit
    #[arg(short = 'A', long)]
    pub all_commits: bool,
    /// A Markdown table
    #[arg(long)]
    pub md: bool,
    /// Directories are searched with or without it
    #[arg(short = 'R', long, hide = true)]
    pub recursive: bool,
    #[command(flatten)]
    pub precision: Precision,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lemnis metrics diff\n  lemnis metrics diff main experiment --all --json"
)]
pub struct MetricsDiff {
    #[command(flatten)]
    pub sides: Sides,
    /// Directories are searched with or without it
    #[arg(short = 'R', long, hide = true)]
    pub recursive: bool,
    #[command(flatten)]
    pub precision: Precision,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lemnis params diff\n  lemnis params diff v1.0 --targets params.yaml --json"
)]
pub struct ParamsDiff {
    #[command(flatten)]
    pub sides: Sides,
    /// Only parameters that stages depend on
    #[arg(long)]
    pub deps: bool,
}

#[derive(Args, Debug)]
pub struct Sides {
    /// The older revision
    #[arg(default_value = "HEAD")]
    pub a_rev: String,
    /// The newer revision
    #[arg(default_value = "workspace")]
    pub b_rev: String,
    /// Only these files
    #[arg(long, num_args = 0.., value_name = "PATH")]
    pub targets: Vec<String>,
    /// Values that did not change as well
    #[arg(long)]
    pub all: bool,
    /// Leave out the column of files
    #[arg(long)]
    pub no_path: bool,
    /// A Markdown table
    #[arg(long)]
    pub md: bool,
}

impl Sides {
    fn options(&self, deps_only: bool) -> CompareOptions {
        let (old, new, targets) = (self.a_rev.clone(), self.b_rev.clone(), self.targets.clone());
        CompareOptions { old, new, targets, all: self.all, deps_only }
    }
}

pub fn metrics(context: &Context, command: &MetricsCommand) -> Result<u8, Failure> {
    let repo = Repo::discover_any(&context.dir, &context.environment)?;
    match command {
        MetricsCommand::Show(arguments) => {
            let scope = RevisionScope {
                branches: arguments.all_branches,
                tags: arguments.all_tags,
                commits: arguments.all_commits,
            };
            let shown = lemnis_data::metrics_show(&repo, &arguments.targets, scope)?;
            warn(&shown.failed());
            if context.json {
                output::line(shown.json());
            } else {
                print(&shown.table(arguments.precision.digits(), !scope.is_workspace_only()), arguments.md);
            }
        }
        MetricsCommand::Diff(MetricsDiff { sides, precision, .. }) => {
            let diff = lemnis_data::metrics_diff(&repo, &sides.options(false))?;
            warn(&diff.failed.iter().map(String::as_str).collect::<Vec<_>>());
            if context.json {
                output::line(diff.json());
            } else {
                let names = (sides.a_rev.as_str(), sides.b_rev.as_str());
                print(&diff.table("Metric", names, sides.no_path, Some(precision.digits()), true), sides.md);
            }
        }
    }
    Ok(0)
}

pub fn params(context: &Context, command: &ParamsCommand) -> Result<u8, Failure> {
    let repo = Repo::discover_any(&context.dir, &context.environment)?;
    let ParamsCommand::Diff(ParamsDiff { sides, deps }) = command;
    let diff = lemnis_data::params_diff(&repo, &sides.options(*deps))?;
    warn(&diff.failed.iter().map(String::as_str).collect::<Vec<_>>());
    if context.json {
        output::line(diff.json());
    } else {
        let names = (sides.a_rev.as_str(), sides.b_rev.as_str());
        print(&diff.table("Param", names, sides.no_path, None, false), sides.md);
    }
    Ok(0)
}

fn warn(revisions: &[&str]) {
    if !revisions.is_empty() {
        let names = revisions.iter().map(|name| if name.is_empty() { "workspace" } else { name });
        let names = names.collect::<Vec<_>>().join(", ");
        output::remark(format!("some files could not be read at these revisions: {names}"));
    }
}

pub fn print(table: &ValueTable, markdown: bool) {
    let headings: Vec<&str> = table.headings.iter().map(String::as_str).collect();
    if markdown {
        output::line(output::markdown_table(&headings, &table.rows));
    } else if !table.rows.is_empty() {
        output::line(output::plain_table(&headings, &table.rows, false));
    }
}
