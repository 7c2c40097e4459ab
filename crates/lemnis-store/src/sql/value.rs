//! What a statement is given: every value says its type, because PostgreSQL wants to know it even of NULL.

use serde::Serialize;

/// A bound value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Bool(Option<bool>),
    Integer(Option<i64>),
    Real(Option<f64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Integers(Vec<i64>),
    Texts(Vec<String>),
}

/// A value that is kept as JSON text, and read from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Json<T>(pub(crate) T);

/// The right side of `IN`: bound as one value to `IN (SELECT value FROM json_each(?))`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

macro_rules! from {
    ($($given:ty => $variant:ident $convert:expr;)*) => {$(
        impl From<$given> for Value {
            fn from(given: $given) -> Self {
                Value::$variant(Some($convert(given)))
            }
        }
        impl From<Option<$given>> for Value {
            fn from(given: Option<$given>) -> Self {
                Value::$variant(given.map($convert))
            }
        }
    )*};
}

from! {
    bool => Bool |given| given;
    i64 => Integer |given| given;
    u32 => Integer i64::from;
    f64 => Real |given| given;
    String => Text |given| given;
    &str => Text str::to_owned;
    &String => Text Clone::clone;
    Vec<u8> => Bytes |given| given;
    serde_json::Value => Text |given: serde_json::Value| given.to_string();
}

impl From<&Option<String>> for Value {
    fn from(given: &Option<String>) -> Self {
        Value::Text(given.clone())
    }
}

impl<T: Serialize> From<Json<T>> for Value {
    /// What cannot be written as JSON (a map whose keys are no texts) becomes NULL, which its column refuses.
    fn from(given: Json<T>) -> Self {
        Value::Text(serde_json::to_string(&given.0).ok())
    }
}

impl From<List<i64>> for Value {
    fn from(given: List<i64>) -> Self {
        Value::Integers(given.0)
    }
}

impl From<&List<i64>> for Value {
    fn from(given: &List<i64>) -> Self {
        Value::Integers(given.0.clone())
    }
}

impl From<List<String>> for Value {
    fn from(given: List<String>) -> Self {
        Value::Texts(given.0)
    }
}

impl From<&List<String>> for Value {
    fn from(given: &List<String>) -> Self {
        Value::Texts(given.0.clone())
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, Value as Owned, ValueRef};
        let json = |text: serde_json::Result<String>| {
            text.map(|text| ToSqlOutput::Owned(Owned::Text(text)))
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
        };
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Bool(Some(flag)) => ValueRef::Integer(i64::from(*flag)),
            Value::Integer(Some(number)) => ValueRef::Integer(*number),
            Value::Real(Some(number)) => ValueRef::Real(*number),
            Value::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(Some(bytes)) => ValueRef::Blob(bytes),
            Value::Integers(list) => return json(serde_json::to_string(list)),
            Value::Texts(list) => return json(serde_json::to_string(list)),
            _ => ValueRef::Null,
        }))
    }
}
