//! Untyped cells into the columns of a signature, with MLflow's rules.

use lemnis_model::{Column, DataType, Field, Frame, Signature};

use super::Rejection;
use super::json::{Cell, Input};

/// What pandas reads as a missing value in CSV.
const MISSING_TEXTS: [&str; 12] =
    ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "<NA>", "#N/A", "-nan"];

/// The frame that a model of `signature` takes.
pub(super) fn frame(input: &Input, signature: &Signature) -> Result<Frame, Rejection> {
    let rows = input.rows();
    if rows == 0 {
        return Err(Rejection::malformed("Invalid input. There is no row to predict."));
    }
    let mut columns = Vec::with_capacity(signature.inputs.len());
    let mut absent: Vec<&str> = Vec::new();
    for field in &signature.inputs {
        let column = match input.column(&field.name) {
            Some(cells) => typed(field, cells, rows)?,
            None if field.required => {
                absent.push(&field.name);
                continue;
            }
            None => missing(field, rows),
        };
        columns.push((field.name.clone(), column));
    }
    if !absent.is_empty() {
        return Err(Rejection::schema(format!(
            "Failed to enforce schema of data: Model is missing inputs {}. Note that there were {} required inputs.",
            python_list(&absent),
            signature.inputs.iter().filter(|field| field.required).count()
        )));
    }
    Frame::new(columns).map_err(|error| Rejection::malformed(format!("Invalid input. {error}")))
}

fn typed<'a>(field: &Field, cells: impl Iterator<Item = Cell<'a>>, rows: usize) -> Result<Column, Rejection> {
    match field.data_type {
        DataType::Float | DataType::Double => floats(field, cells, rows),
        DataType::Integer | DataType::Long | DataType::Boolean => whole(field, cells, rows),
        DataType::String => texts(field, cells, rows),
    }
}

fn missing(field: &Field, rows: usize) -> Column {
    match field.data_type {
        DataType::String => Column::Text(vec![String::new(); rows]),
        _ => Column::Float(vec![f64::NAN; rows]),
    }
}

fn floats<'a>(
    field: &Field,
    cells: impl Iterator<Item = Cell<'a>>,
    rows: usize,
) -> Result<Column, Rejection> {
    let mut values = Vec::with_capacity(rows);
    for (row, cell) in cells.enumerate() {
        values.push(match cell {
            Cell::Missing => f64::NAN,
            Cell::Bool(value) => f64::from(u8::from(value)),
            Cell::Number(number) => number.as_f64().unwrap_or(f64::NAN),
            Cell::Raw(text) if is_missing(text) => f64::NAN,
            Cell::Text(text) | Cell::Raw(text) => number(text).ok_or_else(|| not_a_number(field, row))?,
            Cell::Nested => return Err(incompatible(field, row, "a list or dictionary")),
        });
    }
    Ok(Column::Float(values))
}

/// Whole numbers; with missing ones among them, floats.
fn whole<'a>(field: &Field, cells: impl Iterator<Item = Cell<'a>>, rows: usize) -> Result<Column, Rejection> {
    let mut values: Vec<i64> = Vec::with_capacity(rows);
    let mut absent: Vec<usize> = Vec::new();
    for (row, cell) in cells.enumerate() {
        let value = match cell {
            Cell::Missing => None,
            Cell::Raw(text) if is_missing(text) => None,
            Cell::Bool(value) => Some(i64::from(value)),
            Cell::Number(number) => match number.as_i64() {
                Some(value) => Some(value),
                None => {
                    Some(whole_float(number.as_f64()).ok_or_else(|| incompatible(field, row, "a fraction"))?)
                }
            },
            Cell::Text(text) | Cell::Raw(text) => {
                Some(whole_text(text).ok_or_else(|| not_a_number(field, row))?)
            }
            Cell::Nested => return Err(incompatible(field, row, "a list or dictionary")),
        };
        let in_range = value.is_none_or(|value| match field.data_type {
            DataType::Boolean => (0..=1).contains(&value),
            DataType::Integer => i32::try_from(value).is_ok(),
            _ => true,
        });
        if !in_range {
            return Err(incompatible(field, row, "a number out of range"));
        }
        if value.is_none() {
            absent.push(row);
        }
        values.push(value.unwrap_or_default());
    }
    if absent.is_empty() {
        return Ok(Column::Int(values));
    }
    let mut floats: Vec<f64> = values.into_iter().map(|value| value as f64).collect();
    for row in absent {
        if let Some(value) = floats.get_mut(row) {
            *value = f64::NAN;
        }
    }
    Ok(Column::Float(floats))
}

fn texts<'a>(field: &Field, cells: impl Iterator<Item = Cell<'a>>, rows: usize) -> Result<Column, Rejection> {
    let mut values = Vec::with_capacity(rows);
    for (row, cell) in cells.enumerate() {
        values.push(match cell {
            Cell::Missing => String::new(),
            Cell::Raw(text) if is_missing(text) => String::new(),
            Cell::Text(text) | Cell::Raw(text) => text.to_owned(),
            Cell::Bool(_) => return Err(incompatible(field, row, "true or false")),
            Cell::Number(_) => return Err(incompatible(field, row, "a number")),
            Cell::Nested => return Err(incompatible(field, row, "a list or dictionary")),
        });
    }
    Ok(Column::Text(values))
}

fn is_missing(text: &str) -> bool {
    MISSING_TEXTS.contains(&text)
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

fn whole_text(text: &str) -> Option<i64> {
    match text.trim() {
        "True" | "true" => Some(1),
        "False" | "false" => Some(0),
        text => text.parse().ok().or_else(|| whole_float(text.parse().ok())),
    }
}

/// The whole number that a float is, where it is one and exact.
fn whole_float(value: Option<f64>) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    value.filter(|value| value.fract() == 0.0 && value.abs() <= EXACT).map(|value| value as i64)
}

fn not_a_number(field: &Field, row: usize) -> Rejection {
    Rejection::malformed(format!(
        "Invalid input. Data is not compatible with model signature. Failed to convert column {} to type '{}': row {row} \
         holds text that is no such number.",
        field.name,
        field.data_type.name()
    ))
}

fn incompatible(field: &Field, row: usize, found: &str) -> Rejection {
    Rejection::schema(format!(
        "Failed to enforce schema of data: Incompatible input types for column {}. Row {row} holds {found}, the model \
         takes {}.",
        field.name,
        field.data_type.name()
    ))
}

fn python_list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    format!("[{}]", quoted.join(", "))
}
