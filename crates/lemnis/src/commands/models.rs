//! `models`, `deploy`, `rollback`.

use serde_json::{Value, json};

use super::runs::{escape, text};
use crate::cli::{Deploy, Models, Rollback};
use crate::client::Client;
use crate::context::Context;
use crate::output::{self, BAD, FAINT, Failure, GOOD};

pub fn models(context: &Context, command: &Models) -> Result<u8, Failure> {
    context.block_on(async {
        let client = Client::connect(context).await?;
        match command {
            Models::List => {
                let list = client.get("/api/v1/models").await?;
                if context.json {
                    output::json(&list)?
                } else {
                    show_list(&list)
                }
                Ok(0)
            }
            Models::Approve { model, comment, reject, environment } => {
                let (name, version) = resolve(&client, model).await?;
                let path = format!("/api/v1/models/{}:approve", escape(&name));
                let body = json!({
                    "version": version,
                    "environment": environment,
                    "approved": !reject,
                    "comment": comment,
                });
                let approvals = client.post(&path, body).await?;
                if context.json {
                    output::json(&approvals)?
                } else {
                    show_approvals(&approvals)
                }
                Ok(0)
            }
            Models::Diff { from, to } => {
                let (name, from) = resolve(&client, from).await?;
                let (other, to) = resolve(&client, to).await?;
                if name != other {
                    return Err(Failure::usage(format!("{name} and {other} are two models"))
                        .with_hint("compare two versions of one model"));
                }
                let path = format!("/api/v1/models/{}/versions/{from}/diff/{to}", escape(&name));
                let diff = client.get(&path).await?;
                if context.json {
                    output::json(&diff)?
                } else {
                    show_diff(&diff)
                }
                Ok(0)
            }
            Models::History { model, limit } => {
                let path = format!("/api/v1/events?subject=model/{}&limit={limit}", escape(model));
                let events = client.get(&path).await?;
                if context.json {
                    output::json(&events)?
                } else {
                    show_history(&events)
                }
                Ok(0)
            }
            Models::Lineage { model } => {
                let (name, version) = resolve(&client, model).await?;
                let path = format!("/api/v1/models/{}/versions/{version}/lineage", escape(&name));
                output::json(&client.get(&path).await?)?;
                Ok(0)
            }
            Models::Rollback { model, environment } => {
                let path = format!("/api/v1/models/{}:rollback", escape(model));
                let done = client.post(&path, json!({ "environment": environment })).await?;
                if context.json {
                    output::json(&done)?
                } else {
                    output::line(format!("{GOOD}✓{GOOD:#} {}", text(&done["summary"])))
                }
                Ok(0)
            }
            Models::Promote { model, environment } => {
                let (name, version) = resolve(&client, model).await?;
                let path = format!("/api/v1/models/{}:promote", escape(&name));
                let body = json!({ "version": version, "environment": environment });
                let promoted = client.post(&path, body).await?;
                if context.json {
                    output::json(&promoted)?
                } else {
                    show_promotion(&name, version, &promoted)
                }
                Ok(u8::from(promoted["report"]["passed"] != true))
            }
        }
    })
}

/// The version that `MODEL@ALIAS` or `MODEL/VERSION` names.
pub async fn resolve(client: &Client, text: &str) -> Result<(String, u64), Failure> {
    if let Some((name, version)) = text.split_once('/') {
        let version =
            version.parse().map_err(|_| Failure::usage(format!("{version:?} is no version number")))?;
        return Ok((name.to_owned(), version));
    }
    let Some((name, alias)) = text.split_once('@') else {
        return Err(Failure::usage(format!("{text:?} names no version"))
            .with_hint(format!("write {text}@challenger or {text}/1")));
    };
    let path =
        format!("/api/2.0/mlflow/registered-models/alias?name={}&alias={}", escape(name), escape(alias));
    let found = client.get(&path).await?;
    let version = found["model_version"]["version"].as_str().and_then(|version| version.parse().ok());
    version
        .map(|version| (name.to_owned(), version))
        .ok_or_else(|| Failure::usage(format!("{text:?} names no version")))
}

