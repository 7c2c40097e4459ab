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

/// JSON as Python reads it: with `NaN`, `Infinity` and `-Infinity`, and whole numbers of any size.
pub(crate) fn read_json(text: &str) -> serde_json::Result<Value> {
    let plain = match has_large_numbers(text) {
        false => serde_json::from_str::<serde_json::Value>(text),
        true => return serde_json::from_str(&mark_numbers(text)).map(|json| unmark(Value::from_json(&json))),
    };
    match plain {
        Ok(json) => Ok(Value::from_json(&json)),
        Err(error) => match serde_json::from_str::<serde_json::Value>(&mark_numbers(text)) {
            Ok(json) => Ok(unmark(Value::from_json(&json))),
            Err(_) => Err(error),
        },
    }
}

/// Whether a run of digits may be too long for 64 bits.
fn has_large_numbers(text: &str) -> bool {
    text.as_bytes().chunk_by(|a, b| a.is_ascii_digit() && b.is_ascii_digit()).any(|run| run.len() > 18)
}

/// What a number is for Python that a strict parser rounds or refuses.
fn special_number(token: &str) -> Option<String> {
    let digits = token.strip_prefix('-').unwrap_or(token);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let is_large = digits.len() > 18 && !digits.starts_with('0') && token.parse::<i128>().is_ok();
        return is_large.then(|| token.to_owned());
    }
    let infinite = token.parse::<f64>().ok().filter(|number| number.is_infinite())?;
    Some(if infinite > 0.0 { "Infinity" } else { "-Infinity" }.to_owned())
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
        if !quoted && (ch == '-' || ch.is_ascii_digit()) {
            let end = rest.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'));
            let (token, after) = rest.split_at(end.unwrap_or(rest.len()));
            match special_number(token) {
                Some(value) => out.push_str(&format!("\"\\u0001lemnis:{value}\"")),
                None => out.push_str(token),
            }
            rest = after;
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
            Some(digits) => digits.parse().map_or(Value::Str(text.clone()), Value::Int),
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
    fn json_may_hold_numbers_beyond_64_bits() {
        let text = r#"{"a": 223456789012345678901234567890, "b": 1e400, "c": -1e400, "d": "12345678901234567890123", "e": 1.12345678901234567890123}"#;
        let value = read_json(text).expect("reads");
        assert_eq!(value.get("a"), Some(&Value::Int(223456789012345678901234567890)));
        assert_eq!(value.get("b"), Some(&Value::Float(f64::INFINITY)));
        assert_eq!(value.get("c"), Some(&Value::Float(f64::NEG_INFINITY)));
        assert_eq!(value.get("d"), Some(&Value::from("12345678901234567890123")));
        assert_eq!(value.get("e"), Some(&Value::Float(1.123_456_789_012_345_7)));
        assert_eq!(read_json("[1e400]").expect("reads"), Value::Seq(vec![Value::Float(f64::INFINITY)]));
        assert!(read_json("[09999999999999999999999]").is_err());
    }

    #[test]
    fn the_extension_decides_the_format() {
        let toml = read(Path::new("x.toml"), "x.toml", "[a]\nb = 1\n").expect("reads");
        assert_eq!(toml.get("a").and_then(|a| a.get("b")), Some(&Value::Int(1)));
        assert_eq!(read(Path::new("x"), "x", "b: 1e3").expect("reads").get("b"), Some(&Value::Float(1000.0)));
    }
}
