//! The OpenAPI document as a page: calls by group, what each asks and answers, and the types, in a short form.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::chrome::Chrome;
use super::handlers::{chrome, page};
use super::render::Rendered;
use crate::Server;
use crate::api::ApiError;

/// `GET /docs/api`.
pub(super) async fn show(State(server): State<Server>) -> Response {
    let ui = chrome(&server, false);
    match crate::openapi() {
        Ok(document) => page(&ui, Ok(render(&ui, &document))),
        Err(malformed) => ApiError::internal(malformed.to_string()).into_response(),
    }
}

struct Group {
    name: String,
    calls: Vec<Call>,
}

struct Call {
    id: String,
    method: String,
    path: String,
    does: String,
    asks: String,
    answers: String,
}

struct Kind {
    name: String,
    about: String,
    outline: String,
}

#[derive(Template)]
#[template(path = "api.html")]
struct ApiPage<'a> {
    ui: &'a Chrome,
    section: &'static str,
    live_ms: u32,
    about: &'a str,
    groups: Vec<Group>,
    kinds: Vec<Kind>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The page of `document`.
pub(crate) fn render(ui: &Chrome, document: &Value) -> Rendered {
    let names = document["tags"].as_array().into_iter().flatten().map(|tag| text(&tag["name"]));
    let mut groups: Vec<Group> = names.map(|name| Group { name, calls: Vec::new() }).collect();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let call = call(method, path, operation);
            if let Some(group) = groups.iter_mut().find(|group| operation["tags"][0] == group.name.as_str()) {
                group.calls.push(call);
            }
        }
    }
    let schemas = document["components"]["schemas"].as_object();
    let kinds = schemas.into_iter().flatten().map(|(name, schema)| Kind {
        name: name.clone(),
        about: text(&schema["description"]),
        outline: outline(schema, 0),
    });
    let about = document["info"]["description"].as_str().unwrap_or_default();
    ApiPage { ui, section: "/docs/api", live_ms: 0, about, groups, kinds: kinds.collect() }.render()
}

fn call(method: &str, path: &str, operation: &Value) -> Call {
    let mut asks = String::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let mark = if parameter["required"] == true { "" } else { "?" };
        let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
        asks.push_str(&format!("{name}{mark}: {}  ({place})\n", outline(&parameter["schema"], 0)));
    }
    for (media, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
        asks.push_str(&format!("{media}: {}\n", outline(&content["schema"], 0)));
    }
    let mut answers = String::new();
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        for (media, content) in response["content"].as_object().into_iter().flatten() {
            answers.push_str(&format!("{status}  {media}: {}\n", outline(&content["schema"], 0)));
        }
    }
    Call {
        id: text(&operation["operationId"]),
        method: method.to_uppercase(),
        path: path.to_owned(),
        does: text(&operation["summary"]),
        asks: asks.trim_end().to_owned(),
        answers: answers.trim_end().to_owned(),
    }
}

/// A schema in a form for reading: `{ name: string, tags?: [MlflowTag] }`.
fn outline(schema: &Value, depth: usize) -> String {
    if let Some(path) = schema["$ref"].as_str() {
        return path.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(list) = schema[several].as_array() {
            return list.iter().map(|one| outline(one, depth)).collect::<Vec<_>>().join(" | ");
        }
    }
    let null = if schema["nullable"] == true { " | null" } else { "" };
    let plain = match schema["type"].as_str() {
        Some("array") => format!("[{}]", outline(&schema["items"], depth)),
        Some("object") => object(schema, depth),
        Some(name) => name.to_owned(),
        None => "anything".to_owned(),
    };
    format!("{plain}{null}")
}

fn object(schema: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth + 1);
    let required =
        |name: &str| schema["required"].as_array().is_some_and(|list| list.iter().any(|one| one == name));
    let mut lines: Vec<String> = Vec::new();
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        let mark = if required(name) { "" } else { "?" };
        lines.push(format!("{indent}{name}{mark}: {}", outline(inner, depth + 1)));
    }
    match &schema["additionalProperties"] {
        further @ Value::Object(_) => {
            lines.push(format!("{indent}any name: {}", outline(further, depth + 1)))
        }
        Value::Bool(true) => lines.push(format!("{indent}…")),
        _ => {}
    }
    match lines.is_empty() {
        true => "{}".to_owned(),
        false => format!("{{\n{}\n{}}}", lines.join("\n"), "  ".repeat(depth)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_written_for_reading() {
        let schema = serde_json::json!({
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": { "type": "string" },
                "tags": { "type": "array", "items": { "$ref": "#/components/schemas/Tag" } },
                "by": { "type": "object", "additionalProperties": { "type": "number", "nullable": true } },
            },
        });
        let expected = "{\n  name: string\n  tags?: [Tag]\n  by?: {\n    any name: number | null\n  }\n}";
        assert_eq!(outline(&schema, 0), expected);
    }
}
