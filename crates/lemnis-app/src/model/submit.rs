//! The model that the pipeline just made becomes a version, once, and goes through the gate.

use lemnis_core::{Action, Principal};
use lemnis_tracking::{
    ExperimentSearch, GateReport, ModelVersion, NewModel, NewVersion, Run, RunSearch, RunStatus, Tag,
    VersionSearch,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CHALLENGER, CHAMPION, DATA_DIGEST, GIT_COMMIT, MODEL_DIGEST, gate};
use crate::{App, Context, Error, artifact, authorise, blocking, git};

/// Submits what lies in the model's folder of the working tree.
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
pub struct Submit {
    /// The registered model's name, as in `lemnis.yaml`.
    pub model: String,
}

/// A version and what the gate said of it.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Submitted {
    /// The version.
    pub version: ModelVersion,
    /// Whether this call made it; otherwise the same bytes were submitted before.
    pub created: bool,
    /// The gate's report.
    pub report: GateReport,
}

/// Registers the model in the working tree and runs it through the gate.
///
/// The same bytes make one version, however often they are submitted, so a caller that was cut off asks again.
pub async fn submit(app: &App, who: &Principal, cmd: &Submit) -> Result<Submitted, Error> {
    authorise(who, Action::Write)?;
    let settings = app.project.settings()?;
    let model_settings = settings.model(&cmd.model)?;
    let folder = app.project.root().join(&model_settings.path);
    let digest = blocking(move || Ok(artifact::load_dir(&folder)?.digest().to_string())).await?;

    let _registering = app.registering.lock().await;
    let known = app
        .registry
        .search_versions(&VersionSearch::of_model(&cmd.model))
        .await
        .context("looking for versions")?;
    let known = known.items.into_iter().find(|version| version.tag(MODEL_DIGEST) == Some(digest.as_str()));
    let created = known.is_none();
    let version = match known {
        Some(version) => version,
        None => register(app, who, &cmd.model, &digest).await?,
    };
    if !version.aliases.iter().any(|alias| alias == CHAMPION) {
        app.registry
            .set_alias(&cmd.model, CHALLENGER, Some(version.version))
            .await
            .context("naming the challenger")?;
    }
    let report = gate(app, who, &cmd.model, version.version, None).await?;
    Ok(Submitted { version, created, report })
}

async fn register(app: &App, who: &Principal, model: &str, digest: &str) -> Result<ModelVersion, Error> {
    let run = run_of(app, digest).await?.ok_or_else(|| {
        Error::conflict(
            format!("no run logged the model {model:?} that lies in the working tree"),
            "run `lemnis repro --force train` while the server runs, so that the training is logged",
        )
    })?;
    if app.registry.get_model(model).await.context("looking for the model")?.is_none() {
        let new = NewModel { name: model.to_owned(), at_ms: app.clock.now_ms(), ..NewModel::default() };
        app.registry.create_model(&new).await.context("registering the model")?;
    }
    let mut tags = vec![Tag::new(MODEL_DIGEST, digest)];
    if let Some(data) = run.tag(DATA_DIGEST) {
        tags.push(Tag::new(DATA_DIGEST, data));
    }
    if let Some(commit) = git::head(app.project.root())? {
        tags.push(Tag::new(GIT_COMMIT, commit));
    }
    let new = NewVersion {
        name: model.to_owned(),
        source: format!("{}/model", run.info.artifact_uri),
        run_id: Some(run.info.run_id.clone()),
        tags,
        user_id: Some(who.name.clone()),
        at_ms: app.clock.now_ms(),
        ..NewVersion::default()
    };
    let version = app.registry.create_version(&new).await.context("registering the version")?;
    let data =
        serde_json::json!({ "version": version.version, "run_id": run.info.run_id, "model_digest": digest });
    let id = format!("version.registered/{model}/{}", version.version);
    app.record(id, who, "version.registered", format!("model/{model}"), data).await?;
    Ok(version)
}

/// The newest finished run that logged the model with `digest`.
async fn run_of(app: &App, digest: &str) -> Result<Option<Run>, Error> {
    let experiments =
        app.experiments.search(&ExperimentSearch::default()).await.context("looking for experiments")?;
    let experiments = experiments.items.iter().map(|experiment| experiment.experiment_id).collect();
    let filter = format!("tags.`{MODEL_DIGEST}` = '{digest}'");
    let search = RunSearch::new(experiments).matching(&filter).context("looking for the run")?;
    let found = app.runs.search(&search).await.context("looking for the run")?;
    let finished = |run: &&Run| run.info.status == RunStatus::Finished;
    Ok(found.items.iter().find(finished).or(found.items.first()).cloned())
}
