//! From tables to what models take: the one place where `lemnis-table` and `lemnis-model` meet.

use std::path::Path;

use lemnis_model::{Column as ModelColumn, DataType, Frame, Signature};
use lemnis_table::{Column, Kind, ReadLimits, Table};

use crate::{Context, Error};

/// Reads a table and says what was being read when it fails.
pub fn read_table(path: &Path) -> Result<Table, Error> {
    Table::read(path, &ReadLimits::default()).context(format!("reading {}", path.display()))
}

/// The columns of `table` that `signature` asks for, in its order and types.
///
/// A whole-number column with missing values becomes a float column with NaN: models take both.
pub fn for_model(table: &Table, signature: &Signature) -> Result<Frame, Error> {
    let mut columns = Vec::with_capacity(signature.inputs.len());
    for field in &signature.inputs {
        if !table.has(&field.name) {
            return Err(Error::invalid(format!(
                "the data has no column {:?}, which the model needs",
                field.name
            )));
        }
        let column = match field.data_type {
            DataType::String => text_column(table, &field.name)?,
            DataType::Long | DataType::Integer | DataType::Boolean => whole_or_float(table, &field.name)?,
            DataType::Float | DataType::Double => {
                ModelColumn::Float(table.floats(&field.name).context("reading numbers")?)
            }
        };
        columns.push((field.name.clone(), column));
    }
    Frame::new(columns).context("building the model's input")
}

/// Every column of `table` but `target`, typed as the table types them.
pub fn for_training(table: &Table, target: &str) -> Result<Frame, Error> {
    let mut columns = Vec::new();
    for (name, kind) in table.kinds() {
        if name == target {
            continue;
        }
        let column = match kind {
            Kind::Text => text_column(table, name)?,
            Kind::Int | Kind::Bool => whole_or_float(table, name)?,
            _ => ModelColumn::Float(table.floats(name).context("reading numbers")?),
        };
        columns.push((name.to_owned(), column));
    }
    Frame::new(columns).context("building the training input")
}

/// A frame's columns as a table, for logs and reports.
pub fn to_table(frame: &Frame) -> Result<Table, Error> {
    let columns = frame
        .columns()
        .map(|(name, column)| {
            let column = match column {
                ModelColumn::Float(values) => {
                    Column::Float(values.iter().map(|value| (!value.is_nan()).then_some(*value)).collect())
                }
                ModelColumn::Int(values) => Column::Int(values.iter().copied().map(Some).collect()),
                ModelColumn::Text(values) => Column::Text(
                    values.iter().map(|value| (!value.is_empty()).then(|| value.clone())).collect(),
                ),
            };
            (name.to_owned(), column)
        })
        .collect();
    Table::from_columns(columns).context("building a table")
}

fn text_column(table: &Table, name: &str) -> Result<ModelColumn, Error> {
    let values = table.texts(name).context("reading text")?;
    Ok(ModelColumn::Text(values.into_iter().map(Option::unwrap_or_default).collect()))
}

fn whole_or_float(table: &Table, name: &str) -> Result<ModelColumn, Error> {
    if let Column::Int(values) = table.column(name).context("reading whole numbers")? {
        let present: Option<Vec<i64>> = values.into_iter().collect();
        if let Some(values) = present {
            return Ok(ModelColumn::Int(values));
        }
    }
    Ok(ModelColumn::Float(table.floats(name).context("reading numbers")?))
}
