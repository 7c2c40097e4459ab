//! `import`: data of another repository, with a record of where it comes from.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use lemnis_data::{Extent, Outside, Repo};

use super::import_url::option;
use super::transfer::Bar;
use crate::context::Context;
use crate::output::{self, FAINT, Failure, GOOD};
use crate::wiring::Clouds;

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lemnis import https://github.com/org/datasets images/cats\n  lemnis import ../datasets data.csv --rev v1.2 -o raw.csv"
)]
pub struct Import {
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
    #[command(flatten)]
    pub how: How,
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

/// How to import: what `import` and `import-url` share.
#[derive(Args, Debug)]
pub struct How {
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

impl How {
    /// How much to do.
    pub fn extent(&self) -> Extent {
        match (self.no_exec, self.no_download) {
            (true, _) => Extent::NoExec,
            (_, true) => Extent::NoDownload,
            _ => Extent::Whole,
        }
    }
}

pub fn run(context: &Context, arguments: &Import) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let bar = Bar::new(context);
    let clouds = Clouds::new();
    let request = lemnis_data::Import {
        url: arguments.url.clone(),
        path: arguments.path.clone(),
        out: arguments.out.clone(),
        rev: arguments.rev.clone(),
        extent: arguments.how.extent(),
        force: arguments.how.force,
        remote: arguments.remote.clone(),
        config: arguments.config.clone(),
        remote_options: arguments.remote_config.clone(),
    };
    let outside = Outside {
        stores: &clouds,
        progress: &bar,
        jobs: arguments.how.jobs,
        environment: &context.environment,
    };
    let imported = lemnis_data::import(&repo, &request, &outside)?;
    drop(bar);
    report(context, &imported)
}

/// Says what was imported.
pub fn report(context: &Context, imported: &lemnis_data::Imported) -> Result<u8, Failure> {
    if context.json {
        output::json_line(imported)?;
    } else if !context.quiet {
        output::line(format!(
            "{GOOD}✓{GOOD:#} {}  {FAINT}{}{FAINT:#}\n{FAINT}commit the .dvc file and .gitignore to Git{FAINT:#}",
            imported.path, imported.dvc_file
        ));
    }
    Ok(0)
}
