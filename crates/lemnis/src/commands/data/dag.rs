//! `dag`: draws the pipelines.

use clap::Args;
use lemnis_data::{DagOptions, Repo};

use crate::context::Context;
use crate::output::{self, FAINT, Failure};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis dag                     all pipelines, in characters
  lemnis dag train               what that stage needs
  lemnis dag --md > graph.md     for a Git host's pages
  lemnis dag --dot | dot -Tsvg > graph.svg")]
pub struct DagArgs {
    /// A stage, an output or a file (default: everything)
    pub target: Option<String>,
    /// Graphviz's language
    #[arg(long)]
    pub dot: bool,
    /// Mermaid's language
    #[arg(long)]
    pub mermaid: bool,
    /// Mermaid's language in a Markdown block
    #[arg(long)]
    pub md: bool,
    /// The target's whole pipeline, not only what it needs
    #[arg(long)]
    pub full: bool,
    /// Outputs instead of stages
    #[arg(short, long, conflicts_with = "collapse_foreach_matrix")]
    pub outs: bool,
    /// One node for all stages of a foreach or matrix group
    #[arg(long)]
    pub collapse_foreach_matrix: bool,
}

pub fn run(context: &Context, arguments: &DagArgs) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let options = DagOptions {
        outs: arguments.outs,
        full: arguments.full,
        collapse_groups: arguments.collapse_foreach_matrix,
    };
    let dag = lemnis_data::dag(&repo, arguments.target.as_deref(), options)?;
    if context.json {
        output::json_line(&dag)?;
    } else if arguments.dot {
        output::line(dag.dot());
    } else if arguments.md {
        output::line(format!("```mermaid\n{}\n```", dag.mermaid()));
    } else if arguments.mermaid {
        output::line(dag.mermaid());
    } else if dag.nodes.is_empty() {
        output::note(format!("{FAINT}there are no stages yet, see `lemnis stage add --help`{FAINT:#}"));
    } else {
        output::line(dag.ascii());
    }
    Ok(0)
}
