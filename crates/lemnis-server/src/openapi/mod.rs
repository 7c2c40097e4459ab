//! `GET /api/openapi.json`: what the server answers, for generators of clients and for fuzzers; `/docs/api` shows it.
//!
//! The calls stand in the `.api` files beside this one; the own API's types come from the code that reads and answers
//! them. Tests hold the calls to the routes, and the fields of MLflow's requests to those that handlers read.

mod file;
mod notation;
#[cfg(test)]
pub(crate) mod tests;
mod types;

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::Server;
use crate::api::ApiError;
use crate::routes::{Routes, get};
use file::{Answer, Operation};

/// The files, in the order of the document.
const FILES: [(&str, &str); 4] = [
    ("own.api", include_str!("own.api")),
    ("tracking.api", include_str!("tracking.api")),
    ("genai.api", include_str!("genai.api")),
    ("scoring.api", include_str!("scoring.api")),
];
/// Calls that need no token.
pub(crate) const OPEN: [&str; 5] = ["/health", "/ping", "/version", "/v2/health/live", "/v2/health/ready"];
const JSON: &str = "application/json";
const ABOUT: &str = "Lemnis speaks MLflow's REST API, MLflow's scoring protocol, the Open Inference Protocol and its \
                     own API on one port. Everything below `/api/2.0/mlflow`, `/api/3.0/mlflow` and \
                     `/api/2.0/mlflow-artifacts` also answers below `/ajax-api` instead of `/api`. MLflow's calls \
                     take fields in snake case or camel case, and numbers as texts, too.";

/// A line of an `.api` file that says nothing.
#[derive(Debug, thiserror::Error)]
#[error("{file}, line {line}: {why}")]
pub struct Malformed {
    file: &'static str,
    line: usize,
    why: String,
}

pub(crate) fn routes() -> Routes {
    Routes::<Server>::new().route("/api/openapi.json", get(serve))
}

async fn serve() -> Response {
    match document() {
        Ok(document) => Json(document).into_response(),
        Err(malformed) => ApiError::internal(malformed.to_string()).into_response(),
    }
}

/// The OpenAPI 3.0.3 document of everything that the server answers in JSON. It does not depend on a project.
pub fn document() -> Result<Value, Malformed> {
    let mut schemas = types::schemas();
    let mut operations = Vec::new();
    for (name, text) in FILES {
        let file = file::read(name, text)?;
        schemas.extend(file.types);
        operations.extend(file.operations);
    }
    let mut tags: Vec<&str> = Vec::new();
    for operation in &operations {
        if !tags.contains(&operation.tag.as_str()) {
            tags.push(&operation.tag);
        }
    }
    let tags: Value = tags.iter().map(|tag| json!({ "name": tag })).collect();
    let mut paths: Map<String, Value> = Map::new();
    for operation in &operations {
        let path = paths.entry(operation.path.clone()).or_insert_with(|| json!({}));
        path[operation.method.as_str()] = described(operation, &schemas);
    }
    Ok(json!({
        "openapi": "3.0.3",
        "info": { "title": "Lemnis", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT },
        "servers": [{ "url": "/" }],
        // A server on the loopback address needs no token.
        "security": [{}, { "bearer": [] }, { "basic": [] }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "basic": {
                    "type": "http", "scheme": "basic", "description": "the token is the password",
                },
            },
        },
    }))
}

fn described(operation: &Operation, schemas: &Map<String, Value>) -> Value {
    let mut out = json!({
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.does,
    });
    let parameters = parameters(operation, schemas);
    if !parameters.is_empty() {
        out["parameters"] = parameters.into();
    }
    if let Some(body) = body(operation) {
        out["requestBody"] = body;
    }
    if OPEN.contains(&operation.path.as_str()) {
        out["security"] = json!([]);
    }
    let content = match &operation.answers {
        Answer::Json(schema) => json!({ JSON: { "schema": schema } }),
        // Files of any kind; generators know the first name.
        Answer::Media(media) if media == "*/*" => {
            let bytes = json!({ "schema": { "type": "string", "format": "binary" } });
            json!({ "application/octet-stream": bytes, media: bytes })
        }
        Answer::Media(media) => json!({ media: {} }),
    };
    let refusal = json!({ JSON: { "schema": {
        "$ref": format!("#/components/schemas/{}", operation.refusal)
    } } });
    let mut statuses: Vec<(u16, &Value)> = vec![(200, &content)];
    statuses.extend(operation.also.iter().map(|status| (*status, &content)));
    statuses.extend(operation.refuses.iter().map(|status| (*status, &refusal)));
    let plain = json!({ "text/plain": { "schema": { "type": "string" } } });
    statuses.extend(operation.plain.iter().map(|status| (*status, &plain)));
    statuses.sort_by_key(|(status, _)| *status);
    let responses: Map<String, Value> = statuses
        .into_iter()
        .map(|(status, content)| {
            (status.to_string(), json!({ "description": meaning(status), "content": content }))
        })
        .collect();
    out["responses"] = responses.into();
    out
}

fn meaning(status: u16) -> &'static str {
    match status {
        200 => "The answer.",
        206 => "The part that the range names.",
        400 => "The request is not as it must be.",
        401 => "A token is missing or wrong.",
        403 => "The caller may not do that.",
        404 => "There is nothing of that name.",
        409 => "It conflicts with what is there.",
        413 => "The body is too large.",
        415 => "The body's type is not known.",
        416 => "The range lies outside of the file.",
        501 => "This server does not offer it.",
        503 => "It is not up now; try again.",
        _ => "The server failed.",
    }
}

/// What a request carries outside of its body.
fn parameters(operation: &Operation, schemas: &Map<String, Value>) -> Vec<Value> {
    let parameter = |place: &str, name: &str, required: bool, schema: &Value| json!({ "name": name, "in": place, "required": required, "schema": schema });
    let fields = &operation.asks.fields;
    let mut found = Vec::new();
    for part in operation.path.split('{').skip(1) {
        let name = part.split('}').next().unwrap_or_default();
        let text = json!({ "type": "string" });
        let own = fields.iter().find(|field| field.place == Some('/') && field.name == name);
        found.push(parameter("path", name, true, own.map_or(&text, |field| &field.schema)));
    }
    for field in fields {
        let place = match field.place {
            Some('@') => "header",
            Some('?') => "query",
            None if operation.method == "get" => "query",
            _ => continue,
        };
        found.push(parameter(place, &field.name, field.required, &field.schema));
    }
    if let Some(whole) = operation.asks.whole.as_ref().filter(|_| operation.method == "get") {
        let schema = whole["$ref"].as_str().and_then(|path| schemas.get(path.rsplit('/').next()?));
        let schema = schema.cloned().unwrap_or_default();
        let required =
            |name: &str| schema["required"].as_array().is_some_and(|list| list.iter().any(|one| one == name));
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            found.push(parameter("query", name, required(name), field));
        }
    }
    found
}

fn body(operation: &Operation) -> Option<Value> {
    if operation.method == "get" {
        return None;
    }
    let mut content = Map::new();
    let fields: Vec<_> = operation.asks.fields.iter().filter(|field| field.place.is_none()).collect();
    let mut required = false;
    if operation.asks.whole.is_some() || !fields.is_empty() {
        required = operation.asks.whole.is_some() || fields.iter().any(|field| field.required);
        content.insert(JSON.to_owned(), json!({ "schema": operation.asks.body() }));
    }
    for media in &operation.takes {
        required = true;
        content.insert(media.clone(), json!({ "schema": { "type": "string", "format": "binary" } }));
    }
    if content.is_empty() { None } else { Some(json!({ "required": required, "content": content })) }
}
