//! What can go wrong with runs.

use std::path::PathBuf;

use lemnis_core::{Classify, ErrorKind};

/// What calls of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A call on flow runs failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A new run breaks a rule.
    #[error("a flow run cannot be queued: {reason}")]
    Invalid {
        /// Which rule.
        reason: String,
    },
    /// A log or process file cannot be used.
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
    /// The store that keeps the queue failed.
    #[error("the queue's store failed")]
    Store {
        /// Whether it can be reached at all.
        kind: ErrorKind,
        /// What the store said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Wraps a failure of the store.
    pub fn store(source: impl Classify + Send + Sync + 'static) -> Self {
        Error::Store { kind: source.kind(), source: Box::new(source) }
    }
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Error::Invalid { .. } => ErrorKind::Invalid,
            Error::Store { kind, .. } => *kind,
            Error::File { .. } => ErrorKind::Internal,
        }
    }
}
