//! `reproduce`: makes a version again from what is recorded, and says whether the bytes are the same.
//!
//! The version's commit is checked out beside the project, its data comes from the cache by digest, every stage runs
//! afresh, and each output is compared with the `dvc.lock` of that commit. Nothing of the project itself changes.

use std::path::{Path, PathBuf};

use clap::Args;
use lemnis_app::git;
use lemnis_core::ErrorKind;
use lemnis_data::{CheckoutOptions, LockedStage, Repo, Reproduce as Run};
use serde::Serialize;
use serde_json::{Value, json};

use super::data::watcher::{Show, Watcher};
use super::models::resolve;
use super::runs::{escape, text};
use crate::client::{Client, require_project};
use crate::context::Context;
use crate::output::{self, BAD, FAINT, Failure, GOOD, STRONG, io_failure};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis reproduce churn                the champion
  lemnis reproduce churn@3              version 3
  lemnis reproduce churn@challenger --keep

Exit code 1 says that an output differs from what is recorded.")]
pub struct Reproduce {
    /// MODEL, MODEL@VERSION or MODEL@ALIAS
    pub model: String,
    /// Leave the checked-out copy where it was made
    #[arg(long)]
    pub keep: bool,
}

/// One output, as recorded and as made again.
#[derive(Serialize)]
struct Compared {
    stage: String,
    path: String,
    recorded: Option<String>,
    reproduced: Option<String>,
    same: bool,
}

pub fn reproduce(context: &Context, arguments: &Reproduce) -> Result<u8, Failure> {
    let project = require_project(&context.dir)?;
    let root = project.root().to_path_buf();
    let (name, version, commit) = context.block_on(origin(context, &arguments.model))?;
    if !context.json && !context.quiet {
        output::line(format!("{STRONG}{name} version {version}{STRONG:#} from commit {commit}"));
    }
    let copy = Copy::make(&root, &name, version, &commit, arguments.keep)?;
    let compared = run(context, &root, &copy.path)?;
    let first = compared.iter().find(|one| !one.same);
    let verdict = json!({
        "version": version,
        "commit": commit,
        "identical": first.is_none(),
        "compared": compared.len(),
        "first_difference": first.map(|one| one.path.clone()),
    });
    let path = format!("/api/v1/models/{}:reproduced", escape(&name));
    context.block_on(async { Client::connect(context).await?.post(&path, verdict.clone()).await })?;
    if context.json {
        let mut answer = verdict;
        answer["model"] = name.into();
        answer["outputs"] = serde_json::to_value(&compared).unwrap_or_default();
        answer["kept"] = if arguments.keep { copy.path.display().to_string().into() } else { Value::Null };
        output::json(&answer)?;
    } else if !context.quiet {
        show(&compared);
        if arguments.keep {
            output::line(format!("{FAINT}the copy is kept in {}{FAINT:#}", copy.path.display()));
        }
    }
    Ok(u8::from(compared.iter().any(|one| !one.same)))
}

/// The version's number and the commit it was made from.
async fn origin(context: &Context, asked: &str) -> Result<(String, u64, String), Failure> {
    let client = Client::connect(context).await?;
    let asked = match asked.split_once('@') {
        None if asked.contains('/') => asked.to_owned(),
        None => format!("{asked}@{}", lemnis_app::model::CHAMPION),
        Some((name, number)) if number.parse::<u64>().is_ok() => format!("{name}/{number}"),
        Some(_) => asked.to_owned(),
    };
    let (name, version) = resolve(&client, &asked).await?;
    let path = format!("/api/2.0/mlflow/model-versions/get?name={}&version={version}", escape(&name));
    let found = client.get(&path).await?;
    let commit = found["model_version"]["tags"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|tag| tag["key"] == lemnis_app::model::GIT_COMMIT)
        .map(|tag| text(&tag["value"]));
    let commit = commit.ok_or_else(|| {
        Failure::new(ErrorKind::Conflict, format!("{name} version {version} names no Git commit")).with_hint(
            "versions that `lemnis models promote` or a pipeline submitted carry the tag lemnis.git_commit",
        )
    })?;
    Ok((name, version, commit))
}

