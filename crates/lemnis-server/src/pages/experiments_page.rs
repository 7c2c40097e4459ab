//! The experiments, each with its table of runs.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use lemnis_app::view::{self, ExperimentLine};

use super::chrome::Chrome;
use super::handlers::{chrome, may_read, page};
use super::render::Rendered;
use crate::Server;

/// `GET /experiments`.
pub(super) async fn experiments(State(server): State<Server>) -> Response {
    let ui = chrome(&server, false);
    let read = async {
        may_read(&server)?;
        Ok(render(&ui, &view::experiments(&server.app).await?))
    };
    page(&ui, read.await)
}

#[derive(Template)]
#[template(path = "experiments.html")]
struct ExperimentsPage<'a> {
    ui: &'a Chrome,
    section: &'static str,
    live_ms: u32,
    lines: &'a [ExperimentLine],
}

/// The page of all experiments.
pub(crate) fn render(ui: &Chrome, lines: &[ExperimentLine]) -> Rendered {
    ExperimentsPage { ui, section: "/runs", live_ms: 0, lines }.render()
}
