//! What can go wrong while serving.

use std::path::PathBuf;

use lemnis_core::{Classify, ErrorKind};

/// What calls of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A call on endpoints, rollouts or the prediction log failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such endpoint answers here.
    #[error("there is no endpoint {name:?}")]
    NoEndpoint {
        /// The name asked for.
        name: String,
    },
    /// The endpoint is known and does not answer here.
    #[error("endpoint {name:?} is not up")]
    NotUp {
        /// The endpoint.
        name: String,
    },
    /// The version asked for takes no part in the endpoint.
    #[error("endpoint {endpoint:?} does not serve version {version}")]
    NoVersion {
        /// The endpoint.
        endpoint: String,
        /// The version asked for.
        version: u32,
    },
    /// A rule for rollouts that cannot work.
    #[error("the rollout's policy is wrong: {reason}")]
    Policy {
        /// What is wrong with it.
        reason: String,
    },
    /// The endpoint's present state forbids the act.
    #[error("endpoint {endpoint:?}: {reason}")]
    Conflict {
        /// The endpoint.
        endpoint: String,
        /// Which state, and what it forbids.
        reason: String,
    },
    /// The model failed on this input.
    #[error("version {version} failed to predict")]
    Predict {
        /// The version that failed.
        version: u32,
        /// What the model said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The drill that the arm carries made it fail.
    #[error("version {version} failed by a drill")]
    Drill {
        /// The version that failed.
        version: u32,
    },
    /// The prediction log cannot be used.
    #[error("the prediction log at {path} cannot be {action}")]
    Log {
        /// Which file or folder.
        path: PathBuf,
        /// `read`, `written` or `created`.
        action: &'static str,
        /// What stands in the way.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The thread that writes the prediction log has ended.
    #[error("the prediction log no longer takes rows")]
    LogStopped,
    /// The store that keeps endpoints and rollouts failed.
    #[error("the serving store failed")]
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
            Error::NoEndpoint { .. } | Error::NoVersion { .. } => ErrorKind::NotFound,
            Error::NotUp { .. } => ErrorKind::Unavailable,
            Error::Policy { .. } => ErrorKind::Invalid,
            Error::Conflict { .. } => ErrorKind::Conflict,
            Error::Predict { .. } | Error::Drill { .. } | Error::Log { .. } | Error::LogStopped => {
                ErrorKind::Internal
            }
            Error::Store { kind, .. } => *kind,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::NoEndpoint { .. } => Some("deploy a version to it first: lemnis deploy NAME".to_owned()),
            Error::NotUp { .. } => {
                Some("the server's output says why; deploy a version that can be loaded".to_owned())
            }
            Error::Policy { .. } => Some("steps are percentages that grow, such as [10, 50, 100]".to_owned()),
            _ => None,
        }
    }
}
