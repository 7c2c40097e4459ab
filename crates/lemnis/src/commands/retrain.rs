//! `retrain`: what a drift verdict starts, as one resumable command.
//!
//! Each part asks first whether it is done: the labelled rows are collected once for a verdict, the pipeline runs only
//! what changed, the same model makes one version, and the gate's report on the same inputs is the same report.

use lemnis_app::git;
use lemnis_app::project::Project;
use lemnis_core::ErrorKind;
use lemnis_data::{AddOptions, Repo, Reproduce};
use serde_json::json;

use super::data::watcher::{Watcher, ran};
use super::runs::{escape, text};
use crate::cli::Retrain;
use crate::client::{Client, require_project};
use crate::context::Context;
use crate::output::{self, Failure};

pub fn retrain(context: &Context, arguments: &Retrain) -> Result<(), Failure> {
    let project: Project = require_project(&context.dir)?;
    let root = project.root().to_path_buf();
    let settings = project.settings()?;
    let endpoint = settings.endpoint(&arguments.endpoint)?;
    let model = endpoint.model_name().to_owned();
    let ask = |path: String, body: serde_json::Value| {
        context.block_on(async { Client::connect(context).await?.post(&path, body).await })
    };

    let path = format!("/api/v1/endpoints/{}:collect", escape(&arguments.endpoint));
    let collected = ask(path, json!({ "verdict": arguments.verdict }))?;
    output::line(format!(
        "collected {} labelled live rows into {}",
        collected["rows"],
        text(&collected["file"])
    ));

    let repo = Repo::discover(&root, &context.environment)?;
    lemnis_data::add(&repo, &[root.join("data/feedback")], &AddOptions::default())?;
    git::commit(&root, &["data/feedback.dvc", "data/.gitignore"], "Add labelled live rows")?;

    let mut watcher = Watcher::new(context, root.clone());
    let outcomes = watcher.reproduce(&repo, &Reproduce::default())?;
    let ran = ran(&outcomes);
    output::line(format!("{ran} stages ran"));
    git::commit(&root, &["dvc.lock", "reports"], "Retrain on labelled live rows")?;

    let submitted = ask(format!("/api/v1/models/{}:submit", escape(&model)), json!({}))?;
    let version = submitted["version"]["version"]
        .as_u64()
        .ok_or_else(|| Failure::new(ErrorKind::Internal, "the server's answer names no version"))?;
    if submitted["report"]["passed"] != true {
        output::line(format!("version {version} does not pass the gate; the champion stays"));
        return Ok(());
    }
    let promoted = ask(format!("/api/v1/models/{}:promote", escape(&model)), json!({ "version": version }))?;
    if promoted["has_alias"] == true {
        output::line(format!("version {version} is the champion"));
    } else {
        output::line(format!("version {version} passed the gate; its rollout started"));
    }
    Ok(())
}
