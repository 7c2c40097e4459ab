//! One version of a registered model, and two of them side by side.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use lemnis_app::model::{self, Diff, Fact};
use lemnis_app::view::{self, GateRow, ModelDetail, RunRow, VersionRow};
use serde::Deserialize;

use super::chrome::Chrome;
use super::handlers::{chrome, may_read, page};
use super::render::Rendered;
use crate::Server;

/// `GET /models/{name}/versions/{version}`.
pub(super) async fn version(
    State(server): State<Server>,
    Path((name, number)): Path<(String, String)>,
) -> Response {
    let ui = chrome(&server, false);
    let read = async {
        may_read(&server)?;
        let found = view::model(&server.app, &name).await?;
        let missing = || lemnis_app::Error::Missing { what: "version", name: format!("{name} {number}") };
        let number: u32 = number.parse().map_err(|_| missing())?;
        let row = found.model.versions.iter().find(|row| row.version == number).ok_or_else(missing)?;
        let facts = model::facts_of(&server.app, &server.principal, &name, number).await?;
        Ok(render(&ui, &found, row, &facts))
    };
    page(&ui, read.await)
}

#[derive(Template)]
#[template(path = "version.html")]
struct VersionPage<'a> {
    ui: &'a Chrome,
    section: &'static str,
    live_ms: u32,
    model: &'a ModelDetail,
    version: &'a VersionRow,
    run: Option<&'a RunRow>,
    reports: Vec<&'a GateRow>,
    sections: Vec<(&'static str, Vec<&'a Fact>)>,
    others: Vec<u32>,
}

/// The page of one version.
pub(crate) fn render(ui: &Chrome, model: &ModelDetail, version: &VersionRow, facts: &[Fact]) -> Rendered {
    let mut sections: Vec<(&'static str, Vec<&Fact>)> = Vec::new();
    for fact in facts {
        match sections.last_mut() {
            Some((section, list)) if *section == fact.section => list.push(fact),
            _ => sections.push((fact.section, vec![fact])),
        }
    }
    let about = |report: &&GateRow| {
        report.challenger == Some(version.version) || report.champion == Some(version.version)
    };
    let others = model.model.versions.iter().map(|row| row.version).filter(|one| *one != version.version);
    VersionPage {
        ui,
        section: "/models",
        live_ms: 0,
        model,
        version,
        run: model.runs.iter().find(|run| Some(&run.id) == version.run_id.as_ref()),
        reports: model.reports.iter().filter(about).collect(),
        sections,
        others: others.collect(),
    }
    .render()
}

/// The two versions that are compared.
#[derive(Deserialize)]
pub(super) struct Pair {
    from: u32,
    to: u32,
}

/// `GET /models/{name}/diff?from=1&to=2`.
pub(super) async fn diff(
    State(server): State<Server>,
    Path(name): Path<String>,
    Query(pair): Query<Pair>,
) -> Response {
    let ui = chrome(&server, false);
    let read = async {
        let diff = model::diff(&server.app, &server.principal, &name, pair.from, pair.to).await?;
        Ok(render_diff(&ui, &diff))
    };
    page(&ui, read.await)
}

#[derive(Template)]
#[template(path = "diff.html")]
struct DiffPage<'a> {
    ui: &'a Chrome,
    section: &'static str,
    live_ms: u32,
    diff: &'a Diff,
}

/// The page of two versions.
pub(crate) fn render_diff(ui: &Chrome, diff: &Diff) -> Rendered {
    DiffPage { ui, section: "/models", live_ms: 0, diff }.render()
}
