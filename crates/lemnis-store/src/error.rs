//! What can go wrong between us and the database, or a remote.

use std::path::PathBuf;
use std::sync::Arc;

use lemnis_core::{Classify, ErrorKind, LogError};

use crate::sql;

/// The store failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be opened.
    #[error("the database {place} cannot be opened")]
    Open {
        /// Which file, or which URL without its password.
        place: String,
        /// What the database said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
        /// It may be reached later.
        away: bool,
    },
    /// The schema cannot be brought up to date.
    #[error("the database's schema cannot be brought up to date")]
    Migrate {
        /// What stands in the way.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A newer Lemnis wrote the database.
    #[error("the database has schema {found}, and this lemnis knows {known}")]
    TooNew {
        /// The number of its newest migration.
        found: i64,
        /// The number of ours.
        known: i64,
    },
    /// A statement failed.
    #[error("a database statement failed")]
    Sql {
        /// What the database said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A text holds a character that the database cannot keep.
    #[error("a text must not contain the character NUL (U+0000)")]
    Nul {
        /// What the database said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database cannot be reached now.
    #[error("the database cannot be reached")]
    Away {
        /// What stands in the way.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The transaction of this job was lost, or whether it was committed is not known.
    #[error("the transaction was not committed")]
    Lost {
        /// What the database said.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
        /// The connection broke.
        away: bool,
    },
    /// The thread that writes cannot be started.
    #[error("the thread that writes to the database cannot be started")]
    Thread {
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The thread that writes has ended.
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
    /// The artifacts' object store did not do what it was asked.
    #[error("the object store failed")]
    Objects {
        /// What it said.
        #[source]
        source: object_store::Error,
    },
    /// A text that was given as a key is none.
    #[error("the key for the secrets of webhooks is not 32 bytes in base64")]
    SecretKey,
    /// The file with the key for secrets cannot be used.
    #[error("the file {path} with the key for secrets cannot be used")]
    SecretKeyFile {
        /// Which file.
        path: PathBuf,
        /// What stands in the way.
        #[source]
        source: std::io::Error,
    },
    /// A secret is to be kept and there is no key for it.
    #[error("there is no key to encrypt a secret with")]
    NoSecretKey,
    /// A secret is too long to be encrypted.
    #[error("a secret of {bytes} bytes is too long")]
    SecretTooLong {
        /// Its length.
        bytes: usize,
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

impl Error {
    pub(crate) fn open(place: impl std::fmt::Display, source: sql::Error) -> Self {
        Error::Open { place: place.to_string(), away: source.is_away(), source: Box::new(source) }
    }

    pub(crate) fn lost(source: Arc<sql::Error>) -> Self {
        Error::Lost { away: source.is_away(), source }
    }

    fn statement(source: sql::Error) -> Self {
        match (source.is_away(), source.is_nul()) {
            (true, _) => Error::Away { source: Box::new(source) },
            (_, true) => Error::Nul { source: Box::new(source) },
            _ => Error::Sql { source: Box::new(source) },
        }
    }
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Error::Remote { .. } | Error::Nul { .. } | Error::SecretKey | Error::SecretTooLong { .. } => {
                ErrorKind::Invalid
            }
            Error::Away { .. } | Error::Open { away: true, .. } | Error::Lost { away: true, .. } => {
                ErrorKind::Unavailable
            }
            _ => ErrorKind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::TooNew { .. } => Some("a newer lemnis wrote this database: update lemnis".to_owned()),
            Error::Open { place, .. } if !place.contains("://") => {
                Some(format!("check that {place} is a writable file or folder"))
            }
            Error::Open { .. } => {
                Some("check that the database runs and that the URL and password fit".to_owned())
            }
            Error::SecretKey => {
                Some("`openssl rand -base64 32` makes one; several are separated by commas".to_owned())
            }
            _ => None,
        }
    }
}

/// Why a job on a connection ended: the database or the domain's own rule.
#[derive(Debug)]
pub(crate) enum Fail<E> {
    /// A statement failed.
    Sql(sql::Error),
    /// The domain refuses.
    Domain(E),
}

impl<E: Fault> Fail<E> {
    pub(crate) fn into_domain(self) -> E {
        match self {
            Fail::Sql(source) => E::fault(Error::statement(source)),
            Fail::Domain(error) => error,
        }
    }
}

impl<E> From<sql::Error> for Fail<E> {
    fn from(error: sql::Error) -> Self {
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
        LogError { action: "used", kind: error.kind(), source: Box::new(error) }
    }
}
