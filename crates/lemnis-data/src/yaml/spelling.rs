//! How values are spelt in the writer: the text and type of scalars and keys, and escapes in double quotes.

use super::scalar::{Tag, python_float, tag_of};
use super::value::{Key, Value};

pub(crate) fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

pub(crate) fn needs_escape(c: char) -> bool {
    matches!(c, '"' | '\\' | '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
        || !matches!(c, '\u{20}'..='\u{7e}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

pub(crate) fn escape(c: char) -> String {
    let short = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            let code = u32::from(c);
            return match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{short}")
}

pub(crate) fn tag_length(tag: Tag) -> usize {
    match tag {
        Tag::Str | Tag::Int | Tag::Merge | Tag::Default => 5,
        Tag::Bool | Tag::Null => 6,
        Tag::Float => 7,
        Tag::Timestamp => 11,
    }
}

pub(crate) fn key_text(key: &Key) -> (String, Tag) {
    if key.typed {
        let text = if key.text.is_empty() { "null".to_owned() } else { key.text.clone() };
        let tag = tag_of(&text);
        return (text, tag);
    }
    (key.text.clone(), Tag::Str)
}

pub(crate) fn scalar_text(value: &Value) -> (String, Tag) {
    match value {
        Value::Null => (String::new(), Tag::Null),
        Value::Bool(truth) => (truth.to_string(), Tag::Bool),
        Value::Int(number) => (number.to_string(), Tag::Int),
        Value::Float(number) if number.is_finite() => (python_float(*number), Tag::Float),
        Value::Float(number) => {
            let text = if number.is_nan() {
                ".nan"
            } else if *number > 0.0 {
                ".inf"
            } else {
                "-.inf"
            };
            (text.to_owned(), Tag::Float)
        }
        Value::Date(text) => (text.clone(), Tag::Timestamp),
        Value::Str(text) => (text.clone(), Tag::Str),
        Value::Seq(_) | Value::Map(_) => (String::new(), Tag::Null),
    }
}
