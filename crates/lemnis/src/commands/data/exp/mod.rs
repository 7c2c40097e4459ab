//! `exp`: experiments, kept as commits off every branch.

mod remove;
mod run;
mod share;
mod show;

use clap::{Args, Subcommand};
use lemnis_data::{
    Baseline, Baselines, CheckoutOptions, CommitOptions, Experiment, Repo, RevisionScope, SaveExperiment,
};

use self::remove::Remove;
use self::share::{Share, Way};
use self::show::{Diff, Show};
use crate::context::Context;
use crate::output::{self, Failure, exit};
use crate::wiring::Clouds;

#[derive(Subcommand, Debug)]
pub enum ExpCommand {
    /// Run the pipeline and keep the result as an experiment
    Run(run::Run),
    /// Keep what the workspace holds as an experiment
    Save(Save),
    /// Show experiments with their metrics and parameters
    Show(Show),
    /// List experiments
    #[command(visible_alias = "ls")]
    List(List),
    /// Bring an experiment into the workspace
    Apply {
        /// Its name or commit
        name: String,
        /// Changes that were not committed are kept in a stash in any case
        #[arg(long, hide = true)]
        no_force: bool,
    },
    /// Make a Git branch of an experiment
    Branch {
        /// Its name or commit
        name: String,
        /// The branch (default: `<name>-branch`)
        branch: Option<String>,
    },
    /// Say how metrics and parameters of two experiments differ
    Diff(Diff),
    /// Remove experiments
    #[command(visible_alias = "rm")]
    Remove(Remove),
    /// Send experiments and their data to a Git remote
    Push(Share),
    /// Bring experiments and their data from a Git remote
    Pull(Share),
    /// Remove what ended and killed experiments left behind
    Clean,
    /// Give an experiment another name
    #[command(visible_alias = "mv")]
    Rename {
        /// Its name or commit
        name: String,
        /// The new name
        new: Option<String>,
        /// Look for it on this Git remote
        #[arg(short, long, value_name = "REMOTE")]
        git_remote: Option<String>,
        /// Replace an experiment of that name
        #[arg(short, long)]
        force: bool,
    },
}

#[derive(Args, Debug)]
pub struct Save {
    /// Stages and .dvc files whose data goes into the cache (default: all)
    pub targets: Vec<String>,
    /// A target that is a directory means what is defined below it
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// The experiment's name
    #[arg(short, long, value_name = "NAME")]
    pub name: Option<String>,
    /// Replace an experiment of that name
    #[arg(short, long)]
    pub force: bool,
    /// Untracked files that belong to the experiment
    #[arg(short = 'I', long = "include-untracked", value_name = "PATH")]
    pub include: Vec<std::path::PathBuf>,
    /// The commit's message
    #[arg(short, long, short_alias = 'M', value_name = "TEXT")]
    pub message: Option<String>,
}

/// Experiments by the commits that they started from.
#[derive(Args, Debug)]
pub struct Which {
    /// Those of every commit
    #[arg(short = 'A', long)]
    pub all_commits: bool,
    /// Those of this commit (default: the present one)
    #[arg(long, value_name = "COMMIT")]
    pub rev: Vec<String>,
    /// Those of so many commits back from there, along first parents; of all with a negative number
    #[arg(short, long, default_value_t = 1, allow_negative_numbers = true, value_name = "N")]
    pub num: i64,
}

impl Which {
    fn baselines(&self) -> Baselines {
        let scope = RevisionScope { commits: self.all_commits, ..RevisionScope::default() };
        Baselines { scope, revs: self.rev.clone(), num: self.num }
    }
}

#[derive(Args, Debug)]
pub struct Heads {
    /// Those of every branch
    #[arg(short = 'a', long)]
    pub all_branches: bool,
    /// Those of every tag
    #[arg(short = 'T', long)]
    pub all_tags: bool,
}

#[derive(Args, Debug)]
pub struct List {
    /// A Git remote's name or URL instead of this repository
    pub git_remote: Option<String>,
    #[command(flatten)]
    pub which: Which,
    #[command(flatten)]
    pub heads: Heads,
    /// Names alone
    #[arg(long, visible_alias = "names-only", conflicts_with = "sha_only")]
    pub name_only: bool,
    /// Commits alone
    #[arg(long, visible_alias = "shas-only")]
    pub sha_only: bool,
}

