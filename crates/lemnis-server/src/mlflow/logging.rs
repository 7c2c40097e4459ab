//! What runs log: `runs/log-…`, `runs/set-tag`, `runs/delete-tag`, `runs/outputs`.

use axum::extract::State;
use lemnis_tracking::{
    Batch, Dataset, DatasetInput, Error, LoggedModelId, Metric, ModelOutput, Param, Result, Tag, rules,
};
use serde_json::Value;

use super::Answer;
use super::fields::{Fields, Raw};
use super::{logged, wire};
use crate::Server;

/// The tag that lists the models a run logged.
const LOGGED_MODELS: &str = "mlflow.log-model.history";

fn metric(fields: &Fields) -> Result<Metric> {
    Ok(Metric {
        key: fields.required("key")?,
        value: fields.float("value")?.ok_or_else(|| fields.missing("value"))?,
        timestamp: fields.int("timestamp")?.ok_or_else(|| fields.missing("timestamp"))?,
        step: fields.int("step")?.unwrap_or_default(),
        model_id: fields.filled("model_id")?.map(LoggedModelId::from),
        dataset_name: fields.filled("dataset_name")?,
        dataset_digest: fields.filled("dataset_digest")?,
    })
}

pub(super) async fn log_metric(State(server): State<Server>, Raw(body): Raw) -> Answer<Value> {
    let (id, metric) = match logged::log_metric(&body) {
        Some(exactly) => exactly,
        None => {
            let fields = Fields::parse(&body)?;
            (fields.run_id()?, metric(&fields)?)
        }
    };
    rules::metric(&metric, "")?;
    server.app.runs.log(&id, &Batch { metrics: vec![metric], ..Batch::default() }).await?;
    Ok(wire::nothing())
}

pub(super) async fn log_param(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let id = fields.run_id()?;
    let param = Param { key: fields.required("key")?, value: fields.text("value")?.unwrap_or_default() };
    rules::param(&param, "")?;
    server.app.runs.log(&id, &Batch { params: vec![param], ..Batch::default() }).await?;
    Ok(wire::nothing())
}

pub(super) async fn set_tag(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let id = fields.run_id()?;
    let tag = fields.tag()?;
    rules::tag(&tag, "")?;
    server.app.runs.log(&id, &Batch { tags: vec![tag], ..Batch::default() }).await?;
    Ok(wire::nothing())
}

pub(super) async fn delete_tag(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    server.app.runs.delete_tag(&fields.run_id()?, &fields.required("key")?).await?;
    Ok(wire::nothing())
}

pub(super) async fn log_batch(State(server): State<Server>, Raw(body): Raw) -> Answer<Value> {
    let (id, batch) = match logged::log_batch(&body) {
        Some(exactly) => exactly,
        None => {
            let fields = Fields::parse(&body)?;
            let id = fields.run_id()?;
            let metrics: Result<Vec<Metric>> = fields.objects("metrics")?.iter().map(metric).collect();
            let params = fields.params("params")?;
            (id, Batch { metrics: metrics?, params, tags: fields.tags("tags")? })
        }
    };
    server.app.runs.log(&id, &batch).await?;
    Ok(wire::nothing())
}

pub(super) async fn log_model(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let id = fields.run_id()?;
    let text = fields.required("model_json")?;
    let model: Value = serde_json::from_str(&text)
        .map_err(|_| Error::invalid(format!("Malformed model info. \n {text} \n is not valid JSON.")))?;
    let absent: Vec<String> = ["artifact_path", "flavors", "utc_time_created", "run_id"]
        .iter()
        .filter(|name| model.get(name).is_none())
        .map(|name| format!("'{name}'"))
        .collect();
    if !absent.is_empty() {
        return Err(Error::invalid(format!(
            "Model json is missing mandatory fields: {{{}}}",
            absent.join(", ")
        ))
        .into());
    }
    let run = server.app.runs.get(&id).await?.ok_or_else(|| Error::no_run(&id))?;
    let before = run.tag(LOGGED_MODELS).and_then(|text| serde_json::from_str(text).ok());
    let mut models: Vec<Value> = before.unwrap_or_default();
    models.push(model);
    // The oldest make room: a tag that is cut would no longer be JSON.
    while models.len() > 1
        && Value::from(models.clone()).to_string().chars().count() > rules::TAG_VALUE_LENGTH
    {
        models.remove(0);
    }
    let tags = vec![Tag::new(LOGGED_MODELS, Value::from(models).to_string())];
    server.app.runs.log(&id, &Batch { tags, ..Batch::default() }).await?;
    Ok(wire::nothing())
}

pub(super) async fn log_inputs(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let id = fields.run_id()?;
    let mut datasets = Vec::new();
    for input in fields.objects("datasets")? {
        let dataset = input.object("dataset")?.ok_or_else(|| input.missing("dataset"))?;
        datasets.push(DatasetInput {
            dataset: Dataset {
                name: dataset.required("name")?,
                digest: dataset.required("digest")?,
                source_type: dataset.required("source_type")?,
                source: dataset.required("source")?,
                schema: dataset.filled("schema")?,
                profile: dataset.filled("profile")?,
            },
            tags: input.tags("tags")?,
        });
    }
    let models: Result<Vec<LoggedModelId>> = fields
        .objects("models")?
        .iter()
        .map(|model| model.required("model_id").map(LoggedModelId::from))
        .collect();
    server.app.runs.log_inputs(&id, &datasets, &models?).await?;
    Ok(wire::nothing())
}

pub(super) async fn log_outputs(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let id = fields.run_id()?;
    let mut models = Vec::new();
    for model in fields.objects("models")? {
        let step = model.int("step")?.unwrap_or_default();
        models.push(ModelOutput { model_id: model.required("model_id")?.into(), step });
    }
    server.app.runs.log_outputs(&id, &models).await?;
    Ok(wire::nothing())
}
