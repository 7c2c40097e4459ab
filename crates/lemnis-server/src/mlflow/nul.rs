//! The character NUL in a request's path, query or JSON body: refused, whatever the database.
//!
//! PostgreSQL keeps no text with NUL; what one database takes and the other does not would be found when a project moves.

use serde_json::Value;

/// What a caller is told.
pub(crate) const REFUSAL: &str = "A text must not contain the character NUL (U+0000).";

/// Whether a JSON text may hold NUL, which it can only as the escape `\\u0000`. One scan, for requests in their
/// thousands; the escape may stand in a text within a text, so only its end is looked for.
pub(super) fn may_be_in(json: &[u8]) -> bool {
    json.windows(5).any(|part| part == b"u0000")
}

/// Whether a text or a key below `value` holds NUL.
pub(super) fn is_in(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(is_in),
        Value::Object(fields) => fields.iter().any(|(key, value)| key.contains('\0') || is_in(value)),
        _ => false,
    }
}

/// Whether a body holds NUL; one that is no JSON holds none.
pub(crate) fn is_in_body(json: &[u8]) -> bool {
    may_be_in(json) && serde_json::from_slice(json).is_ok_and(|value| is_in(&value))
}

/// Whether a path or a query holds NUL.
pub(crate) fn is_in_uri(uri: &axum::http::Uri) -> bool {
    uri.path_and_query().is_some_and(|text| text.as_str().contains("%00"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_is_found_in_texts_keys_and_escapes_alone() {
        for (json, found) in [
            (r#"{"a": ["b\u0000"]}"#, true),
            (r#"{"a\u0000": 1}"#, true),
            (r#"{"a": "\\u0000"}"#, false),
            (r#"{"a": "u0000"}"#, false),
            ("no json u0000", false),
        ] {
            assert_eq!(is_in_body(json.as_bytes()), found, "{json}");
        }
    }
}
