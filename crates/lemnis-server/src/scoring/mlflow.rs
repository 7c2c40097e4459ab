//! MLflow's scoring protocol.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lemnis_core::Classify;
use lemnis_serving::mlflow_scoring::{Body, ContentType, MLFLOW_VERSION, Rejection, predictions};
use lemnis_serving::{Endpoint, Error, Refused};
use serde_json::json;

use super::{INLINE_BODY_BYTES, Scoring, envelope};

const JSON: &str = "application/json";

/// `GET /ping`: 404 while nothing is served.
pub(super) async fn ping(State(scoring): State<Scoring>) -> Response {
    let status = if scoring.0.first().is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    (status, [(header::CONTENT_TYPE, JSON)], "\n").into_response()
}

/// `GET /health`: the process answers, with or without a model.
pub(super) async fn health() -> Response {
    ([(header::CONTENT_TYPE, JSON)], "\n").into_response()
}

/// `GET /version`: the MLflow whose protocol is spoken.
pub(super) async fn version() -> Response {
    ([(header::CONTENT_TYPE, JSON)], MLFLOW_VERSION).into_response()
}

pub(super) async fn not_allowed() -> Response {
    let body = r#"{"detail":"Method Not Allowed"}"#;
    (StatusCode::METHOD_NOT_ALLOWED, [(header::CONTENT_TYPE, JSON)], body).into_response()
}

/// `POST /invocations`: the first endpoint that was deployed.
pub(super) async fn invoke_first(
    State(scoring): State<Scoring>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match scoring.0.first() {
        Some(endpoint) => score(&scoring, &endpoint, &headers, body).await,
        None => failure(404, "RESOURCE_DOES_NOT_EXIST", "nothing is served here yet"),
    }
}

/// `POST /endpoints/{name}/invocations`.
pub(super) async fn invoke(
    State(scoring): State<Scoring>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match scoring.endpoint(&name) {
        Some(endpoint) => score(&scoring, &endpoint, &headers, body).await,
        None => serving_failure(&Error::NoEndpoint { name }),
    }
}

async fn score(
    scoring: &Scoring,
    endpoint: &Arc<Endpoint>,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let bytes = match envelope::body(body) {
        Ok(bytes) => bytes,
        Err((status, message)) => return failure(status, "BAD_REQUEST", &message),
    };
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = match ContentType::parse(content_type) {
        Ok(content_type) => content_type,
        Err(rejection) => return rejected(&rejection),
    };
    let meta = match envelope::meta(headers, None) {
        Ok(meta) => meta,
        Err(message) => return failure(400, "INVALID_PARAMETER_VALUE", &message),
    };
    let body = if bytes.len() > INLINE_BODY_BYTES {
        match tokio::task::spawn_blocking(move || Body::read(content_type, &bytes)).await {
            Ok(body) => body,
            Err(error) => {
                return failure(500, "INTERNAL_ERROR", &format!("the body could not be read: {error}"));
            }
        }
    } else {
        Body::read(content_type, &bytes)
    };
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return rejected(&rejection),
    };
    match scoring.0.predict_at(endpoint, meta, |signature| body.frame(signature)).await {
        Ok(prediction) => {
            let headers = envelope::answered(&prediction);
            ([(header::CONTENT_TYPE, JSON)], headers, predictions(&prediction.outputs)).into_response()
        }
        Err(Refused::Input(rejection)) => rejected(&rejection),
        Err(Refused::Serving(error)) => serving_failure(&error),
    }
}

fn rejected(rejection: &Rejection) -> Response {
    let status = StatusCode::from_u16(rejection.status()).unwrap_or(StatusCode::BAD_REQUEST);
    (status, [(header::CONTENT_TYPE, rejection.content_type())], rejection.body()).into_response()
}

fn serving_failure(error: &Error) -> Response {
    let status = error.kind().http_status();
    let code = if status == 404 { "RESOURCE_DOES_NOT_EXIST" } else { "INTERNAL_ERROR" };
    if status == 500 {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        tracing::warn!(%error, cause, "a prediction failed");
    }
    failure(status, code, &error.to_string())
}

fn failure(status: u16, code: &str, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({ "error_code": code, "message": message }).to_string();
    (status, [(header::CONTENT_TYPE, JSON)], body).into_response()
}
