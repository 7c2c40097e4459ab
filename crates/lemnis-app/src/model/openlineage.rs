//! A version's lineage as an event of OpenLineage 2-0-2, which other catalogues read.

use lemnis_core::{Action, Digest, Principal};
use lemnis_tracking::{ModelVersion, Run};
use serde_json::{Value, json};
use uuid::Uuid;

use super::MODEL_DIGEST;
use super::gate::version;
use crate::lineage::{StageRun, stage_run_of};
use crate::{App, Context, Error, authorise, git};

const PRODUCER: &str = concat!("urn:lemnis:", env!("CARGO_PKG_VERSION"));
const EVENT_SCHEMA: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
const VERSION_SCHEMA: &str = "https://openlineage.io/spec/facets/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet";
const SOURCE_SCHEMA: &str = "https://openlineage.io/spec/facets/1-0-1/SourceCodeLocationJobFacet.json#/$defs/SourceCodeLocationJobFacet";

/// The run that made version `number` of `model`: its job, what it read, what it made, each with its digest.
pub async fn open_lineage(app: &App, who: &Principal, model: &str, number: u32) -> Result<Value, Error> {
    authorise(who, Action::Read)?;
    let made = version(app, model, number).await?;
    let run = match &made.run_id {
        Some(id) => app.runs.get(id).await.context("looking for the run")?,
        None => None,
    };
    let stage = match &run {
        Some(run) => stage_run_of(app, run).await?,
        None => None,
    };
    let settings = app.project.settings_if_any()?;
    let namespace = settings.map_or_else(|| "lemnis".to_owned(), |settings| settings.project);
    let remote = git::remote(app.project.root());
    Ok(event(&namespace, remote.as_deref(), &made, run.as_ref(), stage.as_ref()))
}

fn event(
    namespace: &str,
    remote: Option<&str>,
    made: &ModelVersion,
    run: Option<&Run>,
    stage: Option<&StageRun>,
) -> Value {
    let dataset =
        |name: &str, version: Option<String>| {
            let facets = version.map_or_else(|| json!({}), |version| {
            let facet =
                json!({ "_producer": PRODUCER, "_schemaURL": VERSION_SCHEMA, "datasetVersion": version });
            json!({ "version": facet })
        });
            json!({ "namespace": namespace, "name": name, "facets": facets })
        };
    let contents = |contents: &[crate::lineage::Content]| -> Vec<Value> {
        let one = |content: &crate::lineage::Content| {
            dataset(&content.path, content.digest.as_ref().map(ToString::to_string))
        };
        contents.iter().map(one).collect()
    };
    let logged = run.into_iter().flat_map(|run| &run.dataset_inputs);
    let inputs = match stage {
        Some(stage) => contents(&stage.deps),
        None => {
            logged.map(|input| dataset(&input.dataset.name, Some(input.dataset.digest.clone()))).collect()
        }
    };
    let mut outputs = stage.map(|stage| contents(&stage.outs)).unwrap_or_default();
    let digest = made.tag(MODEL_DIGEST).map(str::to_owned);
    outputs.push(dataset(&format!("models/{}/{}", made.name, made.version), digest));
    let commit = stage.and_then(|stage| stage.commit.as_deref()).or_else(|| made.tag(super::GIT_COMMIT));
    let mut job_facets = json!({});
    if let (Some(url), Some(commit)) = (remote, commit) {
        job_facets["sourceCodeLocation"] = json!({
            "_producer": PRODUCER, "_schemaURL": SOURCE_SCHEMA, "type": "git", "url": url, "version": commit,
        });
    }
    let job = stage.map_or_else(|| format!("train {}", made.name), |stage| stage.stage.clone());
    let ended = run.and_then(|run| run.info.end_time).unwrap_or(made.creation_timestamp);
    json!({
        "eventType": "COMPLETE",
        "eventTime": lemnis_core::rfc3339(ended),
        "run": { "runId": run_id(made), "facets": {} },
        "job": { "namespace": namespace, "name": job, "facets": job_facets },
        "inputs": inputs,
        "outputs": outputs,
        "producer": PRODUCER,
        "schemaURL": EVENT_SCHEMA,
    })
}

/// OpenLineage wants a UUID: MLflow's run id is one without its hyphens; a version without a run gets one of its own.
fn run_id(made: &ModelVersion) -> String {
    let known = made.run_id.as_ref().and_then(|id| Uuid::try_parse(&id.to_string()).ok());
    let own = || {
        let digest = Digest::sha256(format!("{}/{}", made.name, made.version).as_bytes());
        digest.hex().get(..32).and_then(|hex| Uuid::try_parse(hex).ok()).unwrap_or_default()
    };
    known.unwrap_or_else(own).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lineage::Content;

    #[test]
    fn an_event_names_what_was_read_and_made_by_digest() {
        let made = ModelVersion {
            name: "churn".to_owned(),
            version: 3,
            creation_timestamp: 1_700_000_000_123,
            tags: vec![lemnis_tracking::Tag::new(MODEL_DIGEST, "sha256:aa")],
            last_updated_timestamp: 1_700_000_000_123,
            description: None,
            user_id: None,
            current_stage: lemnis_tracking::Stage::None,
            source: "mlflow-artifacts:/1/r/artifacts/model".to_owned(),
            storage_location: None,
            run_id: None,
            run_link: None,
            model_id: None,
            aliases: Vec::new(),
            model_params: Vec::new(),
            model_metrics: Vec::new(),
        };
        let content = |path: &str| Content { path: path.to_owned(), digest: Some(Digest::md5("0123")) };
        let stage = StageRun {
            id: "r".to_owned(),
            stage: "train".to_owned(),
            reason: String::new(),
            seconds: 1.0,
            commit: Some("c0ffee".to_owned()),
            is_dirty: false,
            cmd: Value::Null,
            deps: vec![content("data/train.parquet")],
            params: Value::Null,
            outs: vec![content("models/churn")],
            environment: Value::Null,
        };
        let event = event("shop", Some("https://example.org/shop.git"), &made, None, Some(&stage));
        assert_eq!(event["eventTime"], "2023-11-14T22:13:20.123Z");
        assert_eq!(event["job"]["name"], "train");
        assert_eq!(event["job"]["facets"]["sourceCodeLocation"]["version"], "c0ffee");
        assert_eq!(event["inputs"][0]["facets"]["version"]["datasetVersion"], "md5:0123");
        let outputs: Vec<&str> =
            event["outputs"].as_array().unwrap().iter().map(|out| out["name"].as_str().unwrap()).collect();
        assert_eq!(outputs, ["models/churn", "models/churn/3"]);
        assert!(Uuid::try_parse(event["run"]["runId"].as_str().unwrap()).is_ok());
    }
}
