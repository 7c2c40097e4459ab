//! `artifacts get`: a model or data set by its name in another repository, at a version or stage.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use lemnis_data::{ArtifactName, Get, Outside};

use super::get::download;
use super::transfer::Bar;
use crate::context::Context;
use crate::output::Failure;
use crate::wiring::Clouds;

#[derive(Subcommand, Debug)]
pub enum ArtifactsCommand {
    /// Download an artifact
    Get(GetArtifact),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis artifacts get https://github.com/org/models churn                the greatest version
  lemnis artifacts get ../models churn --rev v1.2.0 -o model.onnx
  lemnis artifacts get ../models 'churn#prod'                             what is in that stage

Versions and stages are Git tags as GTO makes them: churn@v1.2.0 and churn#prod#1.")]
pub struct GetArtifact {
    /// The repository: a path, or a URL that Git understands
    pub url: String,
    /// The artifact: NAME or DIR:NAME, with @VERSION or #STAGE behind it if wanted
    pub name: String,
    /// The version (default: the greatest)
    #[arg(long, value_name = "VERSION")]
    pub rev: Option<String>,
    /// The version that is in this stage
    #[arg(long, value_name = "STAGE", conflicts_with = "rev")]
    pub stage: Option<String>,
    /// Where to put it (default: its own name, here)
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub out: Option<PathBuf>,
    /// Print where the data is stored, and end
    #[arg(long)]
    pub show_url: bool,
    /// Overwrite what is there
    #[arg(short, long)]
    pub force: bool,
    /// How many files move at once
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,
    /// The remote of that repository to take data from
    #[arg(long, value_name = "NAME")]
    pub remote: Option<String>,
    /// A configuration file to lay over that repository's own
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<String>,
}

pub fn run(context: &Context, command: &ArtifactsCommand) -> Result<u8, Failure> {
    let ArtifactsCommand::Get(arguments) = command;
    let bar = Bar::new(context);
    let clouds = Clouds::new();
    let outside =
        Outside { stores: &clouds, progress: &bar, jobs: arguments.jobs, environment: &context.environment };
    let request = Get {
        url: arguments.url.clone(),
        path: String::new(),
        out: arguments.out.clone(),
        rev: None,
        force: arguments.force,
        remote: arguments.remote.clone(),
        config: arguments.config.clone(),
        remote_options: Vec::new(),
    };
    let name = ArtifactName {
        name: arguments.name.clone(),
        version: arguments.rev.clone(),
        stage: arguments.stage.clone(),
    };
    let request = lemnis_data::find_artifact(&context.dir, &request, &name, &context.environment)?;
    download(context, &request, &outside, arguments.show_url)
}