pub fn run(context: &Context, command: &ExpCommand) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    match command {
        ExpCommand::Run(arguments) => return run::run(context, &repo, arguments),
        ExpCommand::Push(arguments) => return share::run(context, &repo, arguments, Way::Push),
        ExpCommand::Pull(arguments) => return share::run(context, &repo, arguments, Way::Pull),
        ExpCommand::Clean => lemnis_data::clean_experiments(&repo)?,
        ExpCommand::Save(arguments) => {
            let saved = save(context, &repo, arguments).map_err(told)?;
            say(context, &saved, format!("Experiment has been saved as: {}", saved.name))?;
        }
        ExpCommand::Show(arguments) => show::show(context, &repo, arguments)?,
        ExpCommand::List(arguments) => list(context, &repo, arguments)?,
        ExpCommand::Apply { name, no_force: _ } => {
            let applied = lemnis_data::apply_experiment(&repo, name)?;
            let options =
                CheckoutOptions { force: true, allow_unrecorded: true, ..CheckoutOptions::default() };
            lemnis_data::checkout(&repo, &[], options)?;
            let text =
                format!("Changes for experiment '{name}' have been applied to your current workspace.");
            say(context, &applied, text)?;
        }
        ExpCommand::Branch { name, branch } => {
            let branch = branch.clone().unwrap_or_else(|| format!("{name}-branch"));
            let made = lemnis_data::branch_experiment(&repo, name, &branch)?;
            let text = format!(
                "Git branch '{branch}' has been created from experiment '{name}'.\nTo switch to the new branch run:\n\n\tgit checkout {branch}"
            );
            say(context, &made, text)?;
        }
        ExpCommand::Diff(arguments) => show::diff(context, &repo, arguments)?,
        ExpCommand::Remove(arguments) => remove::run(context, &repo, arguments)?,
        ExpCommand::Rename { name, new, force, git_remote } => {
            let Some(new) = new else {
                let failure = Failure::usage("there is no new name").with_dvc_code(exit::OTHER);
                return Err(failure.with_hint("write `lemnis exp rename OLD NEW`"));
            };
            let renamed = lemnis_data::rename_experiment(&repo, name, new, *force, git_remote.as_deref())?;
            say(context, &renamed, format!("Renamed experiments: '{name}'"))?;
        }
    }
    Ok(0)
}

fn save(context: &Context, repo: &Repo, arguments: &Save) -> Result<Experiment, Failure> {
    let name = name(context, repo, arguments.name.as_deref(), arguments.force)?;
    let options = SaveExperiment {
        name: None,
        force: arguments.force,
        include: arguments.include.clone(),
        message: arguments.message.clone(),
    };
    let as_it_is = CommitOptions {
        force: true,
        no_relink: true,
        recursive: arguments.recursive,
        ..CommitOptions::default()
    };
    lemnis_data::commit(repo, &arguments.targets, as_it_is, Some(&Clouds::new()), &mut |_| true)?;
    Ok(lemnis_data::save_experiment(repo, &name, &options)?)
}

/// DVC's `exp save`, `show` and `diff` end with 1 after what is no surprise.
fn told(error: impl Into<Failure>) -> Failure {
    let failure = error.into();
    match failure.dvc_code {
        None => failure.with_dvc_code(1),
        _ => failure,
    }
}

fn say<T: serde::Serialize>(context: &Context, value: &T, text: String) -> Result<(), Failure> {
    if context.json {
        output::json_line(value)?;
    } else if !context.quiet {
        output::line(text);
    }
    Ok(())
}

fn name(context: &Context, repo: &Repo, wanted: Option<&str>, force: bool) -> Result<String, Failure> {
    Ok(lemnis_data::experiment_name(repo, wanted, force, seed(context))?)
}

/// Makes made-up names differ between calls.
fn seed(context: &Context) -> u64 {
    context.clock.now_ms().unsigned_abs()
}

fn list(context: &Context, repo: &Repo, arguments: &List) -> Result<(), Failure> {
    let mut which = arguments.which.baselines();
    which.scope.branches = arguments.heads.all_branches;
    which.scope.tags = arguments.heads.all_tags;
    let listed = match &arguments.git_remote {
        Some(_) if arguments.sha_only => {
            let failure = Failure::usage("--sha-only is for this repository's experiments");
            return Err(failure.with_dvc_code(exit::OTHER).with_hint("leave the Git remote out"));
        }
        Some(remote) => lemnis_data::list_remote_experiments(repo, remote, &which)?,
        None => lemnis_data::list_experiments(repo, &which)?,
    };
    if context.json {
        let all: Vec<_> = listed.into_iter().flat_map(|baseline| baseline.experiments).collect();
        return output::json_line(&all);
    }
    for Baseline { commit, name, experiments } in &listed {
        if !arguments.name_only && !arguments.sha_only {
            output::line(format!("{}:", name.as_deref().unwrap_or(&commit[..7])));
        }
        for one in experiments {
            output::line(match (arguments.name_only, arguments.sha_only) {
                (true, _) => one.name.clone(),
                (_, true) => one.commit.clone(),
                _ if arguments.git_remote.is_some() => format!("\t{}", one.name),
                _ => format!("\t{} [{}]", &one.commit[..7], one.name),
            });
        }
    }
    Ok(())
}
