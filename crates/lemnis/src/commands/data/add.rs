//! `add`: files and folders into the cache, or to a remote, and a `.dvc` file for Git.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use lemnis_data::{AddOptions, Outside};

use super::progress;
use super::transfer::Bar;
use crate::context::Context;
use crate::output::{self, FAINT, Failure, GOOD};
use crate::wiring::Clouds;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis add data/raw/customers.csv && git add data/raw/customers.csv.dvc data/raw/.gitignore
  lemnis add images/new                    only this part of the tracked folder images, also when it is gone
  lemnis add --glob 'data/*.csv'
  lemnis add /mnt/share/big.bin -o data/   copy it here and track it
  lemnis add s3://bucket/big --to-remote   send it to the remote and track it, without a copy here")]
pub struct Add {
    /// Files or folders; a path inside a tracked folder updates that part of its record. With --to-remote one path
    /// or URL
    #[arg(required = true, value_hint = ValueHint::AnyPath)]
    pub targets: Vec<PathBuf>,
    /// Record the hashes and put nothing into the cache
    #[arg(long, conflicts_with = "out")]
    pub no_commit: bool,
    /// Leave the files as they are instead of linking them to the cache
    #[arg(long)]
    pub no_relink: bool,
    /// Targets are shell patterns
    #[arg(long, conflicts_with = "out")]
    pub glob: bool,
    /// Copy the only target, which may lie anywhere, to this place and track it there
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub out: Option<PathBuf>,
    /// Send the only target, a path anywhere or a URL, to the remote without storing it here
    #[arg(long, conflicts_with_all = ["no_commit", "glob"])]
    pub to_remote: bool,
    /// The remote for --to-remote (default: the default one); --out alone takes it, too, and does without
    #[arg(short, long, value_name = "NAME")]
    pub remote: Option<String>,
    /// How many files move at once with --to-remote
    #[arg(short = 'j', long, alias = "jobs", value_name = "N", requires = "to_remote")]
    pub remote_jobs: Option<usize>,
    /// Replace a .dvc file of something else, or what stands at --out
    #[arg(short, long)]
    pub force: bool,
}

pub fn run(context: &Context, arguments: &Add) -> Result<u8, Failure> {
    if arguments.out.is_some() && arguments.targets.len() != 1 {
        return Err(Failure::usage("--out takes exactly one target"));
    }
    if arguments.to_remote && arguments.targets.len() != 1 {
        return Err(Failure::usage("--to-remote takes exactly one target"));
    }
    if arguments.remote.is_some() && !arguments.to_remote && arguments.out.is_none() {
        return Err(Failure::usage("--remote needs --to-remote"));
    }
    let repo = progress::open(context)?;
    let targets: Vec<_> = arguments.targets.iter().map(|target| context.path(target)).collect();
    let options = AddOptions {
        no_relink: arguments.no_relink,
        no_commit: arguments.no_commit,
        glob: arguments.glob,
        force: arguments.force,
        out: arguments.out.as_ref().map(|out| context.path(out)),
    };
    let added = match arguments.targets.as_slice() {
        [source] if arguments.to_remote => {
            let (bar, clouds) = (Bar::new(context), Clouds::new());
            let (jobs, environment) = (arguments.remote_jobs, &context.environment);
            let outside = Outside { stores: &clouds, progress: &bar, jobs, environment };
            let (source, remote) = (source.to_string_lossy(), arguments.remote.as_deref());
            vec![lemnis_data::add_to_remote(&repo, &source, remote, &options, &outside)?]
        }
        _ => lemnis_data::add(&repo, &targets, &options)?,
    };
    if context.json {
        output::json_line(&added)?;
        return Ok(0);
    }
    if context.quiet {
        return Ok(0);
    }
    for one in &added {
        let count = one.nfiles.map(|count| format!(", {count} files")).unwrap_or_default();
        output::line(format!(
            "{GOOD}✓{GOOD:#} {}  {}{count}  {FAINT}{}{FAINT:#}",
            one.path,
            output::size(one.size_bytes),
            one.dvc_file
        ));
    }
    output::line(format!("{FAINT}commit the .dvc files and .gitignore to Git{FAINT:#}"));
    Ok(0)
}
