//! MLflow's scoring protocol.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lemnis_core::Classify;
use lemnis_serving::mlflow_scoring::{Body, ContentType, MLFLOW_VERSION, Rejection, predictions};
use lemnis_serving::{Endpoint, Error, Prediction, Refused};
use serde_json::json;

use super::{INLINE_BODY_BYTES, Scoring, apart, envelope};

const JSON: &str = "application/json";

/// `GET /ping`: 404 while nothing was deployed, 503 while what `/invocations` asks is not up.
pub(super) async fn ping(State(scoring): State<Scoring>) -> Response {
    let status = match scoring.default().await {
        Ok(Some(_)) => StatusCode::OK,
        Ok(None) => StatusCode::NOT_FOUND,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
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

/// `POST /invocations`: the first endpoint that was deployed; 503 while that one is not up, never another's answer.
pub(super) async fn invoke_first(
    State(scoring): State<Scoring>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match scoring.default().await {
        Ok(Some(endpoint)) => score(scoring, endpoint, &headers, body).await,
        Err(error) => serving_failure(&error),
        Ok(None) => failure(404, "RESOURCE_DOES_NOT_EXIST", "nothing is served here yet"),
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
        Some(endpoint) => score(scoring, endpoint, &headers, body).await,
        None => serving_failure(&scoring.why_not(name).await),
    }
}

async fn score(
    scoring: Scoring,
    endpoint: Arc<Endpoint>,
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
    if bytes.len() <= INLINE_BODY_BYTES {
        return match Body::read(content_type, &bytes) {
            Ok(body) => answer(scoring.endpoints.predict_at(&endpoint, meta, &body).await),
            Err(rejection) => rejected(&rejection),
        };
    }
    let work = async move {
        match Body::read(content_type, &bytes) {
            Ok(body) => answer(scoring.endpoints.predict_here(&endpoint, meta, &body).await),
            Err(rejection) => rejected(&rejection),
        }
    };
    apart(work).await.unwrap_or_else(|error| {
        failure(500, "INTERNAL_ERROR", &format!("the request could not be answered: {error}"))
    })
}

fn answer(predicted: Result<Prediction, Refused<Rejection>>) -> Response {
    match predicted {
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
    let code = match status {
        404 => "RESOURCE_DOES_NOT_EXIST",
        503 => "TEMPORARILY_UNAVAILABLE",
        _ => "INTERNAL_ERROR",
    };
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
