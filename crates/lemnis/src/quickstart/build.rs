//! Steps 2 to 5: the data, the pipeline, the training run, the gate.

use std::path::Path;
use std::time::Instant;

use lemnis_app::model::{self, CHAMPION, Promote, Submit};
use lemnis_app::{dataset, frame, git, monitor};
use lemnis_core::ErrorKind;
use lemnis_data::{AddOptions, Repo, Reproduce};
use lemnis_quality::expectation::Suite;
use lemnis_quality::profile::profile;
use serde_json::{Value, json};

use super::Loop;
use super::display::{Outcome, Step};
use super::journal::Journal;
use crate::commands::data::watcher::{Show, Watcher, ran};
use crate::output::{self, Failure, io_failure};

const SUITE: &str = "checks/raw.yaml";
/// Where the rows that are replayed against the endpoint are kept.
pub const LIVE_ROWS: &str = ".lemnis/quickstart/live.parquet";

pub async fn data(it: &Loop<'_>, step: &Step, journal: &mut Journal) -> Result<(Outcome, Value), Failure> {
    let root = it.app.project.root().to_path_buf();
    let plan = journal.plan.clone();
    let data = plan.data_path();
    step.says("versioning");
    let repo = Repo::discover(&root, &it.context.environment)?;
    let added =
        lemnis_data::add(&repo, &[root.join(&data), root.join("data/feedback")], &AddOptions::default())?;
    let digest = added.first().map(|one| one.digest.to_string()).unwrap_or_default();
    step.says("profiling");
    let table = frame::read_table(&root.join(&data))?;
    let profile = profile(&table)?;
    if !root.join(SUITE).is_file() {
        let suite = Suite::infer(&profile, Some(&plan.target))?;
        write(&root.join(SUITE), &suite.to_yaml())?;
    }
    step.says("validating");
    let validated = dataset::validate(&root, &data, Path::new(SUITE), it.context.clock.now_ms())?;
    monitor::keep_validation(&it.app, &it.who, &validated.verdict).await?;
    if !validated.result.success {
        return Err(Failure::new(ErrorKind::Conflict, validated.verdict.summary.clone())
            .with_hint("look at `lemnis validate` and mend the data or the suite checks/raw.yaml"));
    }
    commit(
        &root,
        &["data/raw", "data/feedback.dvc", "data/.gitignore", "checks"],
        "Version and check the data",
    )?;
    let outcome = Outcome::new(format!("{} as {}", data.display(), short(&digest)))
        .and(validated.verdict.summary.clone())
        .again(format!("lemnis add {}", data.display()))
        .again("lemnis validate");
    Ok((outcome, json!({ "digest": digest, "verdict": validated.verdict.id })))
}

pub async fn pipeline(it: &Loop<'_>, step: &Step, _: &mut Journal) -> Result<(Outcome, Value), Failure> {
    let root = it.app.project.root().to_path_buf();
    step.says("prepare, train, evaluate");
    let ran = reproduce(it, &root)?;
    commit(&root, &["dvc.lock", "reports", "data", "models"], "Run the pipeline")?;
    let again = Instant::now();
    let second = reproduce(it, &root)?;
    if second > 0 {
        return Err(Failure::new(ErrorKind::Internal, format!("a second repro ran {second} stages again")));
    }
    keep_live_rows(&root)?;
    let outcome =
        Outcome::new(format!("{ran} stages ran: prepare → train → evaluate; dvc.lock says from what"))
            .and(format!("repro again: nothing to do, in {}", output::duration(again.elapsed())))
            .again("lemnis repro");
    Ok((outcome, json!({ "ran": ran })))
}

/// Keeps the rows that will be replayed. A retrain makes the pipeline's outputs anew, at any time: one that goes on
/// after an interrupted start removes them while the replay goes on, too.
fn keep_live_rows(root: &Path) -> Result<(), Failure> {
    let (from, to) = (root.join("data/prepared/live.parquet"), root.join(LIVE_ROWS));
    let rows = std::fs::read(&from).map_err(io_failure(format!("reading {}", from.display())))?;
    write_bytes(&to, &rows)
}

