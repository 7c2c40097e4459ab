//! Runs side by side: the table of what they logged is drawn here, the plots by a script from the same data.

use std::collections::BTreeSet;

use askama::Template;
use askama::filters::Safe;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use lemnis_app::view::{self, RunComparison, RunRow};

use super::chrome::Chrome;
use super::handlers::{chrome, may_read, page};
use super::html::{Markup, number};
use super::render::Rendered;
use crate::Server;

/// Metrics that are charted, and axes that are drawn, where none was chosen.
const CHARTED: usize = 4;
const AXES: usize = 4;
/// Characters of a value in the table.
const SHOWN: usize = 2_000;

/// `GET /compare?runs=a,b` or `?run=a&run=b`.
pub(super) async fn compare(State(server): State<Server>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let ui = chrome(&server, false);
    let read = async {
        may_read(&server)?;
        Ok(render(&ui, &view::compare(&server.app, &ids(&query)).await?))
    };
    page(&ui, read.await)
}

/// The ids of the runs in a query.
pub(crate) fn ids(query: &str) -> Vec<String> {
    url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "runs" || name == "run")
        .flat_map(|(_, value)| value.split(',').map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// One name with the value that each run has for it.
struct Row {
    name: String,
    values: Vec<Option<String>>,
    same: bool,
    numeric: bool,
}

#[derive(Template)]
#[template(path = "compare.html")]
struct ComparePage<'a> {
    ui: &'a Chrome,
    section: &'static str,
    live_ms: u32,
    view: &'a RunComparison,
    experiment: Option<&'a str>,
    json: Markup,
    charted: Vec<String>,
    dimensions: Vec<(String, String, bool)>,
    tables: Vec<(&'static str, Vec<Row>)>,
    differences: usize,
}

/// The page of a comparison.
pub(crate) fn render(ui: &Chrome, view: &RunComparison) -> Rendered {
    // A text in a script element ends at its end tag, whatever its type: no `<` may stand in it.
    let json = serde_json::to_string(view).unwrap_or_default().replace('<', "\\u003c");
    let tables = vec![
        (
            "Params",
            rows(&view.runs, |run| run.params.keys(), |run, name| run.params.get(name).cloned(), false),
        ),
        (
            "Metrics",
            rows(
                &view.runs,
                |run| run.metrics.keys(),
                |run, name| run.metrics.get(name).map(|v| number(*v)),
                true,
            ),
        ),
        ("Tags", rows(&view.runs, |run| run.tags.keys(), |run, name| run.tags.get(name).cloned(), false)),
    ];
    let differs = |name: &String| tables[0].1.iter().any(|row| row.name == *name && !row.same);
    let params: Vec<&String> = view.params.iter().filter(|name| differs(name)).take(AXES).collect();
    let dimensions = view
        .params
        .iter()
        .map(|name| (format!("params.{name}"), name.clone(), params.contains(&name)))
        .chain(
            view.metrics
                .iter()
                .enumerate()
                .map(|(place, name)| (format!("metrics.{name}"), name.clone(), place < AXES)),
        )
        .collect();
    let first = view.runs.first().map(|run| run.experiment_id.as_str());
    ComparePage {
        ui,
        section: "/runs",
        live_ms: 0,
        view,
        experiment: first.filter(|id| view.runs.iter().all(|run| run.experiment_id == *id)),
        json: Safe(json),
        charted: view.metrics.iter().take(CHARTED).cloned().collect(),
        dimensions,
        differences: tables.iter().flat_map(|(_, rows)| rows).filter(|row| !row.same).count(),
        tables,
    }
    .render()
}

fn rows<'a, K: Iterator<Item = &'a String>>(
    runs: &'a [RunRow],
    names: impl Fn(&'a RunRow) -> K,
    value: impl Fn(&RunRow, &str) -> Option<String>,
    numeric: bool,
) -> Vec<Row> {
    let all: BTreeSet<&String> = runs.iter().flat_map(names).collect();
    let row = |name: &String| {
        let values: Vec<Option<String>> = runs.iter().map(|run| value(run, name)).collect();
        let same = values.windows(2).all(|pair| pair[0] == pair[1]);
        let cut = |text: String| {
            if text.len() > SHOWN { text.chars().take(SHOWN).chain(['…']).collect() } else { text }
        };
        Row {
            name: name.clone(),
            values: values.into_iter().map(|value| value.map(cut)).collect(),
            same,
            numeric,
        }
    };
    all.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_in_a_list_or_one_by_one() {
        assert_eq!(ids("runs=a,b&run=c&x=d"), ["a", "b", "c"]);
    }
}
