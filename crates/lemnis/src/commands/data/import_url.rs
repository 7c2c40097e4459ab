//! `import-url`: data behind a path or URL, with a record of where it comes from.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use lemnis_data::{Outside, Repo};

use super::import::{extent, report};
use super::transfer::Bar;
use crate::context::Context;
use crate::output::Failure;
use crate::wiring::Clouds;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lemnis import-url https://example.org/data.csv\n  lemnis import-url s3://bucket/images data/images\n  lemnis import-url remote://storage/data.csv    with the options of the remote 'storage'"
)]
pub struct ImportUrl {
    /// A path, or a URL (http, https, s3, gs, azure, remote)
    #[arg(value_hint = ValueHint::AnyPath)]
    pub url: String,
    /// Where to put it (default: its own name, here)
    #[arg(value_hint = ValueHint::AnyPath)]
    pub out: Option<PathBuf>,
    /// Overwrite what is there
    #[arg(short, long)]
    pub force: bool,
    /// How many files move at once
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Only write the .dvc file: look at nothing
    #[arg(long, conflicts_with = "no_download")]
    pub no_exec: bool,
    /// Record the version, bring no data
    #[arg(long)]
    pub no_download: bool,
}

pub fn run(context: &Context, arguments: &ImportUrl) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let bar = Bar::new(context);
    let clouds = Clouds::new();
    let request = lemnis_data::ImportUrl {
        url: arguments.url.clone(),
        out: arguments.out.clone(),
        extent: extent(arguments.no_exec, arguments.no_download),
        force: arguments.force,
    };
    let outside =
        Outside { stores: &clouds, progress: &bar, jobs: arguments.jobs, environment: &context.environment };
    let imported = lemnis_data::import_url(&repo, &request, &outside)?;
    drop(bar);
    report(context, &imported)
}
