//! What can go wrong when something is judged.

use lemnis_core::{Classify, ErrorKind};

/// A judgement cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Two lists that belong together differ in length.
    #[error("{what} has {found} values where {wanted} are needed")]
    Length {
        /// Which list.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length it should have.
        wanted: usize,
    },
    /// There is nothing to judge.
    #[error("{what} is empty")]
    Empty {
        /// What is empty.
        what: &'static str,
    },
    /// A number is out of its range.
    #[error("{what} is {value}, which is not {wanted}")]
    Range {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What it should be.
        wanted: &'static str,
    },
    /// An expectation suite cannot be read.
    #[error("the expectation suite cannot be read: {problem}")]
    Suite {
        /// What is wrong with it.
        problem: String,
    },
    /// A table cannot be read.
    #[error("a column cannot be read")]
    Table(#[from] lemnis_table::Error),
    /// The store that keeps verdicts failed.
    #[error("the store of verdicts failed")]
    Store {
        /// Whether it can be reached at all.
        kind: ErrorKind,
        /// What the store said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// A failure of the store.
    pub fn store(source: impl Classify + Send + Sync + 'static) -> Self {
        Error::Store { kind: source.kind(), source: Box::new(source) }
    }
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Error::Store { kind, .. } => *kind,
            Error::Table(error) => error.kind(),
            _ => ErrorKind::Invalid,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Table(error) => error.hint(),
            Error::Suite { .. } => {
                Some("compare it with the suite that `lemnis quickstart` writes".to_owned())
            }
            _ => None,
        }
    }
}
