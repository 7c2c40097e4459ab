//! DVC's verbs, with DVC's names, arguments and meaning: one file each, listed once here.

mod add;
mod cache;
mod check_ignore;
mod config;
mod dag;
mod destroy;
mod git_hook;
mod init;
mod install;
mod remote;
mod repro;
mod root;
mod stage;
mod status;
mod version;
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
    /// Read or change configuration
    Config(config::Config),
    /// Look after the remotes that data is pushed to
    Remote(remote::Remote),
    /// Look after the cache
    Cache(cache::Cache),
    /// Print the way to the data repository's root
    Root(root::Root),
    /// Describe this program, the system and the data repository
    #[command(alias = "doctor")]
    Version(version::Version),
    /// Say which paths .dvcignore leaves out
    CheckIgnore(check_ignore::CheckIgnore),
    /// Let Git call this program from its hooks
    Install(install::Install),
    /// What the hooks call
    #[command(hide = true)]
    GitHook(git_hook::GitHook),
    /// Stop versioning data here; the data stays
    Destroy(destroy::Destroy),
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
            Data::Config(arguments) => config::run(context, arguments),
            Data::Remote(arguments) => remote::run(context, arguments),
            Data::Cache(arguments) => cache::run(context, arguments),
            Data::Root(arguments) => root::run(context, arguments),
            Data::Version(arguments) => version::run(context, arguments),
            Data::CheckIgnore(arguments) => check_ignore::run(context, arguments),
            Data::Install(arguments) => install::run(context, arguments),
            Data::GitHook(arguments) => git_hook::run(context, arguments),
            Data::Destroy(arguments) => destroy::run(context, arguments),
        }
    }
}
