//! `/graphql`: what MLflow's pages ask in one request. Each root field is one of the REST calls; what it answers is cut
//! to the fields that were asked for.

mod parse;

use std::collections::HashSet;

use axum::extract::State;
use lemnis_tracking::{Error, Result};
use serde_json::{Map, Value, json};

use super::super::failure::Failure;
use super::super::fields::Fields;
use super::super::wire::Reply;
use super::super::{Answer, artifacts, experiments, metrics, model_versions, runs};
use crate::Server;
use parse::{Document, Field, Operation, Selection};

const MAX_ROOT_FIELDS: usize = 10;
const MAX_ALIASES: usize = 10;
const MAX_DEPTH: usize = 10;
const MAX_SELECTIONS: usize = 1000;
/// Fields that hold 64-bit numbers: GraphQL carries those as texts.
const LONG: [&str; 9] = [
    "creation_time",
    "creation_timestamp",
    "end_time",
    "file_size",
    "last_update_time",
    "last_updated_timestamp",
    "start_time",
    "step",
    "timestamp",
];

pub(super) async fn handle(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let failed = |message: String| Ok(Reply(json!({"data": null, "errors": [message]})));
    let document = match parse::parse(&fields.text("query")?.unwrap_or_default()) {
        Ok(document) => document,
        Err(message) => return failed(message),
    };
    let wanted = fields.text("operation_name")?.unwrap_or_default();
    let named = document.operations.iter().find(|operation| operation.name == wanted);
    let operation = match (named, document.operations.as_slice()) {
        (Some(operation), _) => operation,
        (None, [only]) if wanted.is_empty() => only,
        _ => return failed(format!("Unknown operation named '{wanted}'.")),
    };
    if let Err(message) = check(&document, operation) {
        return failed(message);
    }
    let mut variables = operation.defaults.clone();
    if let Value::Object(given) = fields.json("variables") {
        variables.extend(given);
    }
    let mut data = Map::new();
    let mut errors: Vec<Value> = Vec::new();
    for field in collect(&document, &operation.selections) {
        let key = field.alias.as_ref().unwrap_or(&field.name).clone();
        let answer = match root(&server, field, operation.mutation, &variables).await {
            Ok(answer) => answer,
            Err(message) => {
                errors.push(message.into());
                data.insert(key, Value::Null);
                continue;
            }
        };
        let answer = match enrich(&server, &document, field, answer).await {
            Ok(answer) => answer,
            Err(error) => {
                errors.push(error.to_string().into());
                Value::Null
            }
        };
        data.insert(key, cut(&document, &answer, &field.selections, 0));
    }
    let errors = if errors.is_empty() { Value::Null } else { errors.into() };
    Ok(Reply(json!({"data": data, "errors": errors})))
}

/// The fields of `selections`, with those of its fragments, each fragment once.
fn collect<'d>(document: &'d Document, selections: &'d [Selection]) -> Vec<&'d Field> {
    let mut seen = HashSet::new();
    let mut open: Vec<&Selection> = selections.iter().rev().collect();
    let mut found = Vec::new();
    while let Some(selection) = open.pop() {
        match selection {
            Selection::Field(field) => found.push(field),
            Selection::Inline(inner) => open.extend(inner.iter().rev()),
            Selection::Spread(name) => {
                if seen.insert(name.as_str()) {
                    open.extend(document.fragments.get(name).into_iter().flatten().rev());
                }
            }
        }
    }
    found
}

/// Refuses requests that ask for too much at once.
fn check(document: &Document, operation: &Operation) -> Result<(), String> {
    let mut open = vec![(operation.selections.as_slice(), 1_usize)];
    let mut total = 0;
    let most = |limit: usize, what: &str, got: usize| {
        Err(format!("GraphQL queries should have at most {limit} {what}, got {got} {what}."))
    };
    while let Some((selections, depth)) = open.pop() {
        if depth > MAX_DEPTH {
            return Err(format!("Query exceeds maximum depth of {MAX_DEPTH}"));
        }
        let fields = collect(document, selections);
        total += fields.len();
        if total > MAX_SELECTIONS {
            return Err(format!("Query exceeds maximum total selections of {MAX_SELECTIONS}"));
        }
        if depth == 1 && fields.len() > MAX_ROOT_FIELDS {
            return most(MAX_ROOT_FIELDS, "root fields", fields.len());
        }
        let aliases = fields.iter().filter(|field| field.alias.is_some()).count();
        if aliases > MAX_ALIASES {
            return most(MAX_ALIASES, "aliases", aliases);
        }
        for field in fields {
            if !field.selections.is_empty() {
                open.push((&field.selections, depth + 1));
            }
        }
    }
    Ok(())
}

