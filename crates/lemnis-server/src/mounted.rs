//! One request to a router in this process: commands without a server use the same handlers as those with one.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use tower::ServiceExt;

/// The largest answer that a command takes.
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// Sends `body` as JSON to `path` and returns the status and the answer's bytes. A `path` that is no URI answers 400.
pub async fn call(router: &Router, method: &str, path: &str, body: Option<String>) -> (u16, Vec<u8>) {
    let request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET))
        .uri(path)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(body.map_or_else(Body::empty, Body::from));
    let request = match request {
        Ok(request) => request,
        Err(error) => return (400, format!("{{\"error\":\"{path:?} is no path: {error}\"}}").into_bytes()),
    };
    let answer = match router.clone().oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    };
    let status = answer.status().as_u16();
    match axum::body::to_bytes(answer.into_body(), MAX_ANSWER_BYTES).await {
        Ok(bytes) => (status, bytes.to_vec()),
        Err(error) => (500, format!("{{\"error\":\"the answer broke off: {error}\"}}").into_bytes()),
    }
}
