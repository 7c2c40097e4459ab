//! `runs/create-promptlab-run`: a run that records one try of a prompt in the browser.

use axum::extract::State;
use lemnis_tracking::{Batch, Error, NewRun, Param, Result, RunChange, RunStatus, Tag};
use object_store::ObjectStoreExt as _;
use serde_json::{Value, json};

use super::super::Answer;
use super::super::artifact_paths::of_uri;
use super::super::experiments::parse_id;
use super::super::fields::Fields;
use super::super::wire::{self, Reply};
use crate::Server;

const TABLE: &str = "eval_results_table.json";

fn absent(name: &str) -> Error {
    Error::invalid(format!("CreatePromptlabRun request must specify {name}."))
}

fn given(fields: &Fields, name: &str) -> Result<String> {
    fields.filled(name)?.ok_or_else(|| absent(name))
}

/// Keys with values of any type, as params.
fn params(fields: &Fields, name: &str) -> Result<Vec<Param>> {
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    fields
        .objects(name)?
        .iter()
        .map(|item| Ok(Param::new(item.required("key")?, text(item.json("value")))))
        .collect()
}

pub(super) async fn create(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let experiment = given(&fields, "experiment_id")?;
    let template = given(&fields, "prompt_template")?;
    let inputs = params(&fields, "prompt_parameters")?;
    if inputs.is_empty() {
        return Err(absent("prompt_parameters").into());
    }
    let route = given(&fields, "model_route")?;
    let prompt = given(&fields, "model_input")?;
    given(&fields, "mlflow_version")?;
    let now = server.app.clock.now_ms();
    let new = NewRun {
        experiment_id: parse_id(&experiment)?,
        user_id: fields.filled("user_id")?.unwrap_or_else(|| "unknown".to_owned()),
        run_name: fields.filled("run_name")?,
        start_time: Some(fields.int("start_time")?.unwrap_or(now)),
        tags: fields.tags("tags")?,
    };
    let mut logged = params(&fields, "model_parameters")?;
    logged.push(Param::new("model_route", route));
    logged.push(Param::new("prompt_template", template));
    let table = format!("[{{\"path\": \"{TABLE}\", \"type\": \"table\"}}]");
    let tags = vec![
        Tag::new("mlflow.loggedArtifacts", table),
        Tag::new("mlflow.runSourceType", "PROMPT_ENGINEERING"),
    ];
    let outputs = params(&fields, "model_output_parameters")?;
    let mut columns: Vec<&str> = inputs.iter().map(|param| param.key.as_str()).collect();
    columns.extend(["prompt", "output"]);
    columns.extend(outputs.iter().map(|param| param.key.as_str()));
    let answer = fields.text("model_output")?.unwrap_or_default();
    let mut row: Vec<&str> = inputs.iter().map(|param| param.value.as_str()).collect();
    row.extend([prompt.as_str(), answer.as_str()]);
    row.extend(outputs.iter().map(|param| param.value.as_str()));
    let results = json!({"columns": columns, "data": [row]}).to_string();

    let run = server.app.runs.create(&new).await?;
    let id = &run.info.run_id;
    server.app.runs.log(id, &Batch { params: logged, tags, ..Batch::default() }).await?;
    server.app.artifacts.put(&of_uri(&run.info.artifact_uri, Some(TABLE))?, results.into()).await?;
    let end = RunChange { status: Some(RunStatus::Finished), end_time: Some(now), run_name: None };
    server.app.runs.update(id, &end).await?;
    let done = server.app.runs.get(id).await?.ok_or_else(|| Error::no_run(id))?;
    Ok(Reply(json!({ "run": wire::run(done) })))
}
