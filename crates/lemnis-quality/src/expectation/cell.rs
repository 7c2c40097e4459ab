//! Values as expectations see them: compared by meaning, shown as JSON.

use std::cmp::Ordering;

use lemnis_table::{Column, Table};
use serde_json::Value;

use crate::Result;

/// One value of a column.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

impl Cell {
    /// The value as JSON; infinite numbers as text.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Cell::Bool(value) => Value::from(*value),
            Cell::Int(value) => Value::from(*value),
            Cell::Float(value) if value.is_finite() => Value::from(*value),
            Cell::Float(value) => Value::from(value.to_string()),
            Cell::Text(value) => Value::from(value.as_str()),
        }
    }

    /// Equal by meaning: 5 and 5.0 are, 5 and "5" are not.
    pub(super) fn equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Cell::Text(a), Value::String(b)) => a == b,
            (Cell::Bool(a), Value::Bool(b)) => a == b,
            (Cell::Int(a), Value::Number(b)) => match b.as_i64() {
                Some(b) => *a == b,
                None => b.as_f64() == Some(*a as f64),
            },
            (Cell::Float(a), Value::Number(b)) => b.as_f64() == Some(*a),
            _ => false,
        }
    }

    /// How it stands to a bound; nothing where the two cannot be compared.
    pub(super) fn order(&self, bound: &Value) -> Option<Ordering> {
        match (self, bound) {
            (Cell::Text(a), Value::String(b)) => Some(a.as_str().cmp(b)),
            (Cell::Int(a), Value::Number(b)) => match b.as_i64() {
                Some(b) => Some(a.cmp(&b)),
                None => (*a as f64).partial_cmp(&b.as_f64()?),
            },
            (Cell::Float(a), Value::Number(b)) => a.partial_cmp(&b.as_f64()?),
            (Cell::Bool(a), Value::Number(b)) => f64::from(u8::from(*a)).partial_cmp(&b.as_f64()?),
            _ => None,
        }
    }

    /// The value as the text that patterns and lengths look at; nothing for what is not text.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Cell::Text(value) => Some(value),
            _ => None,
        }
    }

    /// A key that is equal for equal values.
    pub(super) fn key(&self) -> String {
        match self {
            Cell::Bool(value) => format!("b{value}"),
            Cell::Int(value) => format!("n{value}"),
            Cell::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => format!("n{}", *value as i64),
            Cell::Float(value) => format!("f{}", value.to_bits()),
            Cell::Text(value) => format!("t{value}"),
        }
    }
}

/// The values of a column; NaN is missing.
pub(super) fn cells(table: &Table, name: &str) -> Result<Vec<Option<Cell>>> {
    Ok(match table.column(name)? {
        Column::Bool(values) => values.into_iter().map(|value| value.map(Cell::Bool)).collect(),
        Column::Int(values) => values.into_iter().map(|value| value.map(Cell::Int)).collect(),
        Column::Float(values) => {
            values.into_iter().map(|value| value.filter(|value| !value.is_nan()).map(Cell::Float)).collect()
        }
        _ => table.texts(name)?.into_iter().map(|value| value.map(Cell::Text)).collect(),
    })
}
