//! Columns as plain vectors, and their way to Arrow and back.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// True or false.
    Bool,
    /// 64-bit whole numbers.
    Int,
    /// 64-bit floating point numbers.
    Float,
    /// UTF-8 text.
    Text,
    /// Calendar days.
    Date,
    /// Moments in UTC.
    Timestamp,
}

impl Kind {
    /// The kind in words.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Bool => "true or false",
            Kind::Int => "whole numbers",
            Kind::Float => "numbers",
            Kind::Text => "text",
            Kind::Date => "dates",
            Kind::Timestamp => "moments",
        }
    }

    pub(crate) fn of(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Boolean => Kind::Bool,
            DataType::Int64 => Kind::Int,
            DataType::Float64 => Kind::Float,
            DataType::Utf8 => Kind::Text,
            DataType::Date32 => Kind::Date,
            DataType::Timestamp(TimeUnit::Microsecond, _) => Kind::Timestamp,
            _ => return None,
        })
    }
}

/// The values of one column; `None` is a missing value.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// True or false.
    Bool(Vec<Option<bool>>),
    /// Whole numbers.
    Int(Vec<Option<i64>>),
    /// Floating point numbers. NaN may stand beside missing values, as Parquet files hold both.
    Float(Vec<Option<f64>>),
    /// Text.
    Text(Vec<Option<String>>),
    /// Days since 1970-01-01.
    Date(Vec<Option<i32>>),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(Vec<Option<i64>>),
}

impl Column {
    /// How many values there are, missing ones included.
    pub fn len(&self) -> usize {
        match self {
            Column::Bool(values) => values.len(),
            Column::Int(values) | Column::Timestamp(values) => values.len(),
            Column::Float(values) => values.len(),
            Column::Text(values) => values.len(),
            Column::Date(values) => values.len(),
        }
    }

    /// Whether there is no value at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn into_array(self) -> ArrayRef {
        match self {
            Column::Bool(values) => Arc::new(BooleanArray::from(values)),
            Column::Int(values) => Arc::new(Int64Array::from(values)),
            Column::Float(values) => Arc::new(Float64Array::from(values)),
            Column::Text(values) => Arc::new(StringArray::from(values)),
            Column::Date(values) => Arc::new(Date32Array::from(values)),
            Column::Timestamp(values) => Arc::new(TimestampMicrosecondArray::from(values)),
        }
    }

    /// The values of an array of one of the kinds; nothing for another type.
    pub(crate) fn of_array(array: &ArrayRef) -> Option<Self> {
        let any = array.as_any();
        Some(match Kind::of(array.data_type())? {
            Kind::Bool => Column::Bool(any.downcast_ref::<BooleanArray>()?.iter().collect()),
            Kind::Int => Column::Int(any.downcast_ref::<Int64Array>()?.iter().collect()),
            Kind::Float => Column::Float(any.downcast_ref::<Float64Array>()?.iter().collect()),
            Kind::Text => Column::Text(
                any.downcast_ref::<StringArray>()?.iter().map(|v| v.map(str::to_owned)).collect(),
            ),
            Kind::Date => Column::Date(any.downcast_ref::<Date32Array>()?.iter().collect()),
            Kind::Timestamp => {
                Column::Timestamp(any.downcast_ref::<TimestampMicrosecondArray>()?.iter().collect())
            }
        })
    }
}

/// The array in the one representation that tables use for its kind, or why there is none.
pub(crate) fn normalise(array: &ArrayRef) -> Result<ArrayRef, String> {
    let target = match array.data_type() {
        DataType::Boolean => DataType::Boolean,
        kind if kind.is_integer() => match kind {
            DataType::UInt64 => unsigned(array)?,
            _ => DataType::Int64,
        },
        kind if kind.is_floating() => DataType::Float64,
        kind if kind.is_decimal() => DataType::Float64,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Dictionary(_, value)
            if matches!(**value, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) =>
        {
            DataType::Utf8
        }
        DataType::Date32 | DataType::Date64 => DataType::Date32,
        DataType::Timestamp(..) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Null => DataType::Float64,
        other => return Err(format!("columns of type {other} are not supported")),
    };
    let array = match array.data_type() {
        // A cast from a zone to none would shift the moment; taking the zone to be UTC keeps it.
        DataType::Timestamp(unit, Some(_)) => cast(array, &DataType::Timestamp(*unit, Some("UTC".into())))
            .and_then(|array| cast(&array, &DataType::Timestamp(*unit, None))),
        _ => Ok(array.clone()),
    };
    array.and_then(|array| cast(&array, &target)).map_err(|error| error.to_string())
}

/// Unsigned numbers stay whole where they fit.
fn unsigned(array: &ArrayRef) -> Result<DataType, String> {
    let as_signed = cast(array, &DataType::Int64).map_err(|error| error.to_string())?;
    Ok(if as_signed.null_count() == array.null_count() { DataType::Int64 } else { DataType::Float64 })
}
