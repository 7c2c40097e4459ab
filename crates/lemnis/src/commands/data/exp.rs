//! `exp`: experiments, kept as commits off every branch.

use clap::{Args, Subcommand};
use lemnis_data::{Baseline, CheckoutOptions, CommitOptions, Repo, Reproduce, RevisionScope, SaveExperiment};

use super::values::print;
use super::watcher::Watcher;
use crate::context::Context;
use crate::output::{self, Failure};

const PRECISION: usize = 5;

#[derive(Subcommand, Debug)]
pub enum ExpCommand {
    /// Run the pipeline and keep the result as an experiment
    Run(Run),
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
    Remove {
        /// Their names or commits
        #[arg(required_unless_present = "all")]
        names: Vec<String>,
        /// All of every commit
        #[arg(short = 'A', long = "all-commits")]
        all: bool,
    },
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

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis exp run -n slow -S train.lr=0.01
  lemnis exp run -S '+train.layers=[64,32]' train
  lemnis exp show")]
pub struct Run {
    /// Stages (default: all)
    pub targets: Vec<String>,
    /// The experiment's name
    #[arg(short, long, value_name = "NAME")]
    pub name: Option<String>,
    /// Set a parameter first: `[FILE:]KEY=VALUE`, `+KEY=VALUE` adds, `~KEY` removes
    #[arg(short = 'S', long = "set-param", value_name = "PARAM")]
    pub set_param: Vec<String>,
    /// Run the stages even when nothing changed, and replace an experiment of that name
    #[arg(short, long)]
    pub force: bool,
    /// Untracked files that belong to the experiment
    #[arg(short = 'C', long = "copy-paths", value_name = "PATH")]
    pub copy_paths: Vec<std::path::PathBuf>,
    /// The commit's message
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
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
        ExpCommand::Run(arguments) => run_pipeline(context, &repo, arguments)?,
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
            lemnis_data::checkout(&repo, &[], CheckoutOptions { force: true, ..CheckoutOptions::default() })?;
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
        ExpCommand::Remove { names, all } => {
            let removed = lemnis_data::remove_experiments(&repo, names, *all)?;
            let names: Vec<&str> = removed.iter().map(|one| one.name.as_str()).collect();
            say(context, &removed, format!("Removed experiments: {}", names.join(", ")))?;
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
    let seed = context.clock.now_ms().unsigned_abs();
    Ok(lemnis_data::experiment_name(repo, wanted, force, seed)?)
}

fn run_pipeline(context: &Context, repo: &Repo, arguments: &Run) -> Result<(), Failure> {
    let name = name(context, repo, arguments.name.as_deref(), arguments.force)?;
    lemnis_data::override_params(repo, &arguments.set_param)?;
    if !context.quiet && !context.json {
        output::line(format!("Reproducing experiment '{name}'"));
    }
    let request =
        Reproduce { targets: arguments.targets.clone(), force: arguments.force, ..Reproduce::default() };
    Watcher::new(context, repo.root().to_path_buf()).reproduce(repo, &request)?;
    let options = SaveExperiment {
        name: None,
        force: arguments.force,
        include: arguments.copy_paths.clone(),
        message: arguments.message.clone(),
    };
    let saved = lemnis_data::save_experiment(repo, &name, &options)?;
    let text = format!(
        "\nRan experiment(s): {}\nExperiment results have been applied to your workspace.",
        saved.name
    );
    say(context, &saved, text)
}

fn list(context: &Context, repo: &Repo, arguments: &List) -> Result<(), Failure> {
    let listed = lemnis_data::list_experiments(repo, arguments.scope.revisions(), &arguments.scope.rev)?;
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
