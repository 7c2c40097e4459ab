//! The writer against documents that DVC itself wrote.

use super::{Key, Value, emit, parse};

fn from_json(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Object(map) => {
            Value::Map(map.iter().map(|(key, value)| (Key::from(key.as_str()), from_json(value))).collect())
        }
        serde_json::Value::Array(items) => Value::Seq(items.iter().map(from_json).collect()),
        other => Value::from_json(other),
    }
}

/// Documents whose bytes DVC itself cannot read back to the same value, and those with anchors (which say
/// that two Python objects are one, not what they hold), are compared by value only.
#[test]
fn documents_are_byte_equal_to_dvcs() {
    let cases: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../tests/vectors/yaml.json")).expect("vectors are JSON");
    let mut by_bytes = 0;
    for case in &cases {
        let wanted = case["yaml"].as_str().expect("yaml");
        let read = parse(wanted, "vector").map(|node| node.to_value());
        let value = match case.get("doc") {
            Some(doc) => from_json(doc),
            None => read.as_ref().expect("reads").clone(),
        };
        let written = emit(&value);
        if !wanted.contains("&id001") && read.is_ok_and(|read| json(&read) == json(&value)) {
            assert_eq!(written, wanted);
            by_bytes += 1;
        }
        let again = parse(&written, "vector").expect("reads back").to_value();
        assert_eq!(json(&again), json(&value), "{written:?}");
    }
    assert!(by_bytes * 10 > cases.len() * 9, "{by_bytes} of {} by bytes", cases.len());
}

fn json(value: &Value) -> String {
    value.to_json().to_string()
}
