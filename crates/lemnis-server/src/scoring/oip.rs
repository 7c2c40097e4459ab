//! The Open Inference Protocol, version 2: server, models, inference.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lemnis_core::Classify;
use lemnis_serving::oip::{Answer, EXTENSIONS, HEADER_LENGTH, Request, metadata};
use lemnis_serving::{Endpoint, Error, Refused};
use serde::Deserialize;
use serde_json::json;

use super::{INLINE_BODY_BYTES, Scoring, envelope};

/// The model in a path, and the version where one is named.
#[derive(Debug, Deserialize)]
pub(super) struct Target {
    pub(super) name: String,
    #[serde(default)]
    version: Option<String>,
}

impl Target {
    /// The endpoint and the version asked for, where one is.
    pub(super) fn find(&self, scoring: &Scoring) -> Result<(Arc<Endpoint>, Option<u32>), NotServed> {
        let Some(endpoint) = scoring.endpoint(&self.name) else {
            return Err(NotServed(Error::NoEndpoint { name: self.name.clone() }.to_string()));
        };
        let Some(text) = &self.version else { return Ok((endpoint, None)) };
        match text.parse() {
            Ok(version) if endpoint.model_of(Some(version)).is_some() => Ok((endpoint, Some(version))),
            _ => Err(NotServed(format!("model {:?} does not serve version {text:?}", self.name))),
        }
    }
}

/// No such model or version answers here: a 404 that says so.
pub(super) struct NotServed(String);

impl IntoResponse for NotServed {
    fn into_response(self) -> Response {
        failure(404, &self.0)
    }
}

/// `GET /v2`.
pub(super) async fn server() -> Response {
    let version = env!("CARGO_PKG_VERSION");
    Json(json!({ "name": "lemnis", "version": version, "extensions": EXTENSIONS })).into_response()
}

/// `GET /v2/health/live` and `/v2/health/ready`. Clients differ in the word they look for.
pub(super) async fn live() -> Response {
    Json(json!({ "live": true, "ready": true })).into_response()
}

/// `GET /v2/models/{name}`.
pub(super) async fn model(State(scoring): State<Scoring>, Path(target): Path<Target>) -> Response {
    let (endpoint, version) = match target.find(&scoring) {
        Ok(found) => found,
        Err(missing) => return missing.into_response(),
    };
    let Some((served, model)) = endpoint.model_of(version) else {
        return refused(&Error::NoEndpoint { name: target.name });
    };
    let view = endpoint.view();
    let versions: Vec<u32> = match version {
        Some(_) => vec![served],
        None => std::iter::once(served).chain(view.canary.map(|canary| canary.version)).collect(),
    };
    Json(metadata(&target.name, &versions, model.signature())).into_response()
}

/// `GET /v2/models/{name}/ready`.
pub(super) async fn ready(State(scoring): State<Scoring>, Path(target): Path<Target>) -> Response {
    match target.find(&scoring) {
        Ok(_) => Json(json!({ "name": target.name, "ready": true })).into_response(),
        Err(missing) => missing.into_response(),
    }
}

/// `POST /v2/models/{name}/infer`.
pub(super) async fn infer(
    State(scoring): State<Scoring>,
    Path(target): Path<Target>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let (endpoint, version) = match target.find(&scoring) {
        Ok(found) => found,
        Err(missing) => return missing.into_response(),
    };
    let bytes = match envelope::body(body) {
        Ok(bytes) => bytes,
        Err((status, message)) => return failure(status, &message),
    };
    let json_length = match headers
        .get(HEADER_LENGTH)
        .map(|value| value.to_str().ok().and_then(|text| text.parse().ok()))
    {
        Some(None) => return failure(400, "the header Inference-Header-Content-Length is no length"),
        Some(length) => length,
        None => None,
    };
    let request = if bytes.len() > INLINE_BODY_BYTES {
        match tokio::task::spawn_blocking(move || Request::read(&bytes, json_length)).await {
            Ok(request) => request,
            Err(error) => return failure(500, &format!("the body could not be read: {error}")),
        }
    } else {
        Request::read(&bytes, json_length)
    };
    let request = match request {
        Ok(request) => request,
        Err(rejection) => return failure(400, &rejection.to_string()),
    };
    let meta = match envelope::meta(&headers, request.id.as_deref()) {
        Ok(meta) => meta,
        Err(message) => return failure(400, &message),
    };
    let asked = version.or(meta.version);
    let parse = |signature: &_| request.check_outputs(signature).and_then(|()| request.frame(signature));
    let prediction = match scoring.0.predict_at(&endpoint, meta.with_version(asked), parse).await {
        Ok(prediction) => prediction,
        Err(Refused::Input(rejection)) => return failure(400, &rejection.to_string()),
        Err(Refused::Serving(error)) => return refused(&error),
    };
    let Some((_, model)) = endpoint.model_of(Some(prediction.version)).or_else(|| endpoint.model_of(None))
    else {
        return refused(&Error::NoEndpoint { name: target.name });
    };
    match request.answer(&target.name, prediction.version, &prediction.outputs, model.signature()) {
        Ok(Answer { body, json_length: None }) => {
            ([(header::CONTENT_TYPE, "application/json")], envelope::answered(&prediction), body)
                .into_response()
        }
        Ok(Answer { body, json_length: Some(length) }) => (
            [(header::CONTENT_TYPE, "application/octet-stream")],
            [(HEADER_LENGTH, length.to_string())],
            envelope::answered(&prediction),
            body,
        )
            .into_response(),
        Err(rejection) => failure(400, &rejection.to_string()),
    }
}

pub(super) fn refused(error: &Error) -> Response {
    let status = error.kind().http_status();
    if status == 500 {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        tracing::warn!(%error, cause, "a prediction failed");
    }
    failure(status, &error.to_string())
}

pub(super) fn failure(status: u16, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(json!({ "error": message }))).into_response()
}
