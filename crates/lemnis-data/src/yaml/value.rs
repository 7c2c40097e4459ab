//! An ordered, untyped document value with Python's notion of equality.
//!
//! DVC's files hold what Python would hold, so numbers compare across types and maps keep their order.

use std::hash::{Hash, Hasher};

use indexmap::{Equivalent, IndexMap};

/// A YAML value as DVC's loader sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Value {
    #[default]
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(String),
    /// A date or date-time, kept as written; DVC refuses them where values matter.
    Date(String),
    Seq(Vec<Value>),
    Map(Map),
}

/// A mapping in file order.
pub(crate) type Map = IndexMap<Key, Value>;

/// A mapping's key: text, and whether its plain form is not a string (`1:` against `'1':`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) typed: bool,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl Equivalent<Key> for str {
    fn equivalent(&self, key: &Key) -> bool {
        !key.typed && key.text == self
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), typed: false }
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self { text, typed: false }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Int(i128::from(number))
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl Value {
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(crate) fn as_seq(&self) -> Option<&[Value]> {
        match self {
            Self::Seq(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Int(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The member of a map; `None` for anything else.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.as_map().and_then(|map| map.get(key))
    }

    /// What Python's `type()` would call it, for messages.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "str",
            Self::Date(_) => "date",
            Self::Seq(_) => "list",
            Self::Map(_) => "dict",
        }
    }

    /// Python's `==`: `1 == 1.0 == True`, NaN differs from itself, maps ignore order.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Str(a), Self::Str(b)) | (Self::Date(a), Self::Date(b)) => a == b,
            (Self::Seq(a), Self::Seq(b)) => a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.same(y)),
            (Self::Map(a), Self::Map(b)) => {
                a.len() == b.len() && a.iter().all(|(key, x)| b.get(key).is_some_and(|y| x.same(y)))
            }
            (Self::Int(a), Self::Int(b)) => a == b,
            _ => match (self.number(), other.number()) {
                (Some(a), Some(b)) => a == b,
                _ => false,
            },
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Bool(truth) => Some(if *truth { 1.0 } else { 0.0 }),
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// The same value as JSON; numbers that JSON lacks become text.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(truth) => (*truth).into(),
            Self::Int(number) => match (i64::try_from(*number), u64::try_from(*number)) {
                (Ok(number), _) => number.into(),
                (_, Ok(number)) => number.into(),
                _ => number.to_string().into(),
            },
            Self::Float(number) => serde_json::Number::from_f64(*number)
                .map_or_else(|| super::python_float(*number).into(), serde_json::Value::Number),
            Self::Str(text) | Self::Date(text) => text.as_str().into(),
            Self::Seq(items) => items.iter().map(Self::to_json).collect(),
            Self::Map(map) => {
                serde_json::Value::Object(map.iter().map(|(k, v)| (k.text.clone(), v.to_json())).collect())
            }
        }
    }

    /// The value that a JSON document holds.
    pub(crate) fn from_json(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(truth) => Self::Bool(*truth),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => Self::Int(number.into()),
                (_, Some(number)) => Self::Int(number.into()),
                _ => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            serde_json::Value::String(text) => Self::Str(text.clone()),
            serde_json::Value::Array(items) => Self::Seq(items.iter().map(Self::from_json).collect()),
            serde_json::Value::Object(map) => {
                Self::Map(map.iter().map(|(k, v)| (Key::from(k.as_str()), Self::from_json(v))).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_as_in_python() {
        assert!(Value::Int(1).same(&Value::Float(1.0)));
        assert!(Value::Bool(true).same(&Value::Int(1)));
        assert!(!Value::Str("1".into()).same(&Value::Int(1)));
        assert!(!Value::Float(f64::NAN).same(&Value::Float(f64::NAN)));
    }
}
