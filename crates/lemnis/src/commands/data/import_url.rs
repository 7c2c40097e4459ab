//! `import-url`: data behind a path or URL, with a record of where it comes from.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use lemnis_data::{Outside, Repo};

use super::import::{How, report};
use super::transfer::Bar;
use crate::context::Context;
use crate::output::Failure;
use crate::wiring::Clouds;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lemnis import-url https://example.org/data.csv\n  lemnis import-url s3://bucket/images data/images\n  lemnis import-url remote://storage/data.csv    with the options of the remote 'storage'\n  lemnis import-url --version-aware s3://bucket/images      update and pull know its versions\n  lemnis import-url --to-remote s3://bucket/big             from there to our remote, without a copy here"
)]
pub struct ImportUrl {
    /// A path, or a URL (http, https, s3, gs, azure, remote)
    #[arg(value_hint = ValueHint::AnyPath)]
    pub url: String,
    /// Where to put it (default: its own name, here)
    #[arg(value_hint = ValueHint::AnyPath)]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub how: How,
    /// Record the versions that the store keeps, so that exactly these can be had again (s3)
    #[arg(long)]
    pub version_aware: bool,
    /// Options of the store, which the .dvc file keeps; secrets belong into a remote
    #[arg(long, value_name = "NAME=VALUE", num_args = 0.., value_parser = option)]
    pub fs_config: Vec<(String, String)>,
    /// Send the data straight to the remote, without a copy here
    #[arg(long, conflicts_with_all = ["no_exec", "no_download", "version_aware"])]
    pub to_remote: bool,
    /// The remote for --to-remote (default: the default one)
    #[arg(short, long, value_name = "NAME", requires = "to_remote")]
    pub remote: Option<String>,
}

/// One option of a store.
pub fn option(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("give NAME=VALUE, and what has no name before it".to_owned()),
    }
}

pub fn run(context: &Context, arguments: &ImportUrl) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let bar = Bar::new(context);
    let clouds = Clouds::new();
    let request = lemnis_data::ImportUrl {
        url: arguments.url.clone(),
        out: arguments.out.clone(),
        extent: arguments.how.extent(),
        force: arguments.how.force,
        version_aware: arguments.version_aware,
        options: arguments.fs_config.clone(),
        to_remote: arguments.to_remote,
        remote: arguments.remote.clone(),
    };
    let outside = Outside {
        stores: &clouds,
        progress: &bar,
        jobs: arguments.how.jobs,
        environment: &context.environment,
    };
    let imported = lemnis_data::import_url(&repo, &request, &outside)?;
    drop(bar);
    report(context, &imported)
}
