//! How the log names its columns, and columns that grow.

use std::borrow::Cow;

use lemnis_model as model;
use lemnis_table::Column;

/// The log's own columns, before the features.
pub(super) const OWN: [&str; 7] =
    ["request_id", "row", "at_us", "model_version", "arm", "status", "latency_us"];

/// The log's column of the feature `name`: its own name, or `feature_NAME` where that would meet one of the log's.
pub fn feature_column(name: &str) -> Cow<'_, str> {
    if OWN.contains(&name) || name.starts_with("out_") || name.starts_with("feature_") {
        Cow::Owned(format!("feature_{name}"))
    } else {
        Cow::Borrowed(name)
    }
}

/// The log's column of the model's output `name`: `out_NAME`.
pub fn output_column(name: &str) -> String {
    format!("out_{name}")
}

/// Appends the values of a model's column; missing ones become `None`. `false` and no change if the kinds do not meet.
///
/// A column of whole numbers arrives as floats when one of them is missing. Both kinds meet in floats, so that gaps
/// which come and go do not begin a file each time.
pub(super) fn append(to: &mut Column, from: &model::Column) -> bool {
    if let (Column::Int(whole), model::Column::Float(_)) = (&*to, from) {
        *to = Column::Float(whole.iter().map(|value| value.map(|whole| whole as f64)).collect());
    }
    match (to, from) {
        (Column::Float(to), model::Column::Float(from)) => {
            to.extend(from.iter().map(|value| (!value.is_nan()).then_some(*value)));
        }
        (Column::Float(to), model::Column::Int(from)) => {
            to.extend(from.iter().map(|value| Some(*value as f64)));
        }
        (Column::Int(to), model::Column::Int(from)) => to.extend(from.iter().map(|value| Some(*value))),
        (Column::Text(to), model::Column::Text(from)) => {
            to.extend(from.iter().map(|value| (!value.is_empty()).then(|| value.clone())));
        }
        _ => return false,
    }
    true
}

/// An empty column for the values of a model's column.
pub(super) fn like(from: &model::Column) -> Column {
    match from {
        model::Column::Float(_) => Column::Float(Vec::new()),
        model::Column::Int(_) => Column::Int(Vec::new()),
        model::Column::Text(_) => Column::Text(Vec::new()),
    }
}

/// Whether [`append`] takes a model's column.
pub(super) fn takes(column: &Column, from: &model::Column) -> bool {
    matches!(
        (column, from),
        (Column::Float(_) | Column::Int(_), model::Column::Float(_) | model::Column::Int(_))
            | (Column::Text(_), model::Column::Text(_))
    )
}

/// About what the values of a frame take in memory.
pub(super) fn bytes(frame: &model::Frame) -> usize {
    let columns = frame.columns().map(|(_, column)| match column {
        model::Column::Float(values) => std::mem::size_of_val(values.as_slice()),
        model::Column::Int(values) => std::mem::size_of_val(values.as_slice()),
        model::Column::Text(values) => {
            let texts: usize = values.iter().map(String::len).sum();
            texts + std::mem::size_of_val(values.as_slice())
        }
    });
    columns.sum()
}

/// Appends `count` missing values.
pub(super) fn append_missing(to: &mut Column, count: usize) {
    fn grow<T: Clone>(values: &mut Vec<Option<T>>, count: usize) {
        values.resize(values.len() + count, None);
    }
    match to {
        Column::Bool(values) => grow(values, count),
        Column::Int(values) | Column::Timestamp(values) => grow(values, count),
        Column::Float(values) => grow(values, count),
        Column::Text(values) => grow(values, count),
        Column::Date(values) => grow(values, count),
    }
}
