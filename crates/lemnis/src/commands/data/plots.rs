//! `plots`: what stages recorded over time, drawn.

use std::path::PathBuf;

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
    /// Change how a stage's plot is displayed, in dvc.yaml
    Modify(Modify),
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
    /// Compare a single experiment with the commit that it began from
    #[arg(short, long, hide = true)]
    pub experiment: bool,
    #[command(flatten)]
    pub how: How,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lemnis plots modify logs.csv -x step -y loss\n  lemnis plots modify logs.csv --unset x title"
)]
pub struct Modify {
    /// An output of a stage
    pub target: String,
    #[command(flatten)]
    pub look: Look,
    /// Take these properties away
    #[arg(long, num_args = 0.., value_name = "PROPERTY")]
    pub unset: Option<Vec<String>>,
}

#[derive(Args, Debug)]
pub struct How {
    /// The directory of the page (default: what plots.out_dir says, or dvc_plots)
    #[arg(short, long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub look: Look,
    /// Print the Vega-Lite specification of one plot
    #[arg(long)]
    pub show_vega: bool,
    /// With --json: give apart what can be filled into a specification later
    #[arg(long, hide = true)]
    pub split: bool,
    /// Open the page in the browser
    #[arg(long)]
    pub open: bool,
    /// A page with {plot_divs} where the plots belong
    #[arg(long, value_name = "PATH")]
    pub html_template: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Look {
    /// A template: a name, or a JSON file
    #[arg(short, long, num_args = 0..=1)]
    pub template: Option<String>,
    /// The field on the horizontal axis
    #[arg(short)]
    pub x: Option<String>,
    /// The field on the vertical axis
    #[arg(short)]
    pub y: Option<String>,
    /// Tables begin with data, not with a header
    #[arg(long)]
    pub no_header: bool,
    /// The title
    #[arg(long)]
    pub title: Option<String>,
    /// The horizontal axis's name
    #[arg(long)]
    pub x_label: Option<String>,
    /// The vertical axis's name
    #[arg(long)]
    pub y_label: Option<String>,
}

impl Look {
    fn properties(&self) -> Vec<(String, String)> {
        let given = [
            ("template", &self.template),
            ("x", &self.x),
            ("y", &self.y),
            ("x_label", &self.x_label),
            ("y_label", &self.y_label),
            ("title", &self.title),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))).collect()
    }
}

pub fn run(context: &Context, command: &PlotsCommand) -> Result<u8, Failure> {
    let (diff, targets, how) = match command {
        PlotsCommand::Templates { template } => return templates(template.as_deref()),
        PlotsCommand::Modify(arguments) => return modify(context, arguments),
        PlotsCommand::Show(show) => (None, &show.targets, &show.how),
        PlotsCommand::Diff(diff) => (Some(diff), &diff.targets, &diff.how),
    };
    let repo = Repo::discover_any(&context.dir, &context.environment)?;
    if how.show_vega && targets.len() != 1 {
        return Err(Failure::usage("--show-vega wants one target").with_dvc_code(1));
    }
    if how.show_vega && context.json {
        return Err(Failure::usage("--show-vega and --json exclude each other").with_dvc_code(1));
    }
    let revisions = match diff {
        Some(diff) => lemnis_data::plot_revisions(&repo, &diff.revisions, diff.experiment)
            .map_err(|error| Failure::from(error).with_dvc_code(1))?,
        None => vec!["workspace".to_owned()],
    };
    let options = PlotOptions {
        targets: targets.clone(),
        properties: how.look.properties(),
        no_header: how.look.no_header,
    };
    let plots = lemnis_data::plots(&repo, &revisions, &options)?;
    plots.faults().iter().for_each(output::remark);
    let out = how.out.clone().or_else(|| repo.setting("plots.out_dir").map(PathBuf::from));
    let out = context.path(&out.unwrap_or_else(|| "dvc_plots".into()));
    if how.show_vega {
        plots.vega().into_iter().for_each(output::line);
    } else if context.json {
        output::line(plots.json(&out, how.split)?);
    } else if plots.is_empty() {
        output::remark("there are no plots, so no page was written");
    } else {
        let template = match &how.html_template {
            Some(path) => Some(context.path(path)),
            None => repo.setting("plots.html_template").map(|path| repo.root().join(".dvc").join(path)),
        };
        let page = plots.write_html(&out, template.as_deref())?;
        let url = format!("file://{}", page.display());
        output::line(&url);
        let always = repo.setting("plots.auto_open").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if how.open || always {
            return Ok(open(&url));
        }
    }
    Ok(0)
}

/// Shows the page in the browser; 1 where none could be started.
fn open(url: &str) -> u8 {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let program = std::env::var_os("BROWSER").unwrap_or_else(|| opener.into());
    let status = std::process::Command::new(&program).arg(url).status();
    if status.as_ref().is_ok_and(std::process::ExitStatus::success) {
        return 0;
    }
    output::remark(format!("the page could not be opened with {}", program.display()));
    1
}

fn modify(context: &Context, arguments: &Modify) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let look = &arguments.look;
    let (given, unset) = (look.properties(), arguments.unset.as_deref());
    let stage = lemnis_data::modify_plot(&repo, &arguments.target, &given, look.no_header, unset)?;
    if context.json {
        output::json_line(&stage)?;
    } else if !context.quiet {
        output::line(format!("changed {stage}"));
    }
    Ok(0)
}

fn templates(name: Option<&str>) -> Result<u8, Failure> {
    let Some(name) = name else {
        lemnis_data::plot_templates().iter().for_each(output::line);
        return Ok(0);
    };
    let Some(template) = lemnis_data::plot_template(name) else {
        let message = format!("there is no built-in template '{name}'");
        return Err(Failure::new(ErrorKind::NotFound, message)
            .with_hint("`plots templates` lists them")
            .with_dvc_code(1));
    };
    output::line(template);
    Ok(0)
}
