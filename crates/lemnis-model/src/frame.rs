//! What models take and give: named columns of equal length.
//!
//! Missing values are in band, as in the model's own arithmetic: NaN in a float column, the empty string in a text
//! column. A whole-number column has no missing value; one that does travels as floats.

use std::collections::HashSet;

use crate::error::{Error, Result};

const MAX_COLUMNS: usize = 20_000;

/// One column of a [`Frame`].
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Numbers; NaN is missing.
    Float(Vec<f64>),
    /// Whole numbers, none missing.
    Int(Vec<i64>),
    /// Text; the empty string is missing.
    Text(Vec<String>),
}

impl Column {
    /// How many values the column holds.
    pub fn len(&self) -> usize {
        match self {
            Column::Float(values) => values.len(),
            Column::Int(values) => values.len(),
            Column::Text(values) => values.len(),
        }
    }

    /// Whether the column holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Column::Float(_) => "numbers",
            Column::Int(_) => "whole numbers",
            Column::Text(_) => "text",
        }
    }

    /// Value `row` as a 32-bit float, or `None` for text.
    pub(crate) fn as_f32(&self, row: usize) -> Option<f32> {
        match self {
            Column::Float(values) => values.get(row).map(|value| *value as f32),
            Column::Int(values) => values.get(row).map(|value| *value as f32),
            Column::Text(_) => None,
        }
    }
}

/// Named columns of equal length, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    columns: Vec<(String, Column)>,
    rows: usize,
}

impl Frame {
    /// A frame of `columns`. Fails when lengths differ, a name repeats, or there are more than 20,000 columns.
    pub fn new(columns: Vec<(String, Column)>) -> Result<Self> {
        if columns.len() > MAX_COLUMNS {
            return Err(Error::TooLarge {
                what: "the number of columns".to_owned(),
                size: columns.len() as u64,
                limit: MAX_COLUMNS as u64,
            });
        }
        let rows = columns.first().map_or(0, |(_, column)| column.len());
        if let Some((name, column)) = columns.iter().find(|(_, column)| column.len() != rows) {
            return Err(Error::Frame(format!(
                "column {name:?} has {} values, the first column has {rows}",
                column.len()
            )));
        }
        let mut seen = HashSet::with_capacity(columns.len());
        if let Some((name, _)) = columns.iter().find(|(name, _)| !seen.insert(name.as_str())) {
            return Err(Error::Frame(format!("column {name:?} is there twice")));
        }
        Ok(Self { columns, rows })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns with their names, in order.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = (&str, &Column)> {
        self.columns.iter().map(|(name, column)| (name.as_str(), column))
    }

    /// The column called `name`.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|(other, _)| other == name).map(|(_, column)| column)
    }

    /// The column called `name`, looked for first at `position`: callers keep the model's order, mostly.
    pub(crate) fn column_near(&self, name: &str, position: usize) -> Option<&Column> {
        match self.columns.get(position) {
            Some((other, column)) if other == name => Some(column),
            _ => self.column(name),
        }
    }

    /// Takes the frame apart.
    pub fn into_columns(self) -> Vec<(String, Column)> {
        self.columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_different_length_are_refused() {
        let columns = vec![
            ("a".to_owned(), Column::Int(vec![1, 2])),
            ("b".to_owned(), Column::Text(vec!["x".to_owned()])),
        ];
        let error = Frame::new(columns).unwrap_err();
        assert_eq!(error.to_string(), "column \"b\" has 1 values, the first column has 2");
    }

    #[test]
    fn a_name_stands_only_once() {
        let columns = vec![("a".to_owned(), Column::Int(vec![1])), ("a".to_owned(), Column::Int(vec![1]))];
        assert!(Frame::new(columns).unwrap_err().to_string().contains("twice"));
    }
}
