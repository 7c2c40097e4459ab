//! `plots`: what stages recorded over time, drawn.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use lemnis_core::ErrorKind;
use lemnis_data::{PlotOptions, Repo};

use crate::context::Context;
use crate::output::{self, Failure};

#[derive(Subcommand, Debug)]
pub enum PlotsCommand {
    /// Draw the plots of the workspace
    Show(Show),
    /// Draw the plots of several commits over each other
    Diff(Diff),
    /// List the built-in templates, or print one
    Templates {
        /// The template to print
        template: Option<String>,
    },
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lemnis plots show\n  lemnis plots show -x step -y loss logs.csv -o report"
)]
pub struct Show {
    /// Files or ids of plots (default: all)
    pub targets: Vec<String>,
    #[command(flatten)]
    pub how: How,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lemnis plots diff                     the last commit and the workspace\n  lemnis plots diff v1.0 main --targets loss.csv"
)]
pub struct Diff {
    /// Commits
    pub revisions: Vec<String>,
    /// Files or ids of plots (default: all)
    #[arg(long, num_args = 0.., value_name = "PATH")]
    pub targets: Vec<String>,
    #[command(flatten)]
    pub how: How,
}

#[derive(Args, Debug)]
pub struct How {
    /// The directory of the page
    #[arg(short, long, default_value = "dvc_plots", value_name = "DIR")]
    pub out: PathBuf,
    /// A template
    #[arg(short, long)]
    pub template: Option<String>,
    /// The field on the horizontal axis
    #[arg(short)]
    pub x: Option<String>,
    /// The field on the vertical axis
    #[arg(short)]
    pub y: Option<String>,
    /// The horizontal axis's name
    #[arg(long)]
    pub x_label: Option<String>,
    /// The vertical axis's name
    #[arg(long)]
    pub y_label: Option<String>,
    /// The title
    #[arg(long)]
    pub title: Option<String>,
    /// Print the Vega-Lite specification of one plot
    #[arg(long)]
    pub show_vega: bool,
}

pub fn run(context: &Context, command: &PlotsCommand) -> Result<u8, Failure> {
    let (revisions, targets, how) = match command {
        PlotsCommand::Templates { template } => return templates(template.as_deref()),
        PlotsCommand::Show(show) => (None, &show.targets, &show.how),
        PlotsCommand::Diff(diff) => (Some(&diff.revisions), &diff.targets, &diff.how),
    };
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let revisions = match revisions {
        Some(asked) => lemnis_data::plot_revisions(&repo, asked)?,
        None => vec!["workspace".to_owned()],
    };
    if how.show_vega && targets.len() != 1 {
        return Err(Failure::usage("--show-vega wants one target"));
    }
    let properties = [
        ("template", &how.template),
        ("x", &how.x),
        ("y", &how.y),
        ("x_label", &how.x_label),
        ("y_label", &how.y_label),
        ("title", &how.title),
    ];
    let given = |(name, value): (&str, &Option<String>)| Some((name.to_owned(), value.clone()?));
    let options = PlotOptions {
        targets: targets.clone(),
        properties: properties.into_iter().filter_map(given).collect(),
    };
    let plots = lemnis_data::plots(&repo, &revisions, &options)?;
    for error in plots.errors() {
        let text = |key: &str| error.get(key).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        output::remark(format!("{} of {}: {}", text("source"), text("rev"), text("msg")));
    }
    let out = context.path(Path::new(&how.out));
    if how.show_vega {
        if let Some(spec) = plots.vega() {
            output::json_line(&spec)?;
        }
    } else if context.json {
        output::json_line(&plots.json(&out)?)?;
    } else if plots.is_empty() {
        output::remark("there are no plots, so no page was written");
    } else {
        let page = plots.write_html(&out)?;
        output::line(format!("file://{}", page.display()));
    }
    Ok(0)
}

fn templates(name: Option<&str>) -> Result<u8, Failure> {
    match (name, lemnis_data::plot_template(name)) {
        (None, Some(serde_json::Value::Array(names))) => {
            names.iter().filter_map(|name| name.as_str()).for_each(output::line);
        }
        (_, Some(template)) => output::json_line(&template)?,
        (name, None) => {
            let name = name.unwrap_or_default();
            return Err(Failure::new(ErrorKind::NotFound, format!("there is no template '{name}'")));
        }
    }
    Ok(0)
}
