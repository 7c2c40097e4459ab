//! The document and the server say the same: calls, acts, and the fields that handlers read.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use lemnis_core::{FixedClock, Principal};
use serde_json::{Map, Value, json};

use super::document;
use crate::{Access, Router, Server, call, protocols, router};

tokio::task_local! {
    static READ: RefCell<BTreeSet<String>>;
}

/// Notes that a handler looked for the field at `path`, such as `metrics[0].key`.
pub(crate) fn note(path: &str) {
    let _ = READ.try_with(|read| {
        let mut plain = String::new();
        for part in path.split('[') {
            plain.push_str(part.split_once(']').map_or(part, |(_, rest)| rest));
        }
        read.borrow_mut().insert(plain);
    });
}

async fn server(dir: &Path) -> Router {
    let app = lemnis_testkit::app(dir, Arc::new(FixedClock::new(1_735_689_600_000))).await.unwrap();
    let principal = Arc::new(Principal::local("test"));
    let directory = Arc::from(dir);
    router(Server { app, principal, instance: Arc::from("test"), directory }, Access::default())
}

/// The operations of the document: method, path, what it says.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            found.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    found
}

#[test]
fn what_is_served_is_in_the_document_and_nothing_else() {
    let document = document().unwrap();
    let described: BTreeSet<(String, String)> =
        operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
    let mut served = BTreeSet::new();
    let mut twins = BTreeSet::new();
    for (method, path) in protocols().calls() {
        // MLflow's pages and tests ask for one path with two slashes.
        let path = path.replace("//", "/").replace("{*", "{");
        match path.strip_prefix("/ajax-api/") {
            Some(rest) => twins.insert(((*method).to_owned(), format!("/api/{rest}"))),
            None => served.insert(((*method).to_owned(), path)),
        };
    }
    let missing: Vec<_> = served.difference(&described).collect();
    let stale: Vec<_> = described.difference(&served).collect();
    assert!(missing.is_empty(), "served and not described: {missing:?}");
    assert!(stale.is_empty(), "described and not served: {stale:?}");
    assert!(twins.len() > 100 && twins.is_subset(&served), "below /ajax-api alone: {twins:?}");
}

#[test]
fn every_reference_leads_to_a_component_and_every_component_is_used() {
    let document = document().unwrap();
    let mut named = BTreeSet::new();
    references(&document, &mut named);
    let known: BTreeSet<String> =
        document["components"]["schemas"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(named.difference(&known).collect::<Vec<_>>(), [""; 0], "no such component");
    // A query's type is spelled out as parameters.
    let queries = ["RunsQuery", "CompareQuery", "CurvesQuery", "ListQuery", "Explain"];
    let unused: Vec<_> = known.difference(&named).filter(|name| !queries.contains(&name.as_str())).collect();
    assert_eq!(unused, [""; 0], "no call names it");
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(path) = fields.get("$ref").and_then(Value::as_str) {
                found.insert(path.strip_prefix("#/components/schemas/").unwrap().to_owned());
            }
            fields.values().for_each(|inner| references(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| references(inner, found)),
        _ => {}
    }
}

#[test]
fn operations_have_names_of_their_own() {
    let document = document().unwrap();
    let mut seen = BTreeMap::new();
    for (method, path, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap().to_owned();
        assert!(operation["summary"].as_str().unwrap().ends_with('.'), "{id} says nothing");
        if let Some(other) = seen.insert(id.clone(), path.clone()) {
            panic!("{method} {path} and {other} are both {id}");
        }
    }
}

/// A value that a schema allows, with every field.
fn sample(document: &Value, schema: &Value, depth: usize) -> Value {
    if let Some(path) = schema["$ref"].as_str() {
        let inner = &document["components"]["schemas"][path.rsplit('/').next().unwrap()];
        return sample(document, inner, depth);
    }
    if let Some(word) = schema["enum"].get(0).or(schema["oneOf"].get(0).and(Some(&json!(1)))) {
        return word.clone();
    }
    match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("object"), _) if schema["properties"].is_object() && depth < 8 => {
            let fields = schema["properties"].as_object().unwrap();
            let fill = |(name, inner): (&String, &Value)| (name.clone(), sample(document, inner, depth + 1));
            Value::Object(fields.iter().map(fill).collect())
        }
        (Some("object"), _) => json!({}),
        (Some("array"), _) => json!([sample(document, &schema["items"], depth + 1)]),
        (Some("integer" | "number"), _) => json!(1),
        (Some("boolean"), _) => json!(true),
        (_, Some("date-time")) => json!("2025-01-01T00:00:00Z"),
        // Also an experiment's id, a version, a token, and JSON.
        _ => json!("1"),
    }
}

