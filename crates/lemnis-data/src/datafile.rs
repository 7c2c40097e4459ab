//! Values in files of any kind: YAML, JSON, TOML, Python, by the file's extension, as Python's parsers read them.

use std::path::Path;

use crate::error::{Error, Result};
use crate::pyparams;
use crate::yaml::{Key, Map, Value, parse};

/// Stands for a number that JSON lacks while the text goes through a strict parser.
const MARK: &str = "\u{1}lemnis:";

/// The value that the text of the file `path` holds; `shown` names the file in errors.
pub(crate) fn read(path: &Path, shown: &str, text: &str) -> Result<Value> {
    let extension = path.extension().and_then(|text| text.to_str()).unwrap_or_default().to_ascii_lowercase();
    let malformed = |line, message| Error::Malformed { file: shown.to_owned(), line, message };
    match extension.as_str() {
        "json" => read_json(text).map_err(|error| malformed(error.line(), error.to_string())),
        "toml" => {
            let document: toml_edit::Document<String> =
                text.to_owned().parse().map_err(|error: toml_edit::TomlError| {
                    let at = error.span().map_or(0, |span| span.start).min(text.len());
                    let line = text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
                    malformed(line, error.message().to_owned())
                })?;
            Ok(toml_table(document.as_table()))
        }
        "py" => Ok(Value::Map(pyparams::parse(text).map_err(|(line, message)| malformed(line, message))?)),
        _ => Ok(parse(text, shown)?.to_value()),
    }
}

/// JSON with Python's `NaN`, `Infinity` and `-Infinity`.
pub(crate) fn read_json(text: &str) -> serde_json::Result<Value> {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(json) => Ok(Value::from_json(&json)),
        Err(error) => match serde_json::from_str::<serde_json::Value>(&mark_numbers(text)) {
            Ok(json) => Ok(unmark(Value::from_json(&json))),
            Err(_) => Err(error),
        },
    }
}

fn mark_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    let (mut rest, mut quoted) = (text, false);
    while let Some(ch) = rest.chars().next() {
        let word = ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| rest.starts_with(word));
        if let Some(word) = word.filter(|_| !quoted) {
            out.push_str(&format!("\"\\u0001lemnis:{word}\""));
            rest = &rest[word.len()..];
            continue;
        }
        let length = if quoted && ch == '\\' {
            1 + rest.chars().nth(1).map_or(0, char::len_utf8)
        } else {
            ch.len_utf8()
        };
        quoted ^= ch == '"';
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

fn unmark(value: Value) -> Value {
    match value {
        Value::Str(text) => match text.strip_prefix(MARK) {
            Some("NaN") => Value::Float(f64::NAN),
            Some("Infinity") => Value::Float(f64::INFINITY),
            Some("-Infinity") => Value::Float(f64::NEG_INFINITY),
            _ => Value::Str(text),
        },
        Value::Seq(items) => Value::Seq(items.into_iter().map(unmark).collect()),
        Value::Map(map) => {
            Value::Map(map.into_iter().map(|(key, value)| (key, unmark(value))).collect::<Map>())
        }
        other => other,
    }
}

fn toml_table(table: &dyn toml_edit::TableLike) -> Value {
    Value::Map(table.iter().map(|(key, item)| (Key::from(key), toml_item(item))).collect())
}

fn toml_item(item: &toml_edit::Item) -> Value {
    match item {
        toml_edit::Item::Value(value) => toml_value(value),
        toml_edit::Item::Table(table) => toml_table(table),
        toml_edit::Item::ArrayOfTables(tables) => {
            Value::Seq(tables.iter().map(|table| toml_table(table)).collect())
        }
        toml_edit::Item::None => Value::Null,
    }
}

fn toml_value(value: &toml_edit::Value) -> Value {
    match value {
        toml_edit::Value::String(text) => Value::from(text.value().as_str()),
        toml_edit::Value::Integer(number) => Value::Int((*number.value()).into()),
        toml_edit::Value::Float(number) => Value::Float(*number.value()),
        toml_edit::Value::Boolean(truth) => Value::Bool(*truth.value()),
        toml_edit::Value::Datetime(date) => Value::Date(date.value().to_string()),
        toml_edit::Value::Array(items) => Value::Seq(items.iter().map(toml_value).collect()),
        toml_edit::Value::InlineTable(table) => toml_table(table),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_may_hold_numbers_that_only_python_writes() {
        let value = read_json(r#"{"a": NaN, "b": -Infinity, "c": "NaN \" Infinity", "d": [Infinity]}"#)
            .expect("reads");
        assert!(matches!(value.get("a"), Some(Value::Float(number)) if number.is_nan()));
        assert_eq!(value.get("b"), Some(&Value::Float(f64::NEG_INFINITY)));
        assert_eq!(value.get("c"), Some(&Value::from("NaN \" Infinity")));
        assert!(read_json("{").is_err());
    }

    #[test]
    fn the_extension_decides_the_format() {
        let toml = read(Path::new("x.toml"), "x.toml", "[a]\nb = 1\n").expect("reads");
        assert_eq!(toml.get("a").and_then(|a| a.get("b")), Some(&Value::Int(1)));
        assert_eq!(read(Path::new("x"), "x", "b: 1e3").expect("reads").get("b"), Some(&Value::Float(1000.0)));
    }
}