async fn root(
    server: &Server,
    field: &Field,
    mutation: bool,
    variables: &Map<String, Value>,
) -> Result<Value, String> {
    let argument = |name: &str| {
        let found = field.arguments.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.resolve(variables)).unwrap_or_default()
    };
    if matches!(field.name.as_str(), "test" | "testMutation") {
        return Ok(json!({"output": argument("inputString")}));
    }
    let mut input = match argument("input") {
        Value::Object(map) => map,
        Value::Null => Map::new(),
        _ => return Err(format!("The input of {} must be an object.", field.name)),
    };
    input.retain(|_, value| !value.is_null());
    let fields = Fields::of(input).map_err(|error| error.to_string())?;
    let state = State(server.clone());
    let answer = match (field.name.as_str(), mutation) {
        ("mlflowGetExperiment", false) => value(experiments::get(state, fields).await),
        ("mlflowGetRun", false) => value(runs::get(state, fields).await),
        ("mlflowGetMetricHistoryBulkInterval", false) => value(metrics::history_sampled(state, fields).await),
        ("mlflowListArtifacts", false) => value(artifacts::list(state, fields).await),
        ("mlflowSearchModelVersions", false) => value(model_versions::search(state, fields).await),
        ("mlflowSearchRuns", _) => value(runs::search(state, fields).await),
        ("mlflowSearchDatasets", true) => value(experiments::search_datasets(state, fields).await),
        (other, true) => return Err(format!("Cannot query field '{other}' on type 'Mutation'.")),
        (other, false) => return Err(format!("Cannot query field '{other}' on type 'Query'.")),
    };
    answer.map_err(|failure| failure.message())
}

fn value<T: serde::Serialize>(answer: Answer<T>) -> Result<Value, Failure> {
    let Reply(found) = answer?;
    Ok(serde_json::to_value(found).map_err(|error| Error::invalid(error.to_string()))?)
}

/// Adds to runs their experiment and model versions, where those are asked for.
async fn enrich(server: &Server, document: &Document, field: &Field, mut answer: Value) -> Result<Value> {
    let asked = |selections: &[Selection], name: &str| {
        collect(document, selections).iter().any(|inner| inner.name == name)
    };
    for inner in collect(document, &field.selections) {
        let runs: Vec<&mut Value> = match inner.name.as_str() {
            "run" => answer.get_mut("run").into_iter().collect(),
            "runs" => answer.get_mut("runs").and_then(Value::as_array_mut).into_iter().flatten().collect(),
            _ => continue,
        };
        let experiment = asked(&inner.selections, "experiment");
        let versions = asked(&inner.selections, "modelVersions");
        for run in runs {
            let call = |map: Map<String, Value>| Ok::<_, Error>((State(server.clone()), Fields::of(map)?));
            if experiment {
                let (state, fields) = call(Map::from_iter([(
                    "experiment_id".to_owned(),
                    run["info"]["experiment_id"].clone(),
                )]))?;
                let found = value(experiments::get(state, fields).await)
                    .map_err(|failure| Error::invalid(failure.message()))?;
                run["experiment"] = found["experiment"].clone();
            }
            if versions {
                let filter = format!("run_id='{}'", run["info"]["run_id"].as_str().unwrap_or_default());
                let (state, fields) = call(Map::from_iter([("filter".to_owned(), filter.into())]))?;
                let found = value(model_versions::search(state, fields).await)
                    .map_err(|failure| Error::invalid(failure.message()))?;
                run["model_versions"] = found.get("model_versions").cloned().unwrap_or_else(|| json!([]));
            }
        }
    }
    Ok(answer)
}

/// The fields of `value` that `selections` name.
fn cut(document: &Document, value: &Value, selections: &[Selection], depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    match value {
        Value::Array(items) => items.iter().map(|item| cut(document, item, selections, depth)).collect(),
        Value::Object(map) if !selections.is_empty() => {
            let mut out = Map::new();
            for field in collect(document, selections) {
                let key = field.alias.as_ref().unwrap_or(&field.name).clone();
                let name = snake_case(&field.name);
                let found = map.get(&name).unwrap_or(&Value::Null);
                let inner = match name.as_str() {
                    "__typename" => "Mlflow".into(),
                    _ if field.selections.is_empty() => leaf(&name, found),
                    _ => cut(document, found, &field.selections, depth + 1),
                };
                out.insert(key, inner);
            }
            Value::Object(out)
        }
        other => other.clone(),
    }
}

fn leaf(name: &str, found: &Value) -> Value {
    match found {
        Value::Number(number) if LONG.contains(&name) => number.to_string().into(),
        // What protocol buffers leave out is zero or empty.
        Value::Null if name == "file_size" => "0".into(),
        Value::Null if name == "context" => "".into(),
        // GraphQL's numbers have no NaN and no infinities.
        Value::String(text)
            if name == "value" && matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity") =>
        {
            Value::Null
        }
        other => other.clone(),
    }
}

fn snake_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(query: &str) -> Result<(), String> {
        let document = parse::parse(query).unwrap();
        check(&document, &document.operations[0])
    }

    #[test]
    fn requests_that_ask_for_too_much_are_refused() {
        let many = (0..12).map(|index| format!("k{index}: a ")).collect::<String>();
        assert!(checked(&format!("{{{many}}}")).unwrap_err().contains("at most 10 root fields"));
        assert!(checked(&format!("{{x {{{many}}}}}")).unwrap_err().contains("at most 10 aliases"));
        assert!(
            checked(&format!("{}{}", "{a".repeat(12), "}".repeat(12))).unwrap_err().contains("depth of 10")
        );
        assert!(checked("{...F} fragment F on T {a ...F}").is_ok(), "a fragment that names itself ends");
        assert!(checked("{a {...F}} fragment F on T {a {...F}}").unwrap_err().contains("depth"));
    }

    #[test]
    fn answers_are_cut_to_what_was_asked() {
        let document = parse::parse("{run {info {runId start: startTime} missing}}").unwrap();
        let value = json!({"run": {"info": {"run_id": "r", "start_time": 5, "status": "OK"}}});
        let out = cut(&document, &value, &document.operations[0].selections, 0);
        assert_eq!(out, json!({"run": {"info": {"runId": "r", "start": "5"}, "missing": null}}));
    }
}
