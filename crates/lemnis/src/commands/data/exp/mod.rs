//! `exp`: experiments, kept as commits off every branch.

mod run;
mod share;

use clap::{Args, Subcommand};
use lemnis_data::{
    Baseline, CheckoutOptions, CommitOptions, Experiment, Repo, RevisionScope, SaveExperiment,
    ShareExperiments, TaskState,
};

use self::share::{Share, Way};
use super::values::print;
use crate::context::Context;
use crate::output::{self, Failure};

const PRECISION: usize = 5;

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
        new: String,
        /// Replace an experiment of that name
        #[arg(short, long)]
        force: bool,
    },
}

impl ExpCommand {
    /// Whether `--quiet` keeps back all that is printed.
    pub fn is_silenced(&self) -> bool {
        !matches!(self, Self::Run(_))
    }
}

#[derive(Args, Debug)]
pub struct Save {
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
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
}

#[derive(Args, Debug)]
pub struct Scope {
    /// Of every branch
    #[arg(short = 'a', long)]
    pub all_branches: bool,
    /// Of every tag
    #[arg(short = 'T', long)]
    pub all_tags: bool,
    /// Of every commit
    #[arg(short = 'A', long)]
    pub all_commits: bool,
    /// Of this commit
    #[arg(long, value_name = "COMMIT")]
    pub rev: Vec<String>,
}

impl Scope {
    fn revisions(&self) -> RevisionScope {
        RevisionScope { branches: self.all_branches, tags: self.all_tags, commits: self.all_commits }
    }
}

#[derive(Args, Debug)]
pub struct Show {
    #[command(flatten)]
    pub scope: Scope,
    /// A Markdown table
    #[arg(long)]
    pub md: bool,
    /// Significant digits
    #[arg(long, default_value_t = PRECISION, value_name = "N")]
    pub precision: usize,
    /// No pager is used in any case
    #[arg(long, hide = true)]
    pub no_pager: bool,
}

#[derive(Args, Debug)]
pub struct List {
    /// A Git remote's name or URL instead of this repository
    pub git_remote: Option<String>,
    #[command(flatten)]
    pub scope: Scope,
    /// Names alone
    #[arg(long, conflicts_with = "sha_only")]
    pub name_only: bool,
    /// Commits alone
    #[arg(long)]
    pub sha_only: bool,
}

#[derive(Args, Debug)]
pub struct Remove {
    /// Their names or commits; what is queued counts as well
    #[arg(required_unless_present_any = ["all_commits", "queue", "rev"])]
    pub names: Vec<String>,
    /// Those of every commit
    #[arg(short = 'A', long)]
    pub all_commits: bool,
    /// Those of this commit
    #[arg(long, value_name = "COMMIT")]
    pub rev: Vec<String>,
    /// Everything that waits in the queue
    #[arg(long, conflicts_with = "git_remote")]
    pub queue: bool,
    /// Remove from this Git remote instead
    #[arg(short, long, value_name = "REMOTE")]
    pub git_remote: Option<String>,
    /// Keep those that are named, and remove the others
    #[arg(long, conflicts_with = "queue")]
    pub keep: bool,
}

#[derive(Args, Debug)]
pub struct Diff {
    /// The older experiment or commit
    #[arg(default_value = "HEAD")]
    pub a_rev: String,
    /// The newer one
    #[arg(default_value = "workspace")]
    pub b_rev: String,
    /// Values that did not change as well
    #[arg(long)]
    pub all: bool,
    /// Markdown tables
    #[arg(long)]
    pub md: bool,
}

