//! DVC's verbs, with DVC's names, arguments and meaning: one file each, listed once here.

mod add;
mod dag;
mod init;
mod repro;
mod stage;
mod status;
pub mod watcher;

use clap::Subcommand;

use crate::context::Context;
use crate::output::Failure;

#[derive(Subcommand, Debug)]
pub enum Data {
    /// Make this directory a data repository
    Init(init::Init),
    /// Version files or folders: a .dvc file for Git, the bytes in the cache
    Add(add::Add),
    /// Run the pipeline's stages whose inputs changed
    Repro(repro::Repro),
    /// Look at the pipeline's stages, and add some
    #[command(subcommand)]
    Stage(stage::Stage),
    /// Draw the pipelines
    Dag(dag::DagArgs),
    /// Say which data and stages are not up to date
    Status(status::Status),
}

impl Data {
    /// Runs the verb and returns the exit code.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        match self {
            Data::Init(arguments) => init::run(context, arguments),
            Data::Add(arguments) => add::run(context, arguments),
            Data::Repro(arguments) => repro::run(context, arguments),
            Data::Stage(verb) => stage::run(context, verb),
            Data::Dag(arguments) => dag::run(context, arguments),
            Data::Status(arguments) => status::run(context, arguments),
        }
    }
}
