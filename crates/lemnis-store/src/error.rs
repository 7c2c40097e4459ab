//! What can go wrong between us and SQLite, or a remote.

use std::path::PathBuf;
use std::sync::Arc;

use lemnis_core::{Classify, ErrorKind, LogError};

/// The store failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be opened.
    #[error("the database {path} cannot be opened")]
    Open {
        /// Which file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: sqlx::Error,
    },
    /// The schema cannot be brought up to date.
    #[error("the database's schema cannot be brought up to date")]
    Migrate {
        /// What stands in the way.
        #[source]
        source: sqlx::migrate::MigrateError,
    },
    /// A statement failed.
    #[error("a database statement failed")]
    Sql {
        /// What SQLite said.
        #[source]
        source: sqlx::Error,
    },
    /// The transaction that this job shared with others was lost.
    #[error("the transaction was not committed")]
    Lost {
        /// What SQLite said.
        #[source]
        source: Arc<sqlx::Error>,
    },
    /// The task that writes has ended.
    #[error("the database no longer takes writes")]
    Stopped,
    /// A remote cannot be opened.
    #[error("the remote {url} cannot be opened: {message}")]
    Remote {
        /// Its URL, without a password.
        url: String,
        /// What stands in the way.
        message: String,
    },
    /// The folder of the artifacts cannot be used.
    #[error("the artifact folder {path} cannot be used")]
    Artifacts {
        /// Which folder.
        path: PathBuf,
        /// What stands in the way.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Error::Remote { .. } => ErrorKind::Invalid,
            _ => ErrorKind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Migrate { source: sqlx::migrate::MigrateError::VersionMissing(_) } => {
                Some("a newer lemnis wrote this database: update lemnis".to_owned())
            }
            Error::Open { path, .. } => {
                Some(format!("check that {} is a writable file or folder", path.display()))
            }
            _ => None,
        }
    }
}

/// Why a job on a connection ended: the database or the domain's own rule.
#[derive(Debug)]
pub(crate) enum Fail<E> {
    /// A statement failed.
    Sql(sqlx::Error),
    /// The domain refuses.
    Domain(E),
}

impl<E: Fault> Fail<E> {
    pub(crate) fn into_domain(self) -> E {
        match self {
            Fail::Sql(source) => E::fault(Error::Sql { source }),
            Fail::Domain(error) => error,
        }
    }
}

impl<E> From<sqlx::Error> for Fail<E> {
    fn from(error: sqlx::Error) -> Self {
        Fail::Sql(error)
    }
}

/// An error enum of a port that can say that its store failed.
pub(crate) trait Fault: Send + 'static {
    fn fault(error: Error) -> Self;
}

impl Fault for lemnis_tracking::Error {
    fn fault(error: Error) -> Self {
        lemnis_tracking::Error::store(error)
    }
}

impl From<lemnis_tracking::Error> for Fail<lemnis_tracking::Error> {
    fn from(error: lemnis_tracking::Error) -> Self {
        Fail::Domain(error)
    }
}

impl Fault for LogError {
    fn fault(error: Error) -> Self {
        LogError { action: "used", source: Box::new(error) }
    }
}
