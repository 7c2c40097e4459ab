//! The messages of MLflow's protocol as JSON: snake_case, int64 as numbers, unset fields and empty lists left out, NaN
//! and infinities as texts.

use axum::Json;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use lemnis_tracking::{
    DatasetInput, Experiment, LoggedModel, Metric, ModelVersion, Param, RegisteredModel, Run, RunInfo, Tag,
};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

/// A JSON answer with status 200.
pub(super) struct Reply<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        // A vector grows with less work than the buffer that `Json` writes to.
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(CONTENT_TYPE, "application/json")], body).into_response(),
            Err(_) => Json(self.0).into_response(),
        }
    }
}

/// The answer of calls that return nothing.
pub(super) fn nothing() -> Reply<Value> {
    Reply(Value::Object(Map::new()))
}

/// One page: `{"<list>": […], "next_page_token": …}`.
pub(super) struct Page<'a, T: Serialize> {
    pub(super) list: (&'a str, Vec<T>),
    pub(super) next_page_token: Option<String>,
}

impl<T: Serialize> Serialize for Page<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.list.1.is_empty() {
            map.serialize_entry(self.list.0, &self.list.1)?;
        }
        if let Some(token) = &self.next_page_token {
            map.serialize_entry("next_page_token", token)?;
        }
        map.end()
    }
}

/// A number as protocol buffers write it: NaN and infinities are texts.
fn number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        value if value.is_nan() => serializer.serialize_str("NaN"),
        value if value.is_infinite() => {
            serializer.serialize_str(if *value > 0.0 { "Infinity" } else { "-Infinity" })
        }
        value => serializer.serialize_f64(*value),
    }
}

#[derive(Serialize)]
pub(super) struct MetricOut {
    key: String,
    #[serde(serialize_with = "number")]
    value: f64,
    timestamp: i64,
    step: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset_digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<String>,
}

pub(super) fn metric(metric: Metric, run_id: Option<&str>) -> MetricOut {
    MetricOut {
        key: metric.key,
        value: metric.value,
        timestamp: metric.timestamp,
        step: metric.step,
        dataset_name: metric.dataset_name,
        dataset_digest: metric.dataset_digest,
        model_id: metric.model_id.map(|id| id.to_string()),
        run_id: run_id.map(str::to_owned),
    }
}

#[derive(Serialize)]
pub(super) struct RunInfoOut {
    run_id: String,
    run_uuid: String,
    run_name: String,
    experiment_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    user_id: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<i64>,
    artifact_uri: String,
    lifecycle_stage: &'static str,
}

pub(super) fn run_info(info: RunInfo) -> RunInfoOut {
    RunInfoOut {
        run_id: info.run_id.to_string(),
        run_uuid: info.run_id.to_string(),
        run_name: info.run_name,
        experiment_id: info.experiment_id.to_string(),
        user_id: info.user_id,
        status: info.status.as_str(),
        start_time: info.start_time,
        end_time: info.end_time,
        artifact_uri: info.artifact_uri,
        lifecycle_stage: info.lifecycle_stage.as_str(),
    }
}

#[derive(Serialize)]
pub(super) struct RunOut {
    info: RunInfoOut,
    data: RunDataOut,
    inputs: Value,
    outputs: Value,
}

#[derive(Serialize)]
struct RunDataOut {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    metrics: Vec<MetricOut>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    params: Vec<Param>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
}

pub(super) fn run(run: Run) -> RunOut {
    let mut inputs = Map::new();
    if !run.dataset_inputs.is_empty() {
        inputs.insert("dataset_inputs".into(), run.dataset_inputs.into_iter().map(dataset_input).collect());
    }
    if !run.model_inputs.is_empty() {
        let models = run.model_inputs.iter().map(|id| json!({"model_id": id})).collect();
        inputs.insert("model_inputs".into(), models);
    }
    let mut outputs = Map::new();
    if !run.model_outputs.is_empty() {
        let models =
            run.model_outputs.iter().map(|out| json!({"model_id": out.model_id, "step": out.step})).collect();
        outputs.insert("model_outputs".into(), models);
    }
    RunOut {
        info: run_info(run.info),
        data: RunDataOut {
            metrics: run.metrics.into_iter().map(|point| metric(point, None)).collect(),
            params: run.params,
            tags: run.tags,
        },
        inputs: inputs.into(),
        outputs: outputs.into(),
    }
}

