//! Step 6: the champion behind its endpoint, asked once in each protocol.

use lemnis_app::release::{self, Deploy};
use lemnis_core::ErrorKind;
use lemnis_table::Table;
use serde_json::{Value, json};

use super::Loop;
use super::build::LIVE_ROWS;
use super::display::Outcome;
use super::journal::Journal;
use super::traffic::Traffic;
use crate::output::{self, Failure};

/// Warm-up requests whose latency is shown.
const PROBES: usize = 100;

pub async fn serve(it: &Loop<'_>, journal: &mut Journal) -> Result<(Outcome, Value), Failure> {
    let name = journal.plan.model.clone();
    let deploy = Deploy {
        endpoint: name.clone(),
        version: None,
        all_at_once: true,
        force: false,
        fault: None,
        because: None,
    };
    let deployed = release::deploy(&it.app, &it.who, &deploy).await?;
    let rows = live_rows(it)?;
    let probes = rows.slice(0, rows.rows().min(PROBES))?;
    let traffic = Traffic::new(&it.url, &name)?;
    let answers = traffic.send(&probes, &journal.plan.target, "probe").await?;
    if answers.errors > 0 {
        return Err(Failure::new(
            ErrorKind::Internal,
            format!("the endpoint failed {} of {} requests", answers.errors, answers.sent),
        ));
    }
    let outcome = Outcome::new(deployed.summary)
        .and(format!(
            "{} answers: p50 {}, p99 {}",
            answers.sent,
            output::duration(answers.quantile(0.5)),
            output::duration(answers.quantile(0.99))
        ))
        .and(format!(
            "MLflow: POST {}/endpoints/{name}/invocations · OIP: POST {}/v2/models/{name}/infer",
            it.url, it.url
        ))
        .again(format!("lemnis deploy {name}"));
    Ok((outcome, json!({ "answers": answers.sent })))
}

/// The rows that no model saw, kept to be replayed.
pub fn live_rows(it: &Loop<'_>) -> Result<Table, Failure> {
    Ok(lemnis_app::frame::read_table(&it.app.project.root().join(LIVE_ROWS))?)
}
