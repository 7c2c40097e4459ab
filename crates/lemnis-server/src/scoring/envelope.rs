//! What both protocols share: the headers around a request, and the names in an answer.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::IntoResponse;
use lemnis_serving::{Prediction, RequestMeta};

/// The request's id: taken from the caller, or made.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What keeps a unit, such as a customer, on one arm of a rollout.
pub(super) const ROUTING_KEY: HeaderName = HeaderName::from_static("x-routing-key");
/// In a request, the version to ask; in an answer, the version that answered.
pub(super) const MODEL_VERSION: HeaderName = HeaderName::from_static("x-model-version");

/// The envelope that the headers describe; `own_id` stands in for a missing id. Fails on a version that is no number.
pub(super) fn meta(headers: &HeaderMap, own_id: Option<&str>) -> Result<RequestMeta, String> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let version = match text(&MODEL_VERSION) {
        Some(version) => {
            Some(version.parse().map_err(|_| "the header X-Model-Version is no version number".to_owned())?)
        }
        None => None,
    };
    Ok(RequestMeta::new(text(&REQUEST_ID).or(own_id)).with_key(text(&ROUTING_KEY)).with_version(version))
}

/// The headers that say who answered what.
pub(super) fn answered(prediction: &Prediction) -> [(HeaderName, HeaderValue); 2] {
    // A sane id is printable ASCII.
    let id = HeaderValue::from_str(&prediction.request_id).unwrap_or(HeaderValue::from_static("-"));
    [(MODEL_VERSION, HeaderValue::from(prediction.version)), (REQUEST_ID, id)]
}

/// The body, or the status and one sentence that say why there is none.
pub(super) fn body(body: Result<Bytes, BytesRejection>) -> Result<Bytes, (u16, String)> {
    body.map_err(|rejection| {
        let message = rejection.body_text();
        (rejection.into_response().status().as_u16(), message)
    })
}
