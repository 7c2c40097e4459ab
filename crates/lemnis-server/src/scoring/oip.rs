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
use lemnis_serving::{Endpoint, Error, Prediction, Refused};
use serde::Deserialize;
use serde_json::json;

use super::{INLINE_BODY_BYTES, Scoring, apart, envelope};

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

/// `GET /v2/health/live`: the process answers.
pub(super) async fn live() -> Response {
    Json(json!({ "live": true })).into_response()
}

/// `GET /v2/health/ready`: every endpoint that was ever deployed is up. 503 otherwise, and which are not.
pub(super) async fn all_ready(State(scoring): State<Scoring>) -> Response {
    match scoring.endpoints.missing(scoring.durable.as_ref()).await {
        // Clients differ in the word they look for.
        Ok(missing) if missing.is_empty() => Json(json!({ "live": true, "ready": true })).into_response(),
        Ok(missing) => {
            let body = json!({ "live": true, "ready": false, "not_ready": missing });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
        Err(error) => refused(&error),
    }
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
    let asked = Asked { scoring, endpoint, name: target.name, version, headers, bytes, json_length };
    if asked.bytes.len() <= INLINE_BODY_BYTES {
        return asked.answer(false).await;
    }
    apart(asked.answer(true))
        .await
        .unwrap_or_else(|error| failure(500, &format!("the request could not be answered: {error}")))
}

/// An inference request whose body is not read yet.
struct Asked {
    scoring: Scoring,
    endpoint: Arc<Endpoint>,
    name: String,
    version: Option<u32>,
    headers: HeaderMap,
    bytes: Bytes,
    json_length: Option<usize>,
}

impl Asked {
    async fn answer(self, may_block: bool) -> Response {
        let Self { scoring, endpoint, name, version, headers, bytes, json_length } = self;
        let mut request = match Request::read(&bytes, json_length) {
            Ok(request) => request,
            Err(rejection) => return failure(400, &rejection.to_string()),
        };
        let meta = match envelope::meta(&headers, request.id.as_deref()) {
            Ok(meta) => meta,
            Err(message) => return failure(400, &message),
        };
        let asked = version.or(meta.version);
        let meta = meta.with_version(asked);
        let predicted = if may_block {
            scoring.endpoints.predict_here(&endpoint, meta, &mut request).await
        } else {
            scoring.endpoints.predict_at(&endpoint, meta, &mut request).await
        };
        match predicted {
            Ok(prediction) => render(&request, &name, &prediction),
            Err(Refused::Input(rejection)) => failure(400, &rejection.to_string()),
            Err(Refused::Serving(error)) => refused(&error),
        }
    }
}

/// The answer, in the types of the model that predicted.
fn render(request: &Request, name: &str, prediction: &Prediction) -> Response {
    let signature = prediction.model.signature();
    match request.answer(name, prediction.version, &prediction.outputs, signature) {
        Ok(Answer { body, json_length: None }) => {
            ([(header::CONTENT_TYPE, "application/json")], envelope::answered(prediction), body)
                .into_response()
        }
        Ok(Answer { body, json_length: Some(length) }) => (
            [(header::CONTENT_TYPE, "application/octet-stream")],
            [(HEADER_LENGTH, length.to_string())],
            envelope::answered(prediction),
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
