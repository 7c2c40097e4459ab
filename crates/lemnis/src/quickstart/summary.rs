//! Step 9: what came out, where to look, and the chain of evidence.

use lemnis_app::why;
use serde_json::json;

use super::Loop;
use super::display::Display;
use super::journal::Journal;
use crate::commands::why::print as print_why;
use crate::output::{self, FAINT, Failure, STRONG};

pub async fn show(it: &Loop<'_>, display: &Display, journal: &Journal) -> Result<(), Failure> {
    let name = &journal.plan.model;
    let chain = why::why(&it.app, &it.who, name).await?;
    let chain = serde_json::to_value(&chain).unwrap_or_default();
    if it.context.json {
        let facts: serde_json::Map<String, serde_json::Value> =
            ["project", "data", "pipeline", "training", "gate", "serve", "monitor", "react"]
                .iter()
                .map(|step| ((*step).to_owned(), journal.facts(step)))
                .collect();
        return output::json(&json!({ "url": it.url, "steps": facts, "why": chain }));
    }
    output::line(format!(
        "\n{STRONG}∞ The loop is closed{STRONG:#} in {}",
        output::duration(display.elapsed())
    ));
    let metrics = journal.facts("training")["metrics"].clone();
    let metric = journal.plan.metric();
    let holdout = metrics[metric].as_f64().map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"));
    let rows = vec![
        vec!["pages".to_owned(), it.url.clone()],
        vec!["project".to_owned(), it.app.project.root().display().to_string()],
        vec![format!("first holdout {}", metric.replace('_', " ")), holdout],
        vec!["endpoint".to_owned(), format!("{}/endpoints/{name}/invocations", it.url)],
        vec!["tracking".to_owned(), format!("MLFLOW_TRACKING_URI={}", it.url)],
    ];
    output::line(output::table(&["", ""], rows));
    output::line(format!("\n{FAINT}$ lemnis why {name}{FAINT:#}"));
    print_why(&chain);
    Ok(())
}