/// The project at another commit, in a Git worktree that goes away with the value.
struct Copy {
    root: PathBuf,
    path: PathBuf,
    keep: bool,
}

impl Copy {
    fn make(root: &Path, name: &str, version: u64, commit: &str, keep: bool) -> Result<Self, Failure> {
        // Beside the state, so that data can be linked from the cache instead of copied.
        let path = root.join(".lemnis/reproduce").join(format!("{name}-{version}-{}", std::process::id()));
        let parent = path.parent().unwrap_or(root);
        std::fs::create_dir_all(parent).map_err(io_failure(format!("creating {}", parent.display())))?;
        git::add_worktree(root, &path, commit)?;
        Ok(Self { root: root.to_path_buf(), path, keep })
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = git::remove_worktree(&self.root, &self.path)
        {
            tracing::warn!(%error, "the copy cannot be removed");
        }
    }
}

/// Runs every stage of the copy and compares what it makes with the copy's own `dvc.lock`.
fn run(context: &Context, root: &Path, copy: &Path) -> Result<Vec<Compared>, Failure> {
    let cache = Repo::discover(root, &context.environment)?.cache_dir().to_path_buf();
    let local = copy.join(".dvc/config.local");
    std::fs::write(&local, format!("[cache]\n    dir = {}\n", cache.display()))
        .map_err(io_failure(format!("writing {}", local.display())))?;
    let repo = Repo::discover(copy, &context.environment)?;
    let recorded = lemnis_data::lock(&repo)?;
    if recorded.is_empty() {
        return Err(Failure::new(ErrorKind::Conflict, "that commit has no dvc.lock to compare with")
            .with_hint("commit dvc.lock after `lemnis repro`, before the version is submitted"));
    }
    // stages that were never recorded are run like the others
    let options = CheckoutOptions { allow_unrecorded: true, ..CheckoutOptions::default() };
    lemnis_data::checkout(&repo, &[], options)?;
    let mut watcher = Watcher::new(context, copy.to_path_buf());
    if !context.json && !context.quiet {
        watcher.show = Show::Named;
    }
    watcher.reproduce(&repo, &Run { force: true, no_run_cache: true, ..Run::default() })?;
    Ok(compare(&recorded, &lemnis_data::lock(&repo)?))
}

/// Outputs in the order of the lock, which is the order in which the stages ran.
fn compare(recorded: &[LockedStage], made: &[LockedStage]) -> Vec<Compared> {
    let mut compared = Vec::new();
    for stage in recorded {
        let again = made.iter().find(|other| other.name == stage.name);
        for out in &stage.outs {
            let now = again.and_then(|again| again.outs.iter().find(|other| other.path == out.path));
            let digest = |digest: Option<&lemnis_core::Digest>| digest.map(ToString::to_string);
            let (before, after) =
                (digest(out.digest.as_ref()), digest(now.and_then(|now| now.digest.as_ref())));
            compared.push(Compared {
                stage: stage.name.clone(),
                path: out.path.clone(),
                same: before.is_some() && before == after,
                recorded: before,
                reproduced: after,
            });
        }
    }
    compared
}

fn show(compared: &[Compared]) {
    for one in compared {
        let mark =
            if one.same { format!("{GOOD}same{GOOD:#}     ") } else { format!("{BAD}different{BAD:#}") };
        let digest = one.reproduced.as_deref().unwrap_or("not made");
        output::line(format!("  {mark} {} {FAINT}{} {digest}{FAINT:#}", one.path, one.stage));
    }
    match compared.iter().find(|one| !one.same) {
        None => output::line(format!("{GOOD}✓ bit-identical{GOOD:#}: {} outputs", compared.len())),
        Some(first) => output::line(format!(
            "{BAD}✗ not the same{BAD:#}: {} of stage {} differs first (recorded {})",
            first.path,
            first.stage,
            first.recorded.as_deref().unwrap_or("nothing")
        )),
    }
}