fn dataset_input(input: DatasetInput) -> Value {
    let mut out = Map::new();
    if !input.tags.is_empty() {
        out.insert("tags".into(), json!(input.tags));
    }
    out.insert("dataset".into(), json!(input.dataset));
    out.into()
}

#[derive(Serialize)]
pub(super) struct ExperimentOut {
    experiment_id: String,
    name: String,
    artifact_location: String,
    lifecycle_stage: &'static str,
    last_update_time: i64,
    creation_time: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
}

pub(super) fn experiment(experiment: Experiment) -> ExperimentOut {
    ExperimentOut {
        experiment_id: experiment.experiment_id.to_string(),
        name: experiment.name,
        artifact_location: experiment.artifact_location,
        lifecycle_stage: experiment.lifecycle_stage.as_str(),
        last_update_time: experiment.last_update_time,
        creation_time: experiment.creation_time,
        tags: experiment.tags,
    }
}

pub(super) fn logged_model(model: LoggedModel) -> Value {
    let id = model.model_id.to_string();
    let mut info = json!({
        "model_id": id,
        "experiment_id": model.experiment_id,
        "name": model.name,
        "creation_timestamp_ms": model.creation_timestamp,
        "last_updated_timestamp_ms": model.last_updated_timestamp,
        "artifact_uri": model.artifact_uri,
        "status": model.status,
    });
    if let Some(kind) = model.model_type.filter(|kind| !kind.is_empty()) {
        info["model_type"] = kind.into();
    }
    if let Some(run) = model.source_run_id {
        info["source_run_id"] = run.as_str().into();
    }
    if !model.tags.is_empty() {
        info["tags"] = json!(model.tags);
    }
    let mut data = Map::new();
    if !model.params.is_empty() {
        data.insert("params".into(), json!(model.params));
    }
    if !model.metrics.is_empty() {
        let metrics: Vec<MetricOut> = model
            .metrics
            .into_iter()
            .map(|point| MetricOut {
                key: point.key,
                value: point.value,
                timestamp: point.timestamp,
                step: point.step,
                dataset_name: point.dataset_name,
                dataset_digest: point.dataset_digest,
                model_id: Some(id.clone()),
                run_id: Some(point.run_id.to_string()),
            })
            .collect();
        data.insert("metrics".into(), json!(metrics));
    }
    json!({"info": info, "data": data})
}

#[derive(Serialize)]
pub(super) struct VersionOut {
    name: String,
    version: String,
    creation_timestamp: i64,
    last_updated_timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    current_stage: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<String>,
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_link: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    model_params: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    model_metrics: Vec<MetricOut>,
}

pub(super) fn version(version: ModelVersion) -> VersionOut {
    VersionOut {
        name: version.name,
        version: version.version.to_string(),
        creation_timestamp: version.creation_timestamp,
        last_updated_timestamp: version.last_updated_timestamp,
        user_id: version.user_id,
        current_stage: version.current_stage.as_str(),
        description: version.description,
        source: version.source,
        run_id: version.run_id.map(|id| id.to_string()),
        status: "READY",
        tags: version.tags,
        run_link: version.run_link,
        aliases: version.aliases,
        model_id: version.model_id.map(|id| id.to_string()),
        model_params: version
            .model_params
            .iter()
            .map(|param| json!({"name": param.key, "value": param.value}))
            .collect(),
        model_metrics: version.model_metrics.into_iter().map(|point| metric(point, None)).collect(),
    }
}

#[derive(Serialize)]
pub(super) struct ModelOut {
    name: String,
    creation_timestamp: i64,
    last_updated_timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    latest_versions: Vec<VersionOut>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<Value>,
}

pub(super) fn model(model: RegisteredModel) -> ModelOut {
    ModelOut {
        name: model.name,
        creation_timestamp: model.creation_timestamp,
        last_updated_timestamp: model.last_updated_timestamp,
        description: model.description.filter(|text| !text.is_empty()),
        latest_versions: model.latest_versions.into_iter().map(version).collect(),
        tags: model.tags,
        aliases: model
            .aliases
            .iter()
            .map(|entry| json!({"alias": entry.alias, "version": entry.version.to_string()}))
            .collect(),
    }
}
