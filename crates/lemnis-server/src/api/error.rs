//! Use-case errors as answers: the kind decides the status, the body says what, why and how to mend it.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use lemnis_core::{Classify, ErrorKind};

/// A failed call.
pub(crate) struct ApiError {
    kind: ErrorKind,
    error: String,
    causes: Vec<String>,
    hint: Option<String>,
}

impl ApiError {
    pub(crate) fn invalid(error: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Invalid, error: error.into(), causes: Vec::new(), hint: None }
    }
}

impl ApiError {
    pub(crate) fn internal(error: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Internal, error: error.into(), causes: Vec::new(), hint: None }
    }
}

impl<E: Classify> From<E> for ApiError {
    fn from(error: E) -> Self {
        let mut causes = Vec::new();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        Self { kind: error.kind(), error: error.to_string(), causes, hint: error.hint() }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if self.kind == ErrorKind::Internal {
            tracing::error!(error = self.error, causes = ?self.causes, "a request failed");
        }
        let status =
            StatusCode::from_u16(self.kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::json!({
            "error": self.error,
            "causes": self.causes,
            "hint": self.hint,
            "kind": self.kind,
        });
        (status, Json(body)).into_response()
    }
}
