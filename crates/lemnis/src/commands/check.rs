//! `validate` and `drift`. Both exit with 1 when the check does not hold.

use lemnis_app::project::Project;
use lemnis_app::{dataset, frame};
use lemnis_quality::drift::{self, DriftReport, DriftSettings};
use serde_json::json;

use super::runs::escape;
use crate::cli::{Drift, Validate};
use crate::client::{Client, require_project};
use crate::context::Context;
use crate::output::{self, BAD, Failure, GOOD, WARN};

pub fn validate(context: &Context, arguments: &Validate) -> Result<u8, Failure> {
    let checks = match (&arguments.data, &arguments.suite) {
        (Some(data), Some(suite)) => vec![(context.path(data), context.path(suite))],
        _ => {
            let project = require_project(&context.dir)?;
            let settings = project.settings()?;
            if settings.checks.is_empty() {
                return Err(Failure::usage("lemnis.yaml declares no checks")
                    .with_hint("name the data and its suite: lemnis validate DATA --suite SUITE"));
            }
            settings.checks.into_iter().map(|check| (check.data, check.suite)).collect()
        }
    };
    let project = Project::discover(&context.dir);
    let root = project.as_ref().map_or(context.dir.clone(), |project| project.root().to_path_buf());
    let mut held = true;
    let mut results = Vec::new();
    for (data, suite) in checks {
        let validated = dataset::validate(&root, &data, &suite, context.clock.now_ms())?;
        held &= validated.result.success;
        if project.is_some() {
            let verdict = serde_json::to_value(&validated.verdict).unwrap_or_default();
            context.block_on(async {
                Client::connect(context).await?.post("/api/v1/verdicts", verdict).await
            })?;
        }
        if context.json {
            results.push(validated.verdict.report);
            continue;
        }
        let mark =
            if validated.result.success { format!("{GOOD}✓{GOOD:#}") } else { format!("{BAD}✗{BAD:#}") };
        output::line(format!("{mark} {}", validated.verdict.summary));
        for failed in validated.verdict.report["results"].as_array().into_iter().flatten() {
            if failed["success"] == true {
                continue;
            }
            let config = &failed["expectation_config"];
            let column = config["kwargs"]["column"].as_str().unwrap_or("table");
            output::line(format!(
                "  {BAD}{}{BAD:#} {column}: {}",
                config["type"].as_str().unwrap_or_default(),
                failed["result"]
            ));
        }
    }
    if context.json {
        match results.as_slice() {
            [one] => output::json(one)?,
            many => output::json(&many)?,
        }
    }
    Ok(u8::from(!held))
}

pub fn drift(context: &Context, arguments: &Drift) -> Result<u8, Failure> {
    let Some(current) = &arguments.current else {
        let path = format!("/api/v1/endpoints/{}:check", escape(&arguments.reference));
        let body = json!({ "rows": arguments.rows });
        let checked = context.block_on(async { Client::connect(context).await?.post(&path, body).await })?;
        if context.json {
            output::json(&checked)?;
        } else {
            for verdict in ["drift", "performance"] {
                if let Some(summary) = checked[verdict]["summary"].as_str() {
                    let style = if checked[verdict]["outcome"] == "pass" { GOOD } else { WARN };
                    output::line(format!("{style}{verdict}{style:#}  {summary}"));
                }
            }
            if let Ok(report) = serde_json::from_value::<DriftReport>(checked["drift"]["report"].clone()) {
                show(&report);
            }
            if let Some(run) = checked["flow_run"].as_str() {
                output::line(format!("started flow run {run}"));
            }
        }
        return Ok(u8::from(checked["drift"]["outcome"] == "drift"));
    };
    let settings = Project::discover(&context.dir)
        .and_then(|project| project.settings().ok())
        .and_then(|settings| settings.endpoints.into_values().next())
        .map_or_else(DriftSettings::default, |endpoint| endpoint.monitor.drift);
    let reference = frame::read_table(&context.path(std::path::Path::new(&arguments.reference)))?;
    let current = frame::read_table(&context.path(current))?;
    let report = drift::compare(&reference, &current, None, &settings)?;
    if context.json {
        output::json(&report)?;
    } else {
        show(&report);
        let word =
            if report.drift { format!("{WARN}drift{WARN:#}") } else { format!("{GOOD}no drift{GOOD:#}") };
        output::line(format!(
            "{word}: {} of {} columns drifted (threshold {:.0} %), {} against {} rows",
            report.number_of_drifted_columns,
            report.number_of_columns,
            report.drift_share_threshold * 100.0,
            report.rows_current,
            report.rows_reference
        ));
    }
    Ok(u8::from(report.drift))
}

fn show(report: &DriftReport) {
    let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"));
    let rows = report
        .columns
        .iter()
        .map(|column| {
            let status = serde_json::to_value(column.status).unwrap_or_default();
            let status = status.as_str().unwrap_or_default().replace('_', " ");
            vec![
                column.column.clone(),
                status,
                number(column.psi),
                number(column.adjusted_p_value),
                format!(
                    "{:.1} → {:.1} %",
                    column.null_share_reference * 100.0,
                    column.null_share_current * 100.0
                ),
                column.reason.clone().unwrap_or_default(),
            ]
        })
        .collect();
    output::line(output::table(&["column", "status", "PSI", "adjusted p", "missing", ""], rows));
}