/// Runs the stale stages; returns how many ran.
fn reproduce(it: &Loop<'_>, root: &Path) -> Result<usize, Failure> {
    tokio::task::block_in_place(|| {
        let repo = Repo::discover(root, &it.context.environment)?;
        let mut watcher = Watcher::new(it.context, root.to_path_buf()).with_tracking(&it.url)?;
        watcher.show = Show::Nothing;
        let outcomes = watcher.reproduce(&repo, &Reproduce::default())?;
        Ok(ran(&outcomes))
    })
}

pub async fn training(it: &Loop<'_>, journal: &mut Journal) -> Result<(Outcome, Value), Failure> {
    let root = it.app.project.root();
    let path = root.join("reports/metrics.json");
    let text = std::fs::read_to_string(&path).map_err(io_failure(format!("reading {}", path.display())))?;
    let metrics: std::collections::BTreeMap<String, f64> = serde_json::from_str(&text)
        .map_err(|error| Failure::new(ErrorKind::Internal, format!("{}: {error}", path.display())))?;
    let names: &[&str] = match journal.plan.task {
        lemnis_app::settings::Task::Binary => &["roc_auc", "average_precision", "accuracy"],
        lemnis_app::settings::Task::Multiclass => &["accuracy", "f1_macro", "macro_f1"],
        lemnis_app::settings::Task::Regression => &["rmse", "mae", "r2"],
    };
    let shown: Vec<String> = names
        .iter()
        .filter_map(|name| metrics.get(*name).map(|value| format!("{} {value:.3}", name.replace('_', " "))))
        .collect();
    let outcome = Outcome::new(format!("gradient-boosted trees, holdout {}", shown.join(", ")))
        .and(format!("logged over the MLflow API; ONNX model with MLmodel in models/{}", journal.plan.model))
        .again("lemnis runs list");
    Ok((outcome, json!({ "metrics": metrics })))
}

pub async fn gate(it: &Loop<'_>, journal: &mut Journal) -> Result<(Outcome, Value), Failure> {
    let name = journal.plan.model.clone();
    let submitted = model::submit(&it.app, &it.who, &Submit { model: name.clone() }).await?;
    let version = submitted.version.version;
    let checks: Vec<String> = submitted
        .report
        .checks
        .iter()
        .map(|check| format!("{} {}", if check.passed { "✓" } else { "✗" }, check.detail))
        .collect();
    if !submitted.report.passed {
        return Err(Failure::new(
            ErrorKind::Conflict,
            format!("the gate does not let version {version} through: {}", checks.join("; ")),
        )
        .with_hint("change params.yaml and run `lemnis repro`, or lower the bound in lemnis.yaml; then start quickstart again"));
    }
    let promoted =
        model::promote(&it.app, &it.who, &Promote { model: name.clone(), version, environment: None })
            .await?;
    if !promoted.has_alias {
        return Err(Failure::new(
            ErrorKind::Internal,
            format!("version {version} did not become the champion"),
        ));
    }
    let outcome = Outcome::new(format!(
        "{}; registered as {name} version {version}, alias {CHAMPION}",
        checks.join("; ")
    ))
    .again(format!("lemnis models promote {name}/{version}"));
    Ok((outcome, json!({ "version": version, "report": submitted.report.id })))
}

/// Commits what is there of `paths`, or whatever below them Git does not ignore.
fn commit(root: &Path, paths: &[&str], message: &str) -> Result<(), Failure> {
    git::commit(root, paths, message)?;
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    write_bytes(path, text.as_bytes())
}

fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(io_failure(format!("creating {}", parent.display())))?;
    }
    lemnis_core::write_whole(path, |out| out.write_all(bytes))
        .map_err(io_failure(format!("writing {}", path.display())))
}

fn short(digest: &str) -> String {
    match digest.split_once(':') {
        Some((algorithm, hex)) => format!("{algorithm} {}", hex.get(..8).unwrap_or(hex)),
        None => digest.to_owned(),
    }
}
