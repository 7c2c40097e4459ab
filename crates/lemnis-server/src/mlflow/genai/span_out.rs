//! Stored spans in OpenTelemetry's JSON form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// The stored `content` of a span as a span of OpenTelemetry's protocol.
pub(super) fn otel(content: &str) -> Value {
    let stored: Value = serde_json::from_str(content).unwrap_or_default();
    let mut out = Map::new();
    for name in ["trace_id", "span_id", "name", "start_time_unix_nano"] {
        out.insert(name.into(), stored[name].clone());
    }
    for name in ["parent_span_id", "end_time_unix_nano"] {
        if !stored[name].is_null() {
            out.insert(name.into(), stored[name].clone());
        }
    }
    let attributes = stored["attributes"].as_object().map(|map| {
        map.iter()
            .map(|(key, value)| {
                // An attribute is kept as a text that holds JSON.
                let value = value.as_str().and_then(|text| serde_json::from_str(text).ok());
                json!({"key": key, "value": any(&value.unwrap_or_default())})
            })
            .collect::<Vec<_>>()
    });
    list(&mut out, "attributes", attributes.unwrap_or_default());
    let events = stored["events"].as_array().into_iter().flatten();
    let events = events.map(|event| {
        let mut out = Map::new();
        out.insert("name".into(), event["name"].clone());
        out.insert("time_unix_nano".into(), event["time_unix_nano"].clone());
        list(&mut out, "attributes", pairs(&event["attributes"]));
        Value::Object(out)
    });
    list(&mut out, "events", events.collect());
    let links = stored["links"].as_array().into_iter().flatten();
    let links = links.map(|link| {
        let mut out = Map::new();
        for name in ["trace_id", "span_id"] {
            out.insert(name.into(), STANDARD.encode(bytes(link[name].as_str().unwrap_or_default())).into());
        }
        list(&mut out, "attributes", pairs(&link["attributes"]));
        Value::Object(out)
    });
    list(&mut out, "links", links.collect());
    let mut status = json!({"code": stored["status"]["code"]});
    if let Some(message) = stored["status"]["message"].as_str() {
        status["message"] = message.into();
    }
    out.insert("status".into(), status);
    out.into()
}

fn list(out: &mut Map<String, Value>, name: &str, items: Vec<Value>) {
    if !items.is_empty() {
        out.insert(name.into(), items.into());
    }
}

fn pairs(map: &Value) -> Vec<Value> {
    let entries = map.as_object().into_iter().flatten();
    entries.map(|(key, value)| json!({"key": key, "value": any(value)})).collect()
}

fn any(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(flag) => json!({ "bool_value": flag }),
        Value::Number(number) if number.is_i64() => json!({ "int_value": number }),
        Value::Number(number) => json!({ "double_value": number }),
        Value::String(text) => json!({ "string_value": text }),
        Value::Array(items) => json!({"array_value": {"values": items.iter().map(any).collect::<Vec<_>>()}}),
        Value::Object(_) => json!({"kvlist_value": {"values": pairs(value)}}),
    }
}

/// The bytes of an id in hex, with or without MLflow's prefix.
fn bytes(id: &str) -> Vec<u8> {
    let digits: Vec<u32> = id.trim_start_matches("tr-").chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| pair.iter().fold(0_u32, |sum, digit| sum * 16 + digit) as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_get_their_types_back() {
        let stored = json!({
            "trace_id": "AQ==", "span_id": "Ag==", "parent_span_id": null, "name": "s",
            "start_time_unix_nano": 5, "end_time_unix_nano": 6, "events": [], "links": [],
            "status": {"code": "STATUS_CODE_OK", "message": null},
            "attributes": {"a": "\"text\"", "b": "1", "c": "[true]"},
        });
        let out = otel(&stored.to_string());
        assert_eq!(out["attributes"][0], json!({"key": "a", "value": {"string_value": "text"}}));
        assert_eq!(out["attributes"][1]["value"], json!({"int_value": 1}));
        assert_eq!(out["attributes"][2]["value"]["array_value"]["values"][0], json!({"bool_value": true}));
        assert!(out.get("parent_span_id").is_none());
        assert_eq!(bytes("tr-0aff"), [10, 255]);
    }
}
