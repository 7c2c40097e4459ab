//! What can go wrong, with MLflow's error code beside every message.
//!
//! A caller's mistake is always [`Error::Refused`]; only a broken store is an internal failure, because MLflow's
//! client repeats a request for minutes when it is answered with a 5xx status.

use lemnis_core::{Classify, ErrorKind};

/// MLflow's error codes that this crate answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// `INVALID_PARAMETER_VALUE`: a missing, malformed or forbidden value.
    InvalidParameterValue,
    /// `RESOURCE_DOES_NOT_EXIST`: nothing has that name or id.
    ResourceDoesNotExist,
    /// `RESOURCE_ALREADY_EXISTS`: the name is taken.
    ResourceAlreadyExists,
    /// `BAD_REQUEST`: the request cannot be read at all.
    BadRequest,
    /// `PERMISSION_DENIED`: known, but not allowed.
    PermissionDenied,
}

impl Code {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::InvalidParameterValue => "INVALID_PARAMETER_VALUE",
            Code::ResourceDoesNotExist => "RESOURCE_DOES_NOT_EXIST",
            Code::ResourceAlreadyExists => "RESOURCE_ALREADY_EXISTS",
            Code::BadRequest => "BAD_REQUEST",
            Code::PermissionDenied => "PERMISSION_DENIED",
        }
    }
}

/// A tracking call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request contradicts a rule or names something that is not there.
    #[error("{message}")]
    Refused {
        /// MLflow's code.
        code: Code,
        /// MLflow's message.
        message: String,
    },
    /// The store that keeps the state failed.
    #[error("the tracking store failed")]
    Store {
        /// Whether it can be reached at all.
        kind: ErrorKind,
        /// What the store said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// `INVALID_PARAMETER_VALUE` with `message`.
    pub fn invalid(message: impl Into<String>) -> Self {
        Error::Refused { code: Code::InvalidParameterValue, message: message.into() }
    }

    /// `RESOURCE_DOES_NOT_EXIST` with `message`.
    pub fn missing(message: impl Into<String>) -> Self {
        Error::Refused { code: Code::ResourceDoesNotExist, message: message.into() }
    }

    /// `RESOURCE_ALREADY_EXISTS` with `message`.
    pub fn exists(message: impl Into<String>) -> Self {
        Error::Refused { code: Code::ResourceAlreadyExists, message: message.into() }
    }

    /// No experiment has `id`.
    pub fn no_experiment(id: impl std::fmt::Display) -> Self {
        Error::missing(format!("No Experiment with id={id} exists"))
    }

    /// No run has `id`.
    pub fn no_run(id: impl std::fmt::Display) -> Self {
        Error::missing(format!("Run with id={id} not found"))
    }

    /// No logged model has `id`.
    pub fn no_logged_model(id: impl std::fmt::Display) -> Self {
        Error::missing(format!("Logged model with ID '{id}' not found."))
    }

    /// No registered model is called `name`.
    pub fn no_model(name: &str) -> Self {
        Error::missing(format!("Registered Model with name={name} not found"))
    }

    /// A model or a prompt called `name` is to be made, and there is one already.
    pub fn model_exists(name: &str, old_is_prompt: bool, new_is_prompt: bool) -> Self {
        let words = |is_prompt| {
            if is_prompt { ("Prompt", "prompt") } else { ("Registered Model", "registered model") }
        };
        let (old, new) = (words(old_is_prompt), words(new_is_prompt));
        if old == new {
            return Error::exists(format!("{} (name={name}) already exists.", new.0));
        }
        Error::exists(format!(
            "Tried to create a {} with name '{name}', but the name is already taken by a {}. MLflow does not allow \
             creating a model and a prompt with the same name.",
            new.1, old.1
        ))
    }

    /// The model `name` has no such version.
    pub fn no_version(name: &str, version: u32) -> Self {
        Error::missing(format!("Model Version (name={name}, version={version}) not found"))
    }

    /// No version carries `alias`; MLflow calls that a bad argument.
    pub fn no_alias(alias: &str) -> Self {
        Error::invalid(format!("Registered model alias {alias} not found."))
    }

    /// A failure of the store.
    pub fn store(source: impl Classify + Send + Sync + 'static) -> Self {
        Error::Store { kind: source.kind(), source: Box::new(source) }
    }
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Error::Refused { code: Code::InvalidParameterValue | Code::BadRequest, .. } => ErrorKind::Invalid,
            Error::Refused { code: Code::ResourceDoesNotExist, .. } => ErrorKind::NotFound,
            Error::Refused { code: Code::ResourceAlreadyExists, .. } => ErrorKind::AlreadyExists,
            Error::Refused { code: Code::PermissionDenied, .. } => ErrorKind::PermissionDenied,
            Error::Store { kind, .. } => *kind,
        }
    }
}
