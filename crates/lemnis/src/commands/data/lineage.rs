//! What a reproduction leaves behind about each stage that ran: its inputs and outputs by digest, the commit, what it
//! ran in. A run that the stage opens on the tracking server carries the same id.

use std::path::Path;
use std::process::Command;

use lemnis_app::git;
use lemnis_app::lineage::{Content, STAGE_RUN, StageRun};
use lemnis_core::Digest;
use lemnis_data::{LockedPath, LockedStage, Repo, StageOutcome};
use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::context::Context;
use crate::output::Failure;

/// Files that pin what an interpreter runs with, beside the pipeline or above it.
const LOCK_FILES: [&str; 9] = [
    "requirements.txt",
    "uv.lock",
    "poetry.lock",
    "Pipfile.lock",
    "pdm.lock",
    "conda-lock.yml",
    "environment.yml",
    "renv.lock",
    "Cargo.lock",
];
/// Interpreters that say their version when asked.
const INTERPRETERS: [&str; 6] = ["python", "python3", "Rscript", "julia", "node", "bash"];

/// The variable by which MLflow's clients take tags from their environment; the tags name the stage and its run.
pub fn run_context(stage: &str, id: &str) -> (String, String) {
    let tags = json!({ "lemnis.stage": stage, STAGE_RUN: id });
    ("MLFLOW_RUN_CONTEXT".to_owned(), tags.to_string())
}

/// Records the stages that ran, each with the id that it was given.
pub fn record(
    context: &Context,
    repo: &Repo,
    url: &str,
    ran: &[(String, StageOutcome)],
) -> Result<(), Failure> {
    let locked = lemnis_data::lock(repo)?;
    let (commit, is_dirty) = (git::head(repo.root())?, git::is_dirty(repo.root())?);
    let client = Client::at(url, context.token.clone())?;
    for (id, outcome) in ran {
        let entry = locked.iter().find(|entry| entry.name == outcome.stage);
        let run = StageRun {
            id: id.clone(),
            stage: outcome.stage.clone(),
            reason: outcome.reason.clone(),
            seconds: outcome.seconds,
            commit: commit.clone(),
            is_dirty,
            cmd: entry.map(|entry| entry.cmd.clone()).unwrap_or_default(),
            deps: entry.map(|entry| contents(&entry.deps)).unwrap_or_default(),
            params: entry.map(|entry| entry.params.clone()).unwrap_or_default(),
            outs: entry.map(|entry| contents(&entry.outs)).unwrap_or_default(),
            environment: environment(repo.root(), entry),
        };
        let body = serde_json::to_value(&run).unwrap_or_default();
        context.block_on(client.post("/api/v1/stage-runs", body))?;
    }
    Ok(())
}

fn contents(paths: &[LockedPath]) -> Vec<Content> {
    paths.iter().map(|path| Content { path: path.path.clone(), digest: path.digest.clone() }).collect()
}

fn environment(root: &Path, entry: Option<&LockedStage>) -> Value {
    let mut said = Map::new();
    said.insert("os".to_owned(), format!("{} {}", std::env::consts::OS, std::env::consts::ARCH).into());
    said.insert("lemnis".to_owned(), env!("CARGO_PKG_VERSION").into());
    if let Some(version) = entry.and_then(interpreter) {
        said.insert("interpreter".to_owned(), version.into());
    }
    for name in LOCK_FILES {
        if let Ok(bytes) = std::fs::read(root.join(name)) {
            said.insert(name.to_owned(), Digest::sha256(&bytes).to_string().into());
        }
    }
    Value::Object(said)
}

/// What the first word of the command says of its version, where it is a known interpreter.
fn interpreter(entry: &LockedStage) -> Option<String> {
    let first = entry.cmd.as_str().or_else(|| entry.cmd.get(0)?.as_str())?;
    let word = first.split_whitespace().next()?;
    let name = Path::new(word).file_name()?.to_str()?;
    let (_, path) = Context::path_for_stages().ok()?;
    if !INTERPRETERS.contains(&name) {
        return None;
    }
    let output = Command::new(word).arg("--version").env("PATH", path).output().ok()?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&text).lines().next().map(|line| line.trim().to_owned())
}
