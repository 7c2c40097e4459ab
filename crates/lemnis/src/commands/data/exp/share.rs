//! `exp push` and `exp pull`: experiments and their data on remotes.

use clap::Args;
use lemnis_data::{Selection, ShareExperiments, Shared, Transfer};

use super::{Repo, Which};
use crate::commands::data::transfer::{Bar, warn_missing};
use crate::context::Context;
use crate::output::{self, Failure, WARN};
use crate::wiring::Clouds;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis exp push origin            the experiments of the present commit, with their data
  lemnis exp push origin slow fast
  lemnis exp pull origin -A --no-cache")]
pub struct Share {
    /// The Git remote's name or URL
    pub git_remote: String,
    /// The experiments (default: those of the present commit)
    pub experiments: Vec<String>,
    #[command(flatten)]
    pub which: Which,
    /// Replace experiments of the same name on the other side
    #[arg(short, long)]
    pub force: bool,
    /// Leave the data where it is
    #[arg(long)]
    pub no_cache: bool,
    /// The remote of the data instead of the default one
    #[arg(short, long, value_name = "NAME")]
    pub remote: Option<String>,
    /// How many files move at once
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,
    /// The run-cache as well
    #[arg(long, overrides_with = "no_run_cache")]
    pub run_cache: bool,
    /// Without the run-cache, as is the default
    #[arg(long, hide = true, overrides_with = "run_cache")]
    pub no_run_cache: bool,
}

/// Which way they go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Push,
    Pull,
}

pub fn run(context: &Context, repo: &Repo, arguments: &Share, way: Way) -> Result<u8, Failure> {
    let which = ShareExperiments {
        names: arguments.experiments.clone(),
        from: arguments.which.baselines(),
        force: arguments.force,
    };
    let shared = match way {
        Way::Push => lemnis_data::push_experiments(repo, &arguments.git_remote, &which)?,
        Way::Pull => lemnis_data::pull_experiments(repo, &arguments.git_remote, &which)?,
    };
    if context.json {
        output::json_line(&shared)?;
    } else if !context.quiet {
        tell(&shared, &arguments.git_remote, way);
    }
    if !arguments.no_cache {
        data(context, repo, arguments, &shared, way)?;
    }
    Ok(0)
}

fn tell(shared: &Shared, remote: &str, way: Way) {
    let names = |all: &[lemnis_data::Experiment]| {
        all.iter().map(|one| format!("'{}'", one.name)).collect::<Vec<_>>().join(", ")
    };
    let (done, side) = match way {
        Way::Push => ("Pushed", "to Git remote"),
        Way::Pull => ("Pulled", "from Git remote"),
    };
    if !shared.diverged.is_empty() {
        let what = names(&shared.diverged);
        anstream::eprintln!(
            "{WARN}warning:{WARN:#} experiments that differ on the other side stay as they are: {what}\nUse '--force' to replace them"
        );
    }
    if !shared.up_to_date.is_empty() {
        output::line(format!(
            "Experiments are up to date on Git remote '{remote}': {}",
            names(&shared.up_to_date)
        ));
    }
    if !shared.success.is_empty() {
        output::line(format!("{done} experiments {} {side} '{remote}'", names(&shared.success)));
    }
    if shared == &Shared::default() {
        output::line(format!("No experiments to {}.", if way == Way::Push { "push" } else { "pull" }));
    }
}

fn data(context: &Context, repo: &Repo, arguments: &Share, shared: &Shared, way: Way) -> Result<(), Failure> {
    let commits = shared.commits();
    if commits.is_empty() {
        return Ok(());
    }
    if arguments.remote.is_none() && repo.default_remote().is_none() {
        output::note("No remote for data is configured: the data stays in this cache.");
        return Ok(());
    }
    let transfer = Transfer {
        selection: Selection { commits, ..Selection::default() },
        remote: arguments.remote.clone(),
        jobs: arguments.jobs,
        run_cache: arguments.run_cache,
        ..Transfer::default()
    };
    let bar = Bar::new(context);
    let (count, missing) = match way {
        Way::Push => {
            let done = lemnis_data::push(repo, &transfer, &Clouds::new(), &bar)?;
            (done.pushed, done.missing)
        }
        Way::Pull => {
            let done = lemnis_data::fetch(repo, &transfer, &Clouds::new(), &bar)?;
            (done.fetched, done.missing)
        }
    };
    drop(bar);
    warn_missing(context, &missing);
    if !context.json && !context.quiet {
        let what = if way == Way::Push { "pushed" } else { "fetched" };
        output::line(format!("{count} file{} {what}", if count == 1 { "" } else { "s" }));
    }
    Ok(())
}
