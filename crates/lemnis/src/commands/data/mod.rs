//! DVC's verbs, with DVC's names, arguments and meaning: one file each, listed once here.

mod add;
mod data_status;
mod diff;
mod du;
mod exp;
mod init;
mod ls;
mod plots;
mod repro;
mod status;
mod values;
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
    /// Say which data and stages are not up to date
    Status(status::Status),
    /// Look at tracked data as a whole
    #[command(subcommand, name = "data")]
    DataCommand(data_status::DataCommand),
    /// Say which tracked data changed between two commits, or since one
    Diff(diff::Diff),
    /// List the files of a repository: those in Git and tracked data
    #[command(visible_alias = "ls")]
    List(ls::List),
    /// Say how much room the files of a repository take
    Du(du::Du),
    /// Show metrics and how they changed
    #[command(subcommand)]
    Metrics(values::MetricsCommand),
    /// Show how parameters changed
    #[command(subcommand)]
    Params(values::ParamsCommand),
    /// Draw what stages recorded over time
    #[command(subcommand)]
    Plots(plots::PlotsCommand),
    /// Run experiments, compare them, bring them back
    #[command(subcommand)]
    Exp(exp::ExpCommand),
}

impl Data {
    /// Runs the verb and returns the exit code.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        match self {
            Data::Init(arguments) => init::run(context, arguments),
            Data::Add(arguments) => add::run(context, arguments),
            Data::Repro(arguments) => repro::run(context, arguments),
            Data::Status(arguments) => status::run(context, arguments),
            Data::DataCommand(command) => data_status::run(context, command),
            Data::Diff(arguments) => diff::run(context, arguments),
            Data::List(arguments) => ls::run(context, arguments),
            Data::Du(arguments) => du::run(context, arguments),
            Data::Metrics(command) => values::metrics(context, command),
            Data::Params(command) => values::params(context, command),
            Data::Plots(command) => plots::run(context, command),
            Data::Exp(command) => exp::run(context, command),
        }
    }
}
