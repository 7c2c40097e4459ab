//! `gate`: may this version pass? For people and for any CI: a table, JSON, a Markdown report, exit code 0 or 1.

use std::fmt::Write;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use lemnis_core::write_whole;
use serde_json::{Value, json};

use super::models::{resolve, show_checks};
use super::runs::{escape, text};
use crate::client::Client;
use crate::context::Context;
use crate::output::{self, BAD, Failure, GOOD, io_failure};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis gate churn                                 the challenger against the gate of production
  lemnis gate churn/7 --environment staging
  lemnis gate churn --markdown gate.md              a report for a pull request
  lemnis gate churn --json | jq '.checks[] | select(.passed | not)'

Exit code 0 says that the version may pass, 1 that it may not. Nothing is moved: `lemnis models promote` does that.")]
pub struct Gate {
    /// MODEL (its challenger, else its newest version), MODEL@ALIAS or MODEL/VERSION
    pub model: String,
    /// The environment whose gate is asked (default: production)
    #[arg(long, short, value_name = "NAME")]
    pub environment: Option<String>,
    /// Write the report as JSON to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub report: Option<PathBuf>,
    /// Write the report as Markdown to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub markdown: Option<PathBuf>,
}

pub fn gate(context: &Context, arguments: &Gate) -> Result<u8, Failure> {
    let report = context.block_on(async {
        let client = Client::connect(context).await?;
        let (name, version) = candidate(&client, &arguments.model).await?;
        let path = format!("/api/v1/models/{}:gate", escape(&name));
        client.post(&path, json!({ "version": version, "environment": arguments.environment })).await
    })?;
    let mut files = Vec::new();
    if let Some(path) = &arguments.report {
        let pretty = serde_json::to_string_pretty(&report)
            .map_err(|error| Failure::new(lemnis_core::ErrorKind::Internal, error.to_string()))?;
        files.push((context.path(path), format!("{pretty}\n")));
    }
    if let Some(path) = &arguments.markdown {
        files.push((context.path(path), markdown(&report)));
    }
    for (path, text) in files {
        write_whole(&path, |out| out.write_all(text.as_bytes()))
            .map_err(io_failure(format!("writing {}", path.display())))?;
    }
    let passed = report["passed"] == true;
    if context.json {
        output::json(&report)?;
    } else {
        show_checks(&report);
        let (style, verdict) = if passed { (GOOD, "may pass") } else { (BAD, "may not pass") };
        output::line(format!("{style}{} {verdict}{style:#}", title(&report)));
    }
    Ok(u8::from(!passed))
}

/// The version that `text` names; for a bare model its challenger, else its newest version.
async fn candidate(client: &Client, text: &str) -> Result<(String, u64), Failure> {
    if text.contains(['@', '/']) {
        return resolve(client, text).await;
    }
    let model = client.get(&format!("/api/v1/models/{}", escape(text))).await?;
    let versions = model["versions"].as_array().cloned().unwrap_or_default();
    let challenges = |version: &&Value| {
        version["aliases"].as_array().into_iter().flatten().any(|alias| alias == "challenger")
    };
    let newest = || versions.iter().max_by_key(|version| version["version"].as_u64());
    let found = versions.iter().find(challenges).or_else(newest);
    found
        .and_then(|version| version["version"].as_u64())
        .map(|version| (text.to_owned(), version))
        .ok_or_else(|| Failure::usage(format!("{text:?} has no versions")))
}

/// `churn version 7, production`.
fn title(report: &Value) -> String {
    let environment = report["inputs"]["environment"].as_str().unwrap_or("production");
    format!("{} version {}, {environment}", text(&report["model"]), text(&report["challenger_version"]))
}

/// The report for a pull request.
fn markdown(report: &Value) -> String {
    let passed = report["passed"] == true;
    let mut out = format!("### {} {}\n\n", if passed { "✅" } else { "❌" }, title(report));
    let checks = report["checks"].as_array();
    let rows: Vec<Vec<String>> = checks
        .into_iter()
        .flatten()
        .map(|check| {
            let mark = if check["passed"] == true { "✅" } else { "❌" };
            // A bar would end the cell.
            let cell = |value: &Value| text(value).replace('|', "\\|").replace('\n', " ");
            vec![mark.to_owned(), cell(&check["name"]), cell(&check["detail"])]
        })
        .collect();
    if rows.is_empty() {
        out.push_str("The gate has no rules.\n");
    } else {
        out.push_str("| | rule | found |\n|---|---|---|\n");
        for row in rows {
            let _ = writeln!(out, "| {} |", row.join(" | "));
        }
    }
    let inputs = &report["inputs"];
    let _ = writeln!(
        out,
        "\nReport `{}`; {} holdout rows, `{}`; model `{}`",
        text(&report["id"]),
        text(&inputs["holdout_rows"]),
        text(&inputs["holdout_digest"]),
        text(&inputs["challenger_digest"]),
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_markdown_report_keeps_its_table_whole() {
        let report = json!({
            "id": "gate-churn-2-ab", "model": "churn", "challenger_version": 2, "passed": false,
            "checks": [{"name": "a | b", "passed": false, "detail": "two\nlines"}],
            "inputs": {"environment": "staging", "holdout_rows": 10, "holdout_digest": "sha256:1",
                       "challenger_digest": "sha256:2"},
        });
        assert_eq!(
            markdown(&report),
            "### ❌ churn version 2, staging\n\n| | rule | found |\n|---|---|---|\n| ❌ | a \\| b | two lines |\n\n\
             Report `gate-churn-2-ab`; 10 holdout rows, `sha256:1`; model `sha256:2`\n"
        );
    }
}
