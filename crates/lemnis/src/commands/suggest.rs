//! `suggest`: the next hyperparameters to try in an experiment.

use clap::{Args, ValueHint};
use lemnis_tracking::suggest::Space;
use serde_json::{Map, Value, json};

use super::runs::{escape, text};
use crate::client::Client;
use crate::context::Context;
use crate::output::{self, FAINT, Failure, STRONG};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lemnis suggest churn --metric auc --maximize --space lr=1e-5..1e-1:log --space depth=2..12:int --space \"opt=adam|sgd\"
  lemnis suggest churn --metric auc --maximize -n 3 --json     the space from lemnis.yaml, or from past runs
  lemnis suggest churn --metric loss --minimize --start        begin a run with these params, for workers side by side

A space is LOW..HIGH, with :log for a logarithmic and :int for a whole number, or values with | between them. Without
--space the experiment's tag lemnis.space is taken, then lemnis.yaml, then what past runs span. The same seed and runs
give the same answer. From a script: POST /api/v1/experiments/NAME:suggest (docs/search.md).")]
pub struct Suggest {
    /// The experiment's name or id
    pub experiment: String,
    /// The metric to improve (default: what lemnis.yaml says)
    #[arg(long, value_name = "NAME")]
    pub metric: Option<String>,
    /// More of the metric is better
    #[arg(long, conflicts_with = "minimize")]
    pub maximize: bool,
    /// Less of the metric is better
    #[arg(long)]
    pub minimize: bool,
    /// What a param may be: NAME=LOW..HIGH[:log][:int] or NAME=A|B|C; give it once for each param
    #[arg(long, value_name = "PARAM=VALUES", value_hint = ValueHint::Other)]
    pub space: Vec<String>,
    /// How many points
    #[arg(short = 'n', long, default_value_t = 1, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=100))]
    pub count: usize,
    /// What chance is drawn from
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Ended runs before the search learns from them; until then points are spread evenly (default: 10)
    #[arg(long, value_name = "N")]
    pub startup: Option<usize>,
    /// Begin a run for each point, with its params logged
    #[arg(long)]
    pub start: bool,
}

pub fn suggest(context: &Context, arguments: &Suggest) -> Result<(), Failure> {
    let space = Space::from_texts(arguments.space.iter().map(String::as_str))
        .map_err(|error| Failure::usage(error.to_string()))?;
    let direction = match (arguments.maximize, arguments.minimize) {
        (true, _) => Some("maximize"),
        (_, true) => Some("minimize"),
        _ => None,
    };
    let body = json!({
        "metric": arguments.metric, "direction": direction, "space": space.to_json(), "count": arguments.count,
        "seed": arguments.seed, "startup": arguments.startup, "start": arguments.start,
    });
    let answer = context.block_on(async {
        let client = Client::connect(context).await?;
        client.post(&format!("/api/v1/experiments/{}:suggest", escape(&arguments.experiment)), body).await
    })?;
    if context.json { output::json(&answer) } else { show(&answer) }
}

fn show(answer: &Value) -> Result<(), Failure> {
    let points: Vec<&Map<String, Value>> = answer["suggestions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["params"].as_object())
        .collect();
    let mut headings: Vec<&str> =
        answer["space"].as_object().into_iter().flat_map(|space| space.keys()).map(String::as_str).collect();
    let mut rows: Vec<Vec<String>> = points
        .iter()
        .map(|params| headings.iter().map(|name| params.get(*name).map(text).unwrap_or_default()).collect())
        .collect();
    headings.push("found by");
    for (row, point) in rows.iter_mut().zip(answer["suggestions"].as_array().into_iter().flatten()) {
        row.push(text(&point["method"]));
    }
    if answer["suggestions"][0]["run_id"].is_string() {
        headings.push("run");
        for (row, point) in rows.iter_mut().zip(answer["suggestions"].as_array().into_iter().flatten()) {
            row.push(text(&point["run_id"]));
        }
    }
    output::line(output::table(&headings, rows));
    let from = match answer["space_from"].as_str() {
        Some("past_runs") => "the space is what past runs span: nothing outside it is proposed",
        Some("settings") => "the space is lemnis.yaml's",
        Some("experiment_tag") => "the space is that of the experiment's tag",
        _ => "the space is yours",
    };
    let runs = &answer["runs"];
    output::line(format!(
        "{FAINT}{} runs ended, {} run, {} failed, {} lie elsewhere; {from}; seed {}{FAINT:#}",
        text(&runs["finished"]),
        text(&runs["running"]),
        text(&runs["failed"]),
        text(&runs["elsewhere"]),
        text(&answer["seed"]),
    ));
    if let Some(best) = answer["best"].as_object() {
        output::line(format!(
            "best so far: {STRONG}{} {}{STRONG:#} in run {}",
            text(&answer["metric"]),
            text(&best["value"]),
            text(&best["run_id"])
        ));
    }
    Ok(())
}
