//! Everything that can go wrong with a model, as one enum that classifies itself.

use std::path::PathBuf;

use lemnis_core::{Classify, ErrorKind};

/// A failure of loading, running, training or saving a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the model folder cannot be read or written.
    #[error("{} cannot be {action}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// `read` or `written`.
        action: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// There is no model in the folder.
    #[error("{} holds no model: neither MLmodel nor model.onnx is there", path.display())]
    NoModel {
        /// The folder.
        path: PathBuf,
    },
    /// A file is larger than a limit.
    #[error("{what} is {size}, more than the limit of {limit}")]
    TooLarge {
        /// What was measured, with its unit.
        what: String,
        /// What it measures.
        size: u64,
        /// What is allowed.
        limit: u64,
    },
    /// `model.onnx` is not a protobuf message of an ONNX model.
    #[error("the file is not an ONNX model")]
    NotOnnx(#[source] prost::DecodeError),
    /// `MLmodel` is not what MLflow writes.
    #[error("MLmodel: {0}")]
    MlModel(String),
    /// The graph is inconsistent.
    #[error("the ONNX graph is broken: {0}")]
    Graph(String),
    /// The graph uses something the interpreter does not have.
    #[error("the ONNX graph needs {0}, which this interpreter does not have")]
    Unsupported(String),
    /// The columns of a frame disagree.
    #[error("{0}")]
    Frame(String),
    /// The input lacks a column the model needs.
    #[error("the input has no column {0:?}, which the model needs")]
    MissingColumn(String),
    /// A column holds another type than the model takes.
    #[error("column {column:?} holds {found}, the model takes {expected}")]
    ColumnType {
        /// Which column.
        column: String,
        /// What it holds.
        found: &'static str,
        /// What the model takes.
        expected: &'static str,
    },
    /// An operator met values it cannot work on.
    #[error("operator {operator} in the model: {reason}")]
    Operator {
        /// Its ONNX name.
        operator: String,
        /// What is wrong with the values.
        reason: String,
    },
    /// The training data cannot be learnt from.
    #[error("training: {reason}")]
    Training {
        /// What is wrong.
        reason: String,
        /// How to mend it.
        hint: Option<&'static str>,
    },
    /// A parameter of the trainer is out of range.
    #[error("training parameter {name} is {value}, it must be {allowed}")]
    Param {
        /// Which parameter.
        name: &'static str,
        /// What was given.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
}

/// The crate's result.
pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn graph(reason: impl Into<String>) -> Self {
        Error::Graph(reason.into())
    }

    pub(crate) fn training(reason: impl Into<String>, hint: Option<&'static str>) -> Self {
        Error::Training { reason: reason.into(), hint }
    }
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Error::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                ErrorKind::NotFound
            }
            Error::File { .. } => ErrorKind::Internal,
            Error::NoModel { .. } => ErrorKind::NotFound,
            Error::TooLarge { .. } => ErrorKind::Exhausted,
            _ => ErrorKind::Invalid,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::NoModel { .. } => {
                Some("point at a folder that mlflow.onnx.save_model or `lemnis train` wrote".to_owned())
            }
            Error::Unsupported(what) if what.starts_with("operator") => {
                Some("export the model with the operators of classic machine learning, zipmap off".to_owned())
            }
            Error::NotOnnx(_) => Some("export the model again; the file may be cut short".to_owned()),
            Error::Training { hint, .. } => hint.map(str::to_owned),
            Error::ColumnType { .. } | Error::MissingColumn(_) => {
                Some("compare the input with the model's signature".to_owned())
            }
            _ => None,
        }
    }
}
