//! `runs list` and `runs show`.

use serde_json::Value;

use crate::cli::Runs;
use crate::client::Client;
use crate::context::Context;
use crate::output::{self, FAINT, Failure, STRONG};

pub fn runs(context: &Context, command: &Runs) -> Result<(), Failure> {
    context.block_on(async {
        let client = Client::connect(context).await?;
        match command {
            Runs::List { filter, limit } => {
                let query: String = url_query(&[("filter", filter), ("limit", &limit.to_string())]);
                let list = client.get(&format!("/api/v1/runs?{query}")).await?;
                if context.json { output::json(&list) } else { show_list(&list) }
            }
            Runs::Show { run } => {
                let run = client.get(&format!("/api/v1/runs/{}", escape(run))).await?;
                if context.json { output::json(&run) } else { show_run(&run) }
            }
        }
    })
}

fn show_list(list: &Value) -> Result<(), Failure> {
    let runs = list["runs"].as_array().cloned().unwrap_or_default();
    if runs.is_empty() {
        output::line("no runs yet: `lemnis repro` runs the pipeline, and any `mlflow` script can log here");
        return Ok(());
    }
    let mut metrics: Vec<String> = Vec::new();
    for run in &runs {
        for name in keys(&run["metrics"]) {
            if !metrics.contains(&name) {
                metrics.push(name);
            }
        }
    }
    // What one looks for first comes first.
    let known = ["roc_auc", "rmse", "accuracy", "r2", "f1_macro", "average_precision", "mae", "log_loss"];
    metrics.sort_by_key(|name| known.iter().position(|one| one == name).unwrap_or(known.len()));
    metrics.truncate(5);
    let mut headings = vec!["run", "name", "status", "started"];
    headings.extend(metrics.iter().map(String::as_str));
    let rows = runs
        .iter()
        .map(|run| {
            let mut row: Vec<String> =
                ["id", "name", "status", "started"].iter().map(|key| text(&run[*key])).collect();
            row[0].truncate(8);
            row.extend(metrics.iter().map(|name| number(&value_of(&run["metrics"], name))));
            row
        })
        .collect();
    output::line(output::table(&headings, rows));
    Ok(())
}

fn show_run(run: &Value) -> Result<(), Failure> {
    output::line(format!(
        "{STRONG}{}{STRONG:#}  {}  {}",
        text(&run["id"]),
        text(&run["name"]),
        text(&run["status"])
    ));
    for part in ["metrics", "params", "tags"] {
        let names = keys(&run[part]);
        if names.is_empty() {
            continue;
        }
        output::line(format!("\n{FAINT}{part}{FAINT:#}"));
        let rows = names.iter().map(|name| vec![name.clone(), number(&value_of(&run[part], name))]).collect();
        output::line(output::table(&[part, ""], rows));
    }
    Ok(())
}

/// The names in a JSON object, or in a list of `{key|name, value}`.
fn keys(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => fields.keys().cloned().collect(),
        Value::Array(items) => items
            .iter()
            .map(|item| text(item.get("key").or(item.get("name")).unwrap_or(&Value::Null)))
            .collect(),
        _ => Vec::new(),
    }
}

fn value_of(value: &Value, name: &str) -> Value {
    match value {
        Value::Object(fields) => fields.get(name).cloned().unwrap_or_default(),
        Value::Array(items) => items
            .iter()
            .find(|item| item["key"] == name || item["name"] == name)
            .map(|item| item.get("value").or(item.get("last")).cloned().unwrap_or_default())
            .unwrap_or_default(),
        _ => Value::Null,
    }
}

pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn number(value: &Value) -> String {
    match value.as_f64() {
        Some(value) if value.fract() == 0.0 && value.abs() < 1e9 => format!("{value}"),
        Some(value) => format!("{value:.4}"),
        None => text(value),
    }
}

/// One path segment.
pub fn escape(segment: &str) -> String {
    let mut escaped = String::new();
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

fn url_query(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={}", escape(value))).collect();
    pairs.join("&")
}