fn show_list(list: &Value) {
    let mut rows = Vec::new();
    for model in list["models"].as_array().into_iter().flatten() {
        for version in model["versions"].as_array().into_iter().flatten() {
            let aliases: Vec<String> = version["aliases"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|alias| format!("@{}", text(alias)))
                .collect();
            rows.push(vec![
                text(&model["name"]),
                text(&version["version"]),
                aliases.join(" "),
                text(&version["gate"]),
                text(&version["created"]),
            ]);
        }
    }
    if rows.is_empty() {
        output::line("no registered models yet");
        return;
    }
    output::line(output::table(&["model", "version", "aliases", "gate", "registered"], rows));
}

/// The checks of a gate report, a line each.
pub fn show_checks(report: &Value) {
    for check in report["checks"].as_array().into_iter().flatten() {
        output::line(format!(
            "{} {}  {FAINT}{}{FAINT:#}",
            mark(check["passed"] == true),
            text(&check["name"]),
            text(&check["detail"])
        ));
    }
}

fn mark(good: bool) -> String {
    if good { format!("{GOOD}✓{GOOD:#}") } else { format!("{BAD}✗{BAD:#}") }
}

fn show_diff(diff: &Value) {
    let missing = |value: &Value| if value.is_null() { "–".to_owned() } else { text(value) };
    let rows: Vec<Vec<String>> = diff["differences"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| {
            vec![text(&one["section"]), text(&one["name"]), missing(&one["from"]), missing(&one["to"])]
        })
        .collect();
    if rows.is_empty() {
        output::line(format!("nothing differs in {} facts", text(&diff["same"])));
        return;
    }
    let (from, to) = (format!("version {}", diff["from"]), format!("version {}", diff["to"]));
    output::line(output::table(&["", "", &from, &to], rows));
    output::line(format!("{FAINT}{} facts are the same{FAINT:#}", text(&diff["same"])));
}

fn show_history(events: &Value) {
    let rows: Vec<Vec<String>> = events["events"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|event| {
            vec![text(&event["at"]), text(&event["actor"]), text(&event["kind"]), facts(&event["data"])]
        })
        .collect();
    if rows.is_empty() {
        output::line("nothing happened to that model yet");
        return;
    }
    output::line(output::table(&["when", "who", "what", ""], rows));
}

/// The single values of an event's evidence.
fn facts(data: &Value) -> String {
    let single = |(name, value): (&String, &Value)| match value {
        Value::Null | Value::Array(_) | Value::Object(_) => None,
        _ => Some(format!("{}={}", name, text(value))),
    };
    data.as_object().into_iter().flatten().filter_map(single).collect::<Vec<_>>().join(" ")
}

fn show_approvals(approvals: &Value) {
    for said in approvals["said"].as_array().into_iter().flatten() {
        output::line(format!(
            "{} {} ({}): {}",
            mark(said["approved"] == true),
            text(&said["by"]),
            text(&said["role"]),
            text(&said["comment"])
        ));
    }
}

fn show_promotion(name: &str, version: u64, promoted: &Value) {
    show_checks(&promoted["report"]);
    if promoted["report"]["passed"] != true {
        output::line(format!("{BAD}the gate does not let {name} version {version} through{BAD:#}"));
    } else if promoted["has_alias"] == true {
        output::line(format!("{GOOD}{name} version {version} is the {}{GOOD:#}", text(&promoted["alias"])));
    } else {
        output::line(format!("{GOOD}the gate is passed{GOOD:#}: a rollout of version {version} started"));
    }
}

pub fn deploy(context: &Context, arguments: &Deploy) -> Result<(), Failure> {
    let path = format!("/api/v1/endpoints/{}:deploy", escape(&arguments.endpoint));
    let body = json!({
        "version": arguments.version,
        "all_at_once": arguments.all_at_once,
        "force": arguments.force,
    });
    let deployed = context.block_on(async { Client::connect(context).await?.post(&path, body).await })?;
    if context.json {
        return output::json(&deployed);
    }
    output::line(format!("{GOOD}✓{GOOD:#} {}", text(&deployed["summary"])));
    Ok(())
}

pub fn rollback(context: &Context, arguments: &Rollback) -> Result<(), Failure> {
    let path = format!("/api/v1/endpoints/{}:rollback", escape(&arguments.endpoint));
    let done = context.block_on(async { Client::connect(context).await?.post(&path, json!({})).await })?;
    if context.json {
        return output::json(&done);
    }
    output::line(format!("{GOOD}✓{GOOD:#} {}", text(&done["summary"])));
    Ok(())
}
