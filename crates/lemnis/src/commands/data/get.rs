//! `get` and `get-url`: data from elsewhere, without a record; they need no repository here.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use lemnis_data::Outside;

use super::import_url::option;
use super::transfer::Bar;
use crate::context::Context;
use crate::output::{self, Failure, GOOD};
use crate::wiring::Clouds;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lemnis get https://github.com/org/models churn/model.onnx\n  lemnis get ../datasets data --rev v1 -o data-v1\n  lemnis get ../datasets data.csv --show-url"
)]
pub struct Get {
    /// The repository: a path, or a URL that Git understands
    pub url: String,
    /// The file or folder in it
    pub path: String,
    /// Where to put it (default: its own name, here)
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub out: Option<PathBuf>,
    /// A commit, branch or tag (default: the newest commit)
    #[arg(long, value_name = "REV")]
    pub rev: Option<String>,
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
    /// Options for the remote, or for the default one
    #[arg(long, value_name = "NAME=VALUE", num_args = 0.., value_parser = option)]
    pub remote_config: Vec<(String, String)>,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lemnis get-url https://example.org/data.csv\n  lemnis get-url s3://bucket/images here"
)]
pub struct GetUrl {
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
    /// Options of the store
    #[arg(long, value_name = "NAME=VALUE", num_args = 0.., value_parser = option)]
    pub fs_config: Vec<(String, String)>,
}

pub fn run(context: &Context, arguments: &Get) -> Result<u8, Failure> {
    let bar = Bar::new(context);
    let clouds = Clouds::new();
    let outside =
        Outside { stores: &clouds, progress: &bar, jobs: arguments.jobs, environment: &context.environment };
    let request = lemnis_data::Get {
        url: arguments.url.clone(),
        path: arguments.path.clone(),
        out: arguments.out.clone(),
        rev: arguments.rev.clone(),
        force: arguments.force,
        remote: arguments.remote.clone(),
        config: arguments.config.clone(),
        remote_options: arguments.remote_config.clone(),
    };
    download(context, &request, &outside, arguments.show_url)
}

/// Brings what `request` names, or only says where it is stored.
pub fn download(
    context: &Context,
    request: &lemnis_data::Get,
    outside: &Outside<'_>,
    show_url: bool,
) -> Result<u8, Failure> {
    if show_url {
        output::line(lemnis_data::show_url(&context.dir, request, outside)?);
        return Ok(0);
    }
    let path = lemnis_data::get(&context.dir, request, outside)?;
    report(context, &path)
}

pub fn run_url(context: &Context, arguments: &GetUrl) -> Result<u8, Failure> {
    let bar = Bar::new(context);
    let clouds = Clouds::new();
    let outside =
        Outside { stores: &clouds, progress: &bar, jobs: arguments.jobs, environment: &context.environment };
    let (url, options, out) = (&arguments.url, &arguments.fs_config, arguments.out.as_deref());
    let path = lemnis_data::get_url(&context.dir, url, options, out, arguments.force, &outside)?;
    drop(bar);
    report(context, &path)
}

fn report(context: &Context, path: &Path) -> Result<u8, Failure> {
    if context.json {
        output::json_line(&serde_json::json!({ "path": path }))?;
    } else if !context.quiet {
        let shown = path.strip_prefix(&context.dir).unwrap_or(path);
        output::line(format!("{GOOD}✓{GOOD:#} {}", shown.display()));
    }
    Ok(0)
}
