//! Triton's additions that its clients call: configuration, statistics, the list of models.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use lemnis_model::{DataType, Field};
use lemnis_serving::{ArmView, Endpoint};
use serde_json::{Value, json};

use super::Scoring;
use super::oip::{Target, failure};

/// `GET /v2/models/{name}/config`.
pub(super) async fn config(State(scoring): State<Scoring>, Path(target): Path<Target>) -> Response {
    let (endpoint, version) = match target.find(&scoring) {
        Ok(found) => found,
        Err(missing) => return missing.into_response(),
    };
    let model = endpoint.model_of(version).map_or_else(|| endpoint.model(), |(_, model)| model);
    let tensors = |fields: &[Field]| -> Vec<Value> {
        fields
            .iter()
            .map(|field| json!({ "name": field.name, "data_type": data_type(field.data_type), "dims": [-1] }))
            .collect()
    };
    Json(json!({
        "name": target.name,
        "platform": "onnx_onnxv1",
        "backend": "lemnis",
        "max_batch_size": 0,
        "input": tensors(&model.signature().inputs),
        "output": tensors(&model.signature().outputs),
    }))
    .into_response()
}

/// `GET /v2/models/{name}/stats`.
pub(super) async fn statistics(State(scoring): State<Scoring>, Path(target): Path<Target>) -> Response {
    match target.find(&scoring) {
        Ok((endpoint, _)) => Json(json!({ "model_stats": arms(&endpoint) })).into_response(),
        Err(missing) => missing.into_response(),
    }
}

/// `GET /v2/models/stats`.
pub(super) async fn all_statistics(State(scoring): State<Scoring>) -> Response {
    let all: Vec<Value> = scoring.endpoints.list().iter().flat_map(|endpoint| arms(endpoint)).collect();
    Json(json!({ "model_stats": all })).into_response()
}

/// `POST /v2/repository/index`; what the body asks for does not matter.
pub(super) async fn index(State(scoring): State<Scoring>) -> Response {
    let all: Vec<Value> = scoring
        .endpoints
        .list()
        .iter()
        .map(|endpoint| {
            let version = endpoint.version().to_string();
            json!({ "name": endpoint.name(), "version": version, "state": "READY", "reason": "" })
        })
        .collect();
    Json(all).into_response()
}

/// `POST /v2/repository/models/{name}/load`: what is deployed is loaded.
pub(super) async fn load(State(scoring): State<Scoring>, Path(target): Path<Target>) -> Response {
    match target.find(&scoring) {
        Ok(_) => Json(json!({})).into_response(),
        Err(missing) => missing.into_response(),
    }
}

/// `POST /v2/repository/models/{name}/unload`: endpoints are not ended by their clients.
pub(super) async fn unload(State(scoring): State<Scoring>, Path(target): Path<Target>) -> Response {
    match target.find(&scoring) {
        Ok(_) => failure(400, "a deployed model cannot be unloaded by a client"),
        Err(missing) => missing.into_response(),
    }
}

fn arms(endpoint: &Endpoint) -> Vec<Value> {
    let view = endpoint.view();
    std::iter::once(&view.champion).chain(&view.canary).map(|arm| statistic(endpoint.name(), arm)).collect()
}

fn statistic(name: &str, arm: &ArmView) -> Value {
    json!({
        "name": name,
        "version": arm.version.to_string(),
        "inference_count": arm.total.answered(),
        "execution_count": arm.total.answered(),
        "inference_stats": {
            "success": { "count": arm.total.answered() },
            "fail": { "count": arm.total.errors },
        },
        "latency_us": { "p50": arm.total.p50_us, "p95": arm.total.p95_us, "p99": arm.total.p99_us },
    })
}

fn data_type(data_type: DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "TYPE_BOOL",
        DataType::Integer => "TYPE_INT32",
        DataType::Long => "TYPE_INT64",
        DataType::Float => "TYPE_FP32",
        DataType::Double => "TYPE_FP64",
        DataType::String => "TYPE_STRING",
    }
}
