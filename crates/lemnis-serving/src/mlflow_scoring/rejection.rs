//! A refused request, as MLflow answers it.

use serde_json::json;

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The body is in a format that is not taken.
    #[error("{message}")]
    Media {
        /// What is taken.
        message: String,
    },
    /// The body cannot be read.
    #[error("{message}")]
    Malformed {
        /// What is wrong with it.
        message: String,
    },
    /// The body was read, but does not match the model's signature.
    #[error("{message}")]
    Schema {
        /// What does not match.
        message: String,
    },
}

impl Rejection {
    pub(crate) fn media(message: &str) -> Self {
        Rejection::Media { message: message.to_owned() }
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Rejection::Malformed { message: message.into() }
    }

    pub(crate) fn schema(message: impl Into<String>) -> Self {
        Rejection::Schema { message: message.into() }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Rejection::Media { .. } => 415,
            Rejection::Malformed { .. } | Rejection::Schema { .. } => 400,
        }
    }

    /// The content type of [`Rejection::body`].
    pub fn content_type(&self) -> &'static str {
        match self {
            Rejection::Media { .. } => "text/plain",
            Rejection::Malformed { .. } | Rejection::Schema { .. } => "application/json",
        }
    }

    /// The answer's body.
    pub fn body(&self) -> String {
        let (code, sqlstate, class) = match self {
            Rejection::Media { message } => return message.clone(),
            Rejection::Malformed { .. } => ("BAD_REQUEST", "KAM00", "INVALID_PARAMETER_VALUE"),
            Rejection::Schema { .. } => ("INVALID_PARAMETER_VALUE", "KAM01", "SCHEMA_ENFORCEMENT_FAILED"),
        };
        json!({ "error_code": code, "message": self.to_string(), "sqlstate": sqlstate, "error_class": class })
            .to_string()
    }
}