pub fn run(context: &Context, command: &ExpCommand) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    match command {
        ExpCommand::Run(arguments) => return run::run(context, &repo, arguments),
        ExpCommand::Push(arguments) => return share::run(context, &repo, arguments, Way::Push),
        ExpCommand::Pull(arguments) => return share::run(context, &repo, arguments, Way::Pull),
        ExpCommand::Clean => lemnis_data::clean_experiments(&repo)?,
        ExpCommand::Save(arguments) => {
            let name = name(context, &repo, arguments.name.as_deref(), arguments.force)?;
            let options = SaveExperiment {
                name: None,
                force: arguments.force,
                include: arguments.include.clone(),
                message: arguments.message.clone(),
            };
            let as_it_is = CommitOptions { force: true, no_relink: true, ..CommitOptions::default() };
            lemnis_data::commit(&repo, &[], as_it_is, &mut |_| true)?;
            let saved = lemnis_data::save_experiment(&repo, &name, &options)?;
            say(context, &saved, format!("Experiment has been saved as: {}", saved.name))?;
        }
        ExpCommand::Show(arguments) => {
            let shown =
                lemnis_data::show_experiments(&repo, arguments.scope.revisions(), &arguments.scope.rev)?;
            if context.json {
                output::line(shown.json());
            } else {
                print(&shown.table(arguments.precision), arguments.md);
            }
        }
        ExpCommand::List(arguments) => list(context, &repo, arguments)?,
        ExpCommand::Apply { name } => {
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
        ExpCommand::Diff(arguments) => {
            let (json, metrics, params) =
                lemnis_data::diff_experiments(&repo, &arguments.a_rev, &arguments.b_rev, arguments.all)?;
            if context.json {
                output::line(json);
            } else {
                print(&metrics, arguments.md);
                if !metrics.rows.is_empty() && !params.rows.is_empty() {
                    output::line("");
                }
                print(&params, arguments.md);
            }
        }
        ExpCommand::Remove(arguments) => {
            let names = remove(&repo, arguments)?;
            let text = match names.is_empty() {
                true => "No experiments to remove.".to_owned(),
                false => format!("Removed experiments: {}", names.join(", ")),
            };
            say(context, &names, text)?;
        }
        ExpCommand::Rename { name, new, force } => {
            let renamed = lemnis_data::rename_experiment(&repo, name, new, *force)?;
            say(context, &renamed, format!("Experiment '{name}' is now called '{new}'."))?;
        }
    }
    Ok(0)
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

fn remove(repo: &Repo, arguments: &Remove) -> Result<Vec<String>, Failure> {
    let Remove { names, all_commits, rev, queue, git_remote, keep } = arguments;
    let scope = RevisionScope { commits: *all_commits, ..RevisionScope::default() };
    if let Some(remote) = git_remote {
        let mut which = ShareExperiments {
            names: names.clone(),
            all_commits: *all_commits,
            revs: rev.clone(),
            force: false,
        };
        if *keep {
            let all = lemnis_data::list_remote_experiments(repo, remote, scope, rev)?;
            let all = all.into_iter().flat_map(|baseline| baseline.experiments);
            which.names = all.map(|one| one.name).filter(|name| !names.contains(name)).collect();
        }
        let gone = lemnis_data::remove_remote_experiments(repo, remote, &which)?;
        return Ok(gone.into_iter().map(|one| one.name).collect());
    }
    let mut removed = Vec::new();
    if *queue {
        removed.extend(lemnis_data::remove_tasks(repo, &[], &[TaskState::Queued])?);
    }
    let mut commits: Vec<String> = Vec::new();
    if *all_commits || !rev.is_empty() || *keep {
        let all = match all_commits {
            true => lemnis_data::experiments(repo)?,
            false => {
                let listed = lemnis_data::list_experiments(repo, scope, rev)?;
                listed.into_iter().flat_map(|baseline| baseline.experiments).collect()
            }
        };
        let chosen = |one: &Experiment| !*keep || !names.contains(&one.name);
        commits.extend(all.into_iter().filter(chosen).map(|one| one.commit));
    }
    let known = lemnis_data::experiments(repo)?;
    for name in names.iter().filter(|_| !*keep) {
        let is_known = |one: &Experiment| one.name == *name || one.commit.starts_with(name.as_str());
        if known.iter().any(is_known) {
            commits.push(name.clone());
        } else {
            removed.extend(lemnis_data::remove_tasks(repo, std::slice::from_ref(name), &[])?);
        }
    }
    let gone = lemnis_data::remove_experiments(repo, &commits, false)?;
    removed.extend(gone.into_iter().map(|one| one.name));
    Ok(removed)
}

fn list(context: &Context, repo: &Repo, arguments: &List) -> Result<(), Failure> {
    let (scope, revs) = (arguments.scope.revisions(), &arguments.scope.rev);
    let listed = match &arguments.git_remote {
        Some(remote) => lemnis_data::list_remote_experiments(repo, remote, scope, revs)?,
        None => lemnis_data::list_experiments(repo, scope, revs)?,
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
                _ => format!("\t{} [{}]", &one.commit[..7], one.name),
            });
        }
    }
    Ok(())
}
