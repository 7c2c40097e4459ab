//! JSON exactly as Python's `json.dumps` writes it: the run-cache names its entries by a hash of that text.

use crate::yaml::{Key, Value, python_float};

/// `json.dumps(value, sort_keys=True)`.
pub(crate) fn dumps(value: &Value) -> String {
    let mut out = String::new();
    write(value, true, &mut out);
    out
}

/// `json.dumps(value)`: keys in their order.
pub(crate) fn text(value: &Value) -> String {
    let mut out = String::new();
    write(value, false, &mut out);
    out
}

/// A string with everything outside ASCII escaped, surrogate pairs above the BMP.
pub(crate) fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for ch in text.chars() {
        match ch {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(ch),
            _ => {
                for unit in ch.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
    out
}

fn write(value: &Value, sorted: bool, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Float(number) if number.is_nan() => out.push_str("NaN"),
        Value::Float(number) if number.is_infinite() => {
            out.push_str(if *number > 0.0 { "Infinity" } else { "-Infinity" });
        }
        Value::Float(number) => out.push_str(&python_float(*number)),
        Value::Str(text) | Value::Date(text) => out.push_str(&string(text)),
        Value::Seq(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write(item, sorted, out);
            }
            out.push(']');
        }
        Value::Map(map) => {
            let mut entries: Vec<(&Key, &Value)> = map.iter().collect();
            if sorted {
                entries.sort_by(|a, b| a.0.text.cmp(&b.0.text));
            }
            out.push('{');
            for (index, (key, item)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                let text = if key.typed && key.text.is_empty() { "null" } else { &key.text };
                out.push_str(&string(text));
                out.push_str(": ");
                write(item, sorted, out);
            }
            out.push('}');
        }
    }
}
