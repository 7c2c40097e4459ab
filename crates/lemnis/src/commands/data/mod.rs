//! DVC's verbs, with DVC's names, arguments and meaning: one file each, listed once here.

mod add;
mod fetch;
mod get;
mod import;
mod import_url;
mod init;
mod pull;
mod push;
mod repro;
mod status;
mod transfer;
mod update;
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
    /// Send data to a remote
    Push(push::Push),
    /// Bring data from a remote into the cache and the workspace
    Pull(pull::Pull),
    /// Bring data from a remote into the cache
    Fetch(fetch::Fetch),
    /// Bring data of another repository and record where it comes from
    Import(import::Import),
    /// Bring data behind a path or URL and record where it comes from
    ImportUrl(import_url::ImportUrl),
    /// Bring imports to the newest version
    Update(update::Update),
    /// Download data of another repository
    Get(get::Get),
    /// Download data behind a path or URL
    GetUrl(get::GetUrl),
}

impl Data {
    /// Runs the verb and returns the exit code.
    pub fn run(&self, context: &Context) -> Result<u8, Failure> {
        match self {
            Data::Init(arguments) => init::run(context, arguments),
            Data::Add(arguments) => add::run(context, arguments),
            Data::Repro(arguments) => repro::run(context, arguments),
            Data::Status(arguments) => status::run(context, arguments),
            Data::Push(arguments) => push::run(context, arguments),
            Data::Pull(arguments) => pull::run(context, arguments),
            Data::Fetch(arguments) => fetch::run(context, arguments),
            Data::Import(arguments) => import::run(context, arguments),
            Data::ImportUrl(arguments) => import_url::run(context, arguments),
            Data::Update(arguments) => update::run(context, arguments),
            Data::Get(arguments) => get::run(context, arguments),
            Data::GetUrl(arguments) => get::run_url(context, arguments),
        }
    }
}