/// The paths of all fields below a schema.
fn fields(document: &Value, schema: &Value, path: &str, found: &mut BTreeSet<String>, depth: usize) {
    if let Some(name) = schema["$ref"].as_str() {
        let inner = &document["components"]["schemas"][name.rsplit('/').next().unwrap()];
        fields(document, inner, path, found, depth);
    } else if schema["type"] == "array" {
        fields(document, &schema["items"], path, found, depth);
    } else if depth < 8 {
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            found.insert(path.clone());
            fields(document, inner, &path, found, depth + 1);
        }
    }
}

#[tokio::test]
async fn the_fields_that_handlers_read_are_the_ones_that_are_described() {
    let dir = tempfile::tempdir().unwrap();
    let router = server(dir.path()).await;
    let document = document().unwrap();
    let (mut read_at_all, mut unknown, mut unread) = (0, Vec::new(), Vec::new());
    for (method, path, operation) in operations(&document) {
        let mut described = BTreeSet::new();
        let mut uri = path.split('{').next().unwrap().to_owned();
        for rest in path.split('{').skip(1) {
            uri.push('1');
            uri.push_str(rest.split_once('}').unwrap().1);
        }
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] == "query" {
                let name = parameter["name"].as_str().unwrap();
                described.insert(name.to_owned());
                let value = sample(&document, &parameter["schema"], 0);
                let value = value.as_array().map_or(&value, |items| &items[0]);
                query.append_pair(name, value.as_str().unwrap_or(&value.to_string()));
            }
        }
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        fields(&document, schema, "", &mut described, 0);
        let body = (!schema.is_null()).then(|| sample(&document, schema, 0).to_string());
        let query = query.finish();
        let uri = if query.is_empty() { uri } else { format!("{uri}?{query}") };
        let (status, read) = READ
            .scope(RefCell::new(BTreeSet::new()), async {
                let (status, _) = call(&router, &method, &uri, body).await;
                (status, READ.with(|read| read.borrow().clone()))
            })
            .await;
        let call = format!("{method} {path}");
        read_at_all += read.len();
        unknown.extend(read.difference(&described).map(|field| format!("{call}: {field}")));
        // GraphQL looks no further when the query is none.
        if status == 200 && !read.is_empty() && path != "/graphql" {
            unread.extend(described.difference(&read).map(|field| format!("{call}: {field}")));
        }
    }
    assert!(read_at_all > 250, "handlers read {read_at_all} fields");
    assert_eq!(unknown, [""; 0], "read and not described");
    assert_eq!(unread, [""; 0], "described and not read");
}

#[tokio::test]
async fn an_act_that_is_described_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let router = server(dir.path()).await;
    let document = document().unwrap();
    let mut acts = 0;
    for (method, path, _) in operations(&document) {
        if !path.contains("}:") {
            continue;
        }
        acts += 1;
        let uri = path.replace("{name}", "nobody");
        let (_, answer) = call(&router, &method, &uri, None).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(!answer.contains("cannot"), "{path}: {answer}");
        let (status, answer) = call(&router, &method, &format!("{uri}-not"), None).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(status == 400 && answer.contains("cannot"), "{path}: {answer}");
    }
    assert_eq!(acts, 12);
}

#[tokio::test]
async fn the_server_answers_with_its_document() {
    let dir = tempfile::tempdir().unwrap();
    let router = server(dir.path()).await;
    let (status, answer) = call(&router, "GET", "/api/openapi.json", None).await;
    let answer: Map<String, Value> = serde_json::from_slice(&answer).unwrap();
    assert_eq!((status, Value::Object(answer)), (200, document().unwrap()));
}

#[tokio::test]
async fn a_request_that_no_handler_takes_is_refused_as_json() {
    let dir = tempfile::tempdir().unwrap();
    let router = server(dir.path()).await;
    for (method, uri, expected) in [
        ("DELETE", "/api/v1/overview", 405),
        ("PUT", "/v2/health/live", 405),
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/v2/nothing", 404),
        ("GET", "/api/v1/models/a/versions/x/lineage", 400),
        ("GET", "/api/v1/models/a/versions/1/diff/4294967296", 400),
        ("GET", "/api/v1/runs/%FF", 400),
        ("GET", "/api/3.0/mlflow/traces/%C3%28", 400),
        ("GET", "/api/v1/runs?limit=x", 400),
    ] {
        let (status, answer) = call(&router, method, uri, None).await;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        assert_eq!(status, expected, "{method} {uri}: {answer}");
        assert!(answer["error"].is_string() || answer["message"].is_string(), "{method} {uri}: {answer}");
    }
    let large = "x".repeat((32 << 20) + 1);
    let (status, answer) = call(&router, "POST", "/api/v1/models/a:promote", Some(large)).await;
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert!(status == 400 && answer["kind"] == "invalid", "{answer}");
}
