//! What is wrong with a table, where, and how to mend it.

use std::path::PathBuf;

use lemnis_core::{Classify, ErrorKind};

/// A table cannot be read, made or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such file.
    #[error("{} does not exist", path.display())]
    NotFound {
        /// Which file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("{} cannot be {action}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// `read` or `written`.
        action: &'static str,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is larger than the limit.
    #[error("{} is {:.1} GB, more than the {:.1} GB that are read into memory", path.display(), *size_bytes as f64 / 1e9, *limit_bytes as f64 / 1e9)]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// Its size.
        size_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// The file's type is not known.
    #[error("{} is {found}, neither CSV nor Parquet", path.display())]
    UnknownFormat {
        /// Which file.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// The file holds no rows.
    #[error("{} is empty: {missing}", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
        /// What is missing.
        missing: &'static str,
    },
    /// A line of a CSV file is not as it must be.
    #[error("{} line {line}: {problem}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// The line, the first being 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
        /// How to mend it.
        remedy: &'static str,
    },
    /// A Parquet file is broken or holds what no column here can hold.
    #[error("{} is no readable Parquet file: {problem}", path.display())]
    Parquet {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A column that is not there.
    #[error("there is no column {name:?}")]
    NoColumn {
        /// The name asked for.
        name: String,
        /// The names there are.
        names: Vec<String>,
    },
    /// A column that is not of the kind asked for.
    #[error("column {name:?} is {found}, not {wanted}")]
    WrongKind {
        /// The column.
        name: String,
        /// What it is.
        found: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// Columns that make no table.
    #[error("these columns make no table: {problem}")]
    Shape {
        /// What is wrong with them.
        problem: String,
    },
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Error::Io { .. } => ErrorKind::Internal,
            _ => ErrorKind::Invalid,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::NotFound { .. } => Some("check the path".to_owned()),
            Error::TooLarge { .. } => {
                Some("give a sample of its rows, or Parquet with fewer columns".to_owned())
            }
            Error::UnknownFormat { .. } => Some("give a .csv, .tsv or .parquet file".to_owned()),
            Error::Parquet { .. } => {
                Some("write the file again; its writer may have been interrupted".to_owned())
            }
            Error::Empty { .. } => Some("give a file with a header line and rows below it".to_owned()),
            Error::Line { remedy, .. } => Some((*remedy).to_owned()),
            Error::NoColumn { names, .. } => Some(columns(names)),
            _ => None,
        }
    }
}

/// The names there are, as many as one line can show.
fn columns(names: &[String]) -> String {
    const SHOWN: usize = 30;
    match names.len() {
        0 => "it has no columns".to_owned(),
        count if count <= SHOWN => format!("its columns are {}", names.join(", ")),
        count => format!("its columns are {} and {} more", names[..SHOWN].join(", "), count - SHOWN),
    }
}
