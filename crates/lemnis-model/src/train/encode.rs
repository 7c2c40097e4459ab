//! From a frame's columns to columns of 32-bit floats, exactly as the exported graph makes them.

use std::collections::HashMap;

use super::categories;
use super::target::Goal;
use crate::error::{Error, Result};
use crate::frame::{Column, Frame};

/// How one column becomes numbers.
#[derive(Debug)]
pub(crate) enum Encoding {
    Float,
    Int,
    /// Categories; a category's code is its position.
    Text(Vec<String>),
}

/// The encodings of all columns, by name.
#[derive(Debug)]
pub(crate) struct Encoder {
    pub(crate) columns: Vec<(String, Encoding)>,
}

impl Encoder {
    pub(crate) fn fit(frame: &Frame, goal: &Goal) -> Self {
        let columns = frame
            .columns()
            .map(|(name, column)| {
                let encoding = match column {
                    Column::Float(_) => Encoding::Float,
                    Column::Int(_) => Encoding::Int,
                    Column::Text(texts) => Encoding::Text(categories::ordered(texts, goal)),
                };
                (name.to_owned(), encoding)
            })
            .collect();
        Self { columns }
    }

    /// The columns of `frame` as numbers, NaN for missing and unknown.
    pub(crate) fn encode(&self, frame: &Frame) -> Result<Vec<Vec<f32>>> {
        let mut encoded = Vec::with_capacity(self.columns.len());
        for (position, (name, encoding)) in self.columns.iter().enumerate() {
            let column =
                frame.column_near(name, position).ok_or_else(|| Error::MissingColumn(name.clone()))?;
            encoded.push(match (column, encoding) {
                (Column::Text(texts), Encoding::Text(categories)) => {
                    let codes: HashMap<&str, f32> = categories
                        .iter()
                        .enumerate()
                        .map(|(code, category)| (category.as_str(), code as f32))
                        .collect();
                    texts.iter().map(|text| codes.get(text.as_str()).copied().unwrap_or(f32::NAN)).collect()
                }
                (Column::Float(values), Encoding::Float | Encoding::Int) => {
                    values.iter().map(|value| *value as f32).collect()
                }
                (Column::Int(values), Encoding::Float | Encoding::Int) => {
                    values.iter().map(|value| *value as f32).collect()
                }
                _ => {
                    let expected = if matches!(encoding, Encoding::Text(_)) { "text" } else { "numbers" };
                    return Err(Error::ColumnType { column: name.clone(), found: column.kind(), expected });
                }
            });
        }
        Ok(encoded)
    }
}
