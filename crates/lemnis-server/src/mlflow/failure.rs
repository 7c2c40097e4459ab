//! MLflow's error model: `{"error_code", "message"}` with the status that belongs to the code.

use axum::Json;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use lemnis_core::ErrorKind;
use lemnis_tracking::{Code, Error};
use serde_json::json;

/// A refusal or a failure on its way to the client.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What the domain says.
    Domain(Error),
    /// The artifact store failed.
    Artifacts(object_store::Error),
    /// Clients may not go past the proxy; the client falls back to it.
    NotDirect {
        /// What it asked for, in MLflow's words.
        what: &'static str,
    },
    /// Nothing is served there.
    UnknownEndpoint(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Domain(error)
    }
}

impl From<object_store::Error> for Failure {
    fn from(error: object_store::Error) -> Self {
        Failure::Artifacts(error)
    }
}

impl Failure {
    /// What it says to the client, without its code.
    pub(super) fn message(&self) -> String {
        match self {
            Failure::Domain(Error::Refused { message, .. }) => message.clone(),
            Failure::Domain(error) => chain(error),
            Failure::Artifacts(error) => chain(error),
            Failure::NotDirect { what } => not_direct(what),
            Failure::UnknownEndpoint(path) => format!("No endpoint is served at {path}"),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, code, message) = match self {
            Failure::Domain(Error::Refused { code, message }) => (status(code), code.as_str(), message),
            Failure::Domain(error @ Error::Store { kind: ErrorKind::Unavailable, .. }) => {
                tracing::error!(error = chain(&error), "a tracking request found no database");
                (StatusCode::SERVICE_UNAVAILABLE, "TEMPORARILY_UNAVAILABLE", chain(&error))
            }
            Failure::Domain(error @ Error::Store { kind: ErrorKind::Invalid, .. }) => {
                (StatusCode::BAD_REQUEST, Code::InvalidParameterValue.as_str(), error_of_store(&error))
            }
            Failure::Domain(error @ Error::Store { .. }) => {
                tracing::error!(error = chain(&error), "a tracking request failed");
                (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", chain(&error))
            }
            Failure::Artifacts(error) => return artifacts(error),
            Failure::NotDirect { what } => (StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", not_direct(what)),
            Failure::UnknownEndpoint(path) => {
                (StatusCode::NOT_FOUND, "ENDPOINT_NOT_FOUND", format!("No endpoint is served at {path}"))
            }
        };
        answer(status, code, &message)
    }
}

/// The beginning is what MLflow's client looks for before it falls back.
fn not_direct(what: &str) -> String {
    format!(
        "{what} is not supported for the current artifact repository: use the proxy, or start the server with \
         --direct-artifacts on an object store that offers it"
    )
}

fn status(code: Code) -> StatusCode {
    match code {
        Code::InvalidParameterValue | Code::ResourceAlreadyExists | Code::BadRequest => {
            StatusCode::BAD_REQUEST
        }
        Code::ResourceDoesNotExist => StatusCode::NOT_FOUND,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
    }
}

pub(super) fn answer(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({"error_code": code, "message": message}))).into_response()
}

fn artifacts(error: object_store::Error) -> Response {
    if let object_store::Error::NotFound { path, .. } = &error {
        return answer(
            StatusCode::NOT_FOUND,
            "RESOURCE_DOES_NOT_EXIST",
            &format!("No such artifact: '{path}'"),
        );
    }
    if matches!(error, object_store::Error::InvalidPath { .. }) || io_kind(&error).is_some_and(misplaced) {
        return answer(StatusCode::BAD_REQUEST, "INVALID_PARAMETER_VALUE", "Invalid path");
    }
    tracing::error!(error = chain(&error), "an artifact request failed");
    answer(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", &chain(&error))
}

/// Failures that a path causes which the file system cannot take: a folder in place of a file, a name too long.
fn misplaced(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind;
    matches!(
        kind,
        ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::InvalidFilename
            | ErrorKind::DirectoryNotEmpty
    )
}

fn io_kind(error: &object_store::Error) -> Option<std::io::ErrorKind> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return Some(io.kind());
        }
        cause = error.source();
    }
    None
}

/// What the store says, without the words of its database.
fn error_of_store(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// The error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

pub(super) async fn unknown_endpoint(method: Method, uri: Uri) -> Failure {
    Failure::UnknownEndpoint(format!("{method} {}", uri.path()))
}
