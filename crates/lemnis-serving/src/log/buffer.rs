//! The open file of one endpoint, as growing columns.

use std::path::PathBuf;

use lemnis_model::Frame;
use lemnis_table::{Column, Table};

use super::Row;
use super::columns::{append, append_missing, feature_column, like, output_column, takes};
use crate::Result;

/// Rows after which a file is closed. A file is rewritten as a whole until then.
pub(super) const FILE_ROWS: usize = 8_192;
/// Bytes of rows after which a file is closed, because it is kept in memory until then.
const FILE_BYTES: usize = 32 << 20;

/// Rows of one endpoint that share their columns and the file they go to.
pub(super) struct Buffer {
    pub(super) path: PathBuf,
    /// Rows that are in no file yet, and the requests that they belong to.
    pub(super) unwritten: usize,
    pub(super) unwritten_requests: u64,
    bytes: usize,
    request_id: Vec<Option<String>>,
    row: Vec<Option<i64>>,
    at_us: Vec<Option<i64>>,
    model_version: Vec<Option<i64>>,
    arm: Vec<Option<String>>,
    status: Vec<Option<String>>,
    latency_us: Vec<Option<i64>>,
    features: Vec<(String, Column)>,
    outputs: Vec<(String, Column)>,
}

impl Buffer {
    /// An empty buffer for rows like `first`, to be written to `path`.
    pub(super) fn new(path: PathBuf, first: &Row) -> Self {
        Self {
            path,
            unwritten: 0,
            unwritten_requests: 0,
            bytes: 0,
            request_id: Vec::new(),
            row: Vec::new(),
            at_us: Vec::new(),
            model_version: Vec::new(),
            arm: Vec::new(),
            status: Vec::new(),
            latency_us: Vec::new(),
            features: first
                .features
                .columns()
                .map(|(name, column)| (name.to_owned(), like(column)))
                .collect(),
            outputs: match &first.outputs {
                Some(outputs) => {
                    outputs.columns().map(|(name, column)| (name.to_owned(), like(column))).collect()
                }
                None => Vec::new(),
            },
        }
    }

    /// Whether `row` has this buffer's columns; whole numbers and floats meet in floats. A failed request has no outputs and fits any.
    pub(super) fn fits(&self, row: &Row) -> bool {
        same_columns(&self.features, &row.features)
            && row.outputs.as_ref().is_none_or(|outputs| same_columns(&self.outputs, outputs))
    }

    pub(super) fn is_full(&self) -> bool {
        self.row.len() >= FILE_ROWS || self.bytes >= FILE_BYTES
    }

    /// Appends a row that fits.
    pub(super) fn push(&mut self, row: Row) {
        let count = row.features.rows();
        self.bytes += row.bytes();
        let at_us = row.at_ms.saturating_mul(1_000);
        let latency_us = i64::try_from(row.latency.as_micros()).unwrap_or(i64::MAX);
        for place in 0..count {
            self.row.push(i64::try_from(place).ok());
        }
        let target = self.row.len();
        self.request_id.resize(target, Some(row.request_id));
        self.at_us.resize(target, Some(at_us));
        self.model_version.resize(target, Some(i64::from(row.version)));
        self.arm.resize(target, Some(row.arm.as_str().to_owned()));
        self.status.resize(target, Some(row.status.as_str().to_owned()));
        self.latency_us.resize(target, Some(latency_us));
        grow(&mut self.features, Some(&row.features), count);
        grow(&mut self.outputs, row.outputs.as_deref(), count);
        self.unwritten += count;
        self.unwritten_requests += 1;
    }

    /// Writes every row so far to the file, replacing what it held.
    pub(super) fn write(&mut self) -> Result<(), lemnis_table::Error> {
        self.table()?.write_parquet(&self.path)?;
        self.unwritten = 0;
        self.unwritten_requests = 0;
        Ok(())
    }

    /// Every row so far, as the file holds them once it is written.
    pub(super) fn table(&self) -> Result<Table, lemnis_table::Error> {
        let mut columns = vec![
            ("request_id".to_owned(), Column::Text(self.request_id.clone())),
            ("row".to_owned(), Column::Int(self.row.clone())),
            ("at_us".to_owned(), Column::Timestamp(self.at_us.clone())),
            ("model_version".to_owned(), Column::Int(self.model_version.clone())),
            ("arm".to_owned(), Column::Text(self.arm.clone())),
            ("status".to_owned(), Column::Text(self.status.clone())),
            ("latency_us".to_owned(), Column::Int(self.latency_us.clone())),
        ];
        let features =
            self.features.iter().map(|(name, column)| (feature_column(name).into_owned(), column.clone()));
        columns.extend(features);
        columns.extend(self.outputs.iter().map(|(name, column)| (output_column(name), column.clone())));
        Table::from_columns(columns)
    }
}

fn same_columns(columns: &[(String, Column)], frame: &Frame) -> bool {
    let other = frame.columns();
    columns.len() == other.len()
        && columns
            .iter()
            .zip(other)
            .all(|((name, column), (found, values))| name == found && takes(column, values))
}

/// Appends a frame's columns, or missing values where there is none.
fn grow(columns: &mut [(String, Column)], frame: Option<&Frame>, count: usize) {
    match frame {
        Some(frame) => {
            for ((_, column), (_, values)) in columns.iter_mut().zip(frame.columns()) {
                if !append(column, values) {
                    append_missing(column, count);
                }
            }
        }
        None => columns.iter_mut().for_each(|(_, column)| append_missing(column, count)),
    }
}
