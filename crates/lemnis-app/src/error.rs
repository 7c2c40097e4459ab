//! What can go wrong in a use-case, classified once for HTTP and exit codes.

use std::path::PathBuf;

use lemnis_core::{Action, Classify, ErrorKind};

/// A use-case failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The principal's role does not allow the act.
    #[error("{name} may not {action:?} here")]
    Denied {
        /// Who asked.
        name: String,
        /// What was asked.
        action: Action,
    },
    /// A name that nothing answers to.
    #[error("there is no {what} {name:?}")]
    Missing {
        /// The kind of thing, such as `endpoint`.
        what: &'static str,
        /// The name asked for.
        name: String,
    },
    /// The project's settings or the caller's words are wrong.
    #[error("{message}")]
    Invalid {
        /// What is wrong and where.
        message: String,
        /// How to mend it.
        hint: Option<String>,
    },
    /// The present state forbids the act.
    #[error("{message}")]
    Conflict {
        /// Which state, and what it forbids.
        message: String,
        /// How to get out of it.
        hint: Option<String>,
    },
    /// A file of the project cannot be read or written.
    #[error("{path}: cannot be {action}")]
    File {
        /// Which file.
        path: PathBuf,
        /// `read`, `written` or `created`.
        action: &'static str,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// A domain crate failed.
    #[error("{context}")]
    Domain {
        /// What was being done.
        context: String,
        /// How bad it is, as the domain says.
        kind: ErrorKind,
        /// The domain's own remedy.
        hint: Option<String>,
        /// The domain's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// A usage error without a remedy of its own.
    pub fn invalid(message: impl Into<String>) -> Self {
        Error::Invalid { message: message.into(), hint: None }
    }

    /// A usage error with its remedy.
    pub fn invalid_with(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Error::Invalid { message: message.into(), hint: Some(hint.into()) }
    }

    /// A state that forbids the act, with the way out.
    pub fn conflict(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Error::Conflict { message: message.into(), hint: Some(hint.into()) }
    }

    /// Wraps an I/O failure of `path`.
    pub fn file(path: impl Into<PathBuf>, action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Error::File { path, action, source }
    }
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Error::Denied { .. } => ErrorKind::PermissionDenied,
            Error::Missing { .. } => ErrorKind::NotFound,
            Error::Invalid { .. } => ErrorKind::Invalid,
            Error::Conflict { .. } => ErrorKind::Conflict,
            Error::File { .. } => ErrorKind::Internal,
            Error::Domain { kind, .. } => *kind,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Invalid { hint, .. } | Error::Conflict { hint, .. } | Error::Domain { hint, .. } => {
                hint.clone()
            }
            Error::Denied { .. } => Some("ask an owner of the project to do it".to_owned()),
            _ => None,
        }
    }
}

/// Says what was being done when a domain crate failed, keeping the domain's kind and hint.
pub trait Context<T> {
    /// Wraps the error with `context`, a phrase such as `training the model`.
    fn context(self, context: impl Into<String>) -> Result<T, Error>;
}

impl<T, E> Context<T> for Result<T, E>
where
    E: Classify + Send + Sync + 'static,
{
    fn context(self, context: impl Into<String>) -> Result<T, Error> {
        self.map_err(|error| Error::Domain {
            context: context.into(),
            kind: error.kind(),
            hint: error.hint(),
            source: Box::new(error),
        })
    }
}
