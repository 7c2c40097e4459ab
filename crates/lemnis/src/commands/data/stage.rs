//! `stage`: lists stages, and adds them to `dvc.yaml`.

use clap::{Args, Subcommand, ValueHint};
use lemnis_data::{ListStages, NewOut, NewOutKind, NewStage, Repo, Reproduce, Scope};

use super::watcher::Watcher;
use crate::context::Context;
use crate::output::{self, Failure, GOOD};

#[derive(Subcommand, Debug)]
pub enum Stage {
    /// Add a stage to dvc.yaml, whose comments and order stay
    Add(Box<Add>),
    /// List stages with what they make
    List(List),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis stage add -n train -d train.py -d data -p lr,epochs -o model.pt -M metrics.json python train.py
  lemnis stage add -n clean -w steps -d ../raw.csv -o clean.csv --run 'python clean.py > clean.csv'

Everything after the options is the command.")]
pub struct Add {
    /// The stage's name
    #[arg(short, long)]
    pub name: String,
    /// Replace a stage of this name
    #[arg(short, long)]
    pub force: bool,
    /// A file or folder that the stage reads
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub deps: Vec<String>,
    /// Parameters that it reads: KEY,KEY of params.yaml, FILE:KEY,KEY, or FILE: for all of a file
    #[arg(short, long, value_name = "[FILE:]KEYS")]
    pub params: Vec<String>,
    /// A file or folder that it makes, kept in the cache
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub outs: Vec<String>,
    /// One that is kept in Git
    #[arg(short = 'O', long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub outs_no_cache: Vec<String>,
    /// One that is not removed before the stage runs
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub outs_persist: Vec<String>,
    /// One that is neither removed nor kept in the cache
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub outs_persist_no_cache: Vec<String>,
    /// A file of metrics that it makes, kept in the cache
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub metrics: Vec<String>,
    /// A file of metrics that is kept in Git
    #[arg(short = 'M', long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub metrics_no_cache: Vec<String>,
    /// A file of plot data that it makes, kept in the cache
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub plots: Vec<String>,
    /// A file of plot data that is kept in Git
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub plots_no_cache: Vec<String>,
    /// Where the command runs and paths start
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub wdir: Option<String>,
    /// Run it at every repro
    #[arg(long)]
    pub always_changed: bool,
    /// What the stage does
    #[arg(long, value_name = "TEXT")]
    pub desc: Option<String>,
    /// Run the stage at once
    #[arg(long)]
    pub run: bool,
    /// The command
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  lemnis stage list\n  lemnis stage list --all\n  lemnis stage list -R sub --name-only"
)]
pub struct List {
    /// Stages, groups, files or folders (default: dvc.yaml)
    pub targets: Vec<String>,
    /// All stages of the repository
    #[arg(long)]
    pub all: bool,
    /// Fail when a file cannot be read (always so here)
    #[arg(long)]
    pub fail: bool,
    /// A folder means the stages inside it
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// Only names
    #[arg(long, alias = "names-only")]
    pub name_only: bool,
}

pub fn run(context: &Context, verb: &Stage) -> Result<u8, Failure> {
    match verb {
        Stage::Add(arguments) => add(context, arguments),
        Stage::List(arguments) => list(context, arguments),
    }
}

fn add(context: &Context, arguments: &Add) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let name = arguments.name.clone();
    let new = NewStage {
        name: name.clone(),
        cmd: command_line(&arguments.command),
        deps: arguments.deps.clone(),
        params: arguments.params.clone(),
        outs: outs(arguments),
        wdir: arguments.wdir.clone(),
        desc: arguments.desc.clone(),
        always_changed: arguments.always_changed,
        force: arguments.force,
    };
    let added = lemnis_data::add_stage(&repo, &new)?;
    if !context.quiet && !context.json {
        output::line(format!("{GOOD}✓{GOOD:#} stage '{name}' is in dvc.yaml"));
    }
    if arguments.run {
        let request =
            Reproduce { targets: vec![name], scope: Scope::Single, anew: true, ..Reproduce::default() };
        let result = Watcher::new(context, repo.root().to_path_buf()).reproduce(&repo, &request);
        if let Err(failure) = result {
            added.take_back_ignores();
            return Err(failure);
        }
    }
    Ok(0)
}

fn outs(arguments: &Add) -> Vec<NewOut> {
    use NewOutKind::{Metric, Out, Plot};
    let lists = [
        (&arguments.outs_persist, Out, true, true),
        (&arguments.outs_persist_no_cache, Out, false, true),
        (&arguments.metrics, Metric, true, false),
        (&arguments.metrics_no_cache, Metric, false, false),
        (&arguments.plots, Plot, true, false),
        (&arguments.plots_no_cache, Plot, false, false),
        (&arguments.outs_no_cache, Out, false, false),
        (&arguments.outs, Out, true, false),
    ];
    let new = |(paths, kind, cache, persist): (&'_ Vec<String>, NewOutKind, bool, bool)| {
        paths.iter().map(move |path| NewOut { path: path.clone(), kind, cache, persist }).collect::<Vec<_>>()
    };
    lists.into_iter().flat_map(new).collect()
}

/// One argument is the command line; several are its words, those with blanks quoted.
fn command_line(words: &[String]) -> String {
    if let [line] = words {
        return line.clone();
    }
    let quoted = |word: &String| match word.as_str() {
        "" => "\"\"".to_owned(),
        word if word.contains(' ') && !word.contains('"') => format!("\"{word}\""),
        word => word.to_owned(),
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

fn list(context: &Context, arguments: &List) -> Result<u8, Failure> {
    let repo = Repo::discover(&context.dir, &context.environment)?;
    let what =
        ListStages { targets: arguments.targets.clone(), all: arguments.all, recursive: arguments.recursive };
    let stages = lemnis_data::list_stages(&repo, &what)?;
    if context.json {
        output::json_line(&stages)?;
        return Ok(0);
    }
    let width = stages.iter().map(|stage| stage.name.chars().count()).max().unwrap_or(0);
    for stage in &stages {
        match arguments.name_only {
            true => output::line(&stage.name),
            false => output::line(format!("{:width$}  {}", stage.name, stage.description)),
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_command_are_quoted_where_they_hold_blanks() {
        let line = |words: &[&str]| command_line(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>());
        assert_eq!(line(&["echo $A && cp a \"o 1\""]), "echo $A && cp a \"o 1\"");
        assert_eq!(line(&["echo", "a b", "", "c"]), "echo \"a b\" \"\" c");
    }
}
