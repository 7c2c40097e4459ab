//! Who gets in: a token where one is set, and only the host names that this server answers to.
//!
//! A server on the loopback address has no token by default. A page of another site, opened in a browser on this
//! machine, could still send it requests; so requests must name a host that is ours (no DNS rebinding), and ones
//! that change something must not come from another origin.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use subtle::ConstantTimeEq;

use crate::mlflow::artifact_paths::decode;
use crate::mlflow::nul;

/// Who may use the server.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Clients must send this as a bearer token, or as the password of basic authentication.
    pub token: Option<String>,
    /// Any host name is ours: the server listens on more than the loopback address.
    pub any_host: bool,
}

pub(crate) async fn guard(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    if let Some(refusal) = refuse(&access, request.method(), request.uri().path(), request.headers()) {
        return refusal;
    }
    if nul::is_in_uri(request.uri()) {
        return refusal(StatusCode::BAD_REQUEST, "INVALID_PARAMETER_VALUE", nul::REFUSAL);
    }
    if !is_text(request.uri().path()) {
        return refusal(StatusCode::BAD_REQUEST, "INVALID_PARAMETER_VALUE", "The path is not in UTF-8.");
    }
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // A file that a page shows in a frame says so itself.
    headers.entry(header::X_FRAME_OPTIONS).or_insert(HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    ));
    answer
}

fn refuse(access: &Access, method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    if !access.any_host && !is_loopback(host) {
        return Some(refusal(
            StatusCode::FORBIDDEN,
            "PERMISSION_DENIED",
            &format!("this server answers on this machine only, not as {host:?}"),
        ));
    }
    let changes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if changes && let Some(origin) = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()) {
        let own = origin.split_once("://").is_some_and(|(_, authority)| authority == host);
        if !own {
            return Some(refusal(
                StatusCode::FORBIDDEN,
                "PERMISSION_DENIED",
                &format!("a page of {origin:?} may not change anything here"),
            ));
        }
    }
    let open = matches!(path, "/health" | "/ping" | "/version" | "/v2/health/live" | "/v2/health/ready");
    if let Some(token) = access.token.as_deref().filter(|_| !open)
        && !presented(headers).is_some_and(|given| given.as_bytes().ct_eq(token.as_bytes()).into())
    {
        let mut answer = refusal(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", "You are not authenticated.");
        answer
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"lemnis\", Bearer"));
        return Some(answer);
    }
    None
}

/// The secret that a request carries: a bearer token, or the password of basic authentication (browsers, MLflow).
fn presented(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    if let Some(token) = value.strip_prefix("Bearer ") {
        return Some(token.trim().to_owned());
    }
    let encoded = value.strip_prefix("Basic ")?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(_, password)| password.to_owned())
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        || name.to_ascii_lowercase().ends_with(".localhost")
}

/// Whether a path is UTF-8 once it is decoded.
fn is_text(path: &str) -> bool {
    !path.contains('%') || decode(path).is_some()
}

/// The answer to a method that a path does not take.
pub(crate) async fn not_allowed(method: Method, uri: Uri) -> Response {
    let message = format!("{} does not take {method}", uri.path());
    refusal(StatusCode::METHOD_NOT_ALLOWED, "BAD_REQUEST", &message)
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let body = serde_json::json!({ "error_code": code, "message": message, "error": message });
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn status(access: &Access, method: Method, pairs: &[(&'static str, &str)]) -> Option<u16> {
        refuse(access, &method, "/runs", &headers(pairs)).map(|answer| answer.status().as_u16())
    }

    #[test]
    fn a_foreign_host_name_is_refused_on_the_loopback_server() {
        let access = Access::default();
        assert_eq!(status(&access, Method::GET, &[("host", "evil.example:8000")]), Some(403));
        assert_eq!(status(&access, Method::GET, &[("host", "127.0.0.1:8000")]), None);
        assert_eq!(status(&access, Method::GET, &[("host", "[::1]:8000")]), None);
    }

    #[test]
    fn a_path_must_be_utf_8_once_it_is_decoded() {
        for (path, is) in [("/runs/a", true), ("/runs/%C3%BC", true), ("/runs/%FF", false), ("/runs/%", true)]
        {
            assert_eq!(is_text(path), is, "{path}");
        }
    }

    #[test]
    fn another_origin_may_read_nothing_into_being() {
        let access = Access::default();
        let foreign = [("host", "localhost:8000"), ("origin", "http://evil.example")];
        assert_eq!(status(&access, Method::POST, &foreign), Some(403));
        let own = [("host", "localhost:8000"), ("origin", "http://localhost:8000")];
        assert_eq!(status(&access, Method::POST, &own), None);
    }

    #[test]
    fn a_token_is_wanted_where_one_is_set() {
        let access = Access { token: Some("s3cret".to_owned()), any_host: true };
        assert_eq!(status(&access, Method::GET, &[]), Some(401));
        assert_eq!(status(&access, Method::GET, &[("authorization", "Bearer wrong")]), Some(401));
        assert_eq!(status(&access, Method::GET, &[("authorization", "Bearer s3cret")]), None);
        assert_eq!(status(&access, Method::GET, &[("authorization", "Basic dXNlcjpzM2NyZXQ=")]), None);
    }
}
