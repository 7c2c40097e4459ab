//! Each page as a pure function from its read model to HTML.
//!
//! A template sees a read model and the drawings made from it, nothing else; so every page can be rendered from samples.

use askama::Template;
use lemnis_app::view::{
    DataList, EndpointList, EventList, FlowList, ModelDetail, ModelList, Overview, RunDetail, State,
};
use lemnis_app::why::Why;

use super::chrome::Chrome;
use super::html::Markup;
use super::loop_map;
use super::run_page;
use askama::filters::Safe;

/// What a renderer returns.
pub(crate) type Rendered = Result<String, askama::Error>;

/// How often an open page asks for news, in milliseconds; 0 never.
const LIVE_MS: u32 = 2_000;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage<'a> {
    ui: &'a Chrome,
    section: &'static str,
    live_ms: u32,
    view: &'a Overview,
    picture: Markup,
}

/// The loop at a glance.
pub(crate) fn overview(ui: &Chrome, view: &Overview) -> Rendered {
    OverviewPage { ui, section: "/", live_ms: LIVE_MS, view, picture: Safe(loop_map::draw(view)) }.render()
}

#[derive(Template)]
#[template(path = "run.html")]
struct RunPage<'a> {
    ui: &'a Chrome,
    section: &'static str,
    live_ms: u32,
    view: &'a RunDetail,
    charts: Vec<(String, Markup)>,
}

/// One run.
pub(crate) fn run(ui: &Chrome, view: &RunDetail) -> Rendered {
    let live_ms = if view.state == State::Working { LIVE_MS } else { 0 };
    RunPage { ui, section: "/runs", live_ms, view, charts: run_page::charts(&view.metrics) }.render()
}

#[derive(Template)]
#[template(path = "models.html")]
struct ModelsPage<'a> {
    ui: &'a Chrome,
    section: &'static str,
    live_ms: u32,
    view: &'a ModelList,
}

/// All registered models.
pub(crate) fn models(ui: &Chrome, view: &ModelList) -> Rendered {
    ModelsPage { ui, section: "/models", live_ms: 0, view }.render()
}

#[derive(Template)]
#[template(path = "model.html")]
struct ModelPage<'a> {
    ui: &'a Chrome,
    section: &'static str,
    live_ms: u32,
    view: &'a ModelDetail,
    metric: String,
    metrics: Vec<String>,
    chart: Option<Markup>,
}

/// One model with the evidence for its versions.
pub(crate) fn model(ui: &Chrome, view: &ModelDetail) -> Rendered {
    let metric = view.metric.clone().unwrap_or_default();
    let chart = run_page::by_version(view, &metric);
    let metrics = run_page::version_metrics(view, &metric);
    ModelPage { ui, section: "/models", live_ms: LIVE_MS, view, metric, metrics, chart }.render()
}

#[derive(Template)]
#[template(path = "endpoints.html")]
struct EndpointsPage<'a> {
    ui: &'a Chrome,
    section: &'static str,
    live_ms: u32,
    view: &'a EndpointList,
}

/// All endpoints.
pub(crate) fn endpoints(ui: &Chrome, view: &EndpointList) -> Rendered {
    EndpointsPage { ui, section: "/endpoints", live_ms: LIVE_MS, view }.render()
}

pub(crate) use super::endpoint_page::endpoint;

#[derive(Template)]
#[template(path = "data.html")]
struct DataPage<'a> {
    ui: &'a Chrome,
    section: &'static str,
    live_ms: u32,
    view: &'a DataList,
}

/// Versioned data and the pipeline.
pub(crate) fn data(ui: &Chrome, view: &DataList) -> Rendered {
    DataPage { ui, section: "/data", live_ms: 0, view }.render()
}

#[derive(Template)]
#[template(path = "flows.html")]
struct FlowsPage<'a> {
    ui: &'a Chrome,
    section: &'static str,
    live_ms: u32,
    view: &'a FlowList,
}

/// Flow runs.
pub(crate) fn flows(ui: &Chrome, view: &FlowList) -> Rendered {
    FlowsPage { ui, section: "/flows", live_ms: LIVE_MS, view }.render()
}

#[derive(Template)]
#[template(path = "events.html")]
struct EventsPage<'a> {
    ui: &'a Chrome,
    section: &'static str,
    live_ms: u32,
    view: &'a EventList,
}

/// The audit trail.
pub(crate) fn events(ui: &Chrome, view: &EventList) -> Rendered {
    EventsPage { ui, section: "/events", live_ms: LIVE_MS, view }.render()
}

#[derive(Template)]
#[template(path = "why.html")]
struct WhyPage<'a> {
    ui: &'a Chrome,
    section: &'static str,
    live_ms: u32,
    why: &'a Why,
}

/// The chain of evidence.
pub(crate) fn why(ui: &Chrome, why: &Why) -> Rendered {
    WhyPage { ui, section: "/endpoints", live_ms: 0, why }.render()
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    ui: &'a Chrome,
    section: &'static str,
    live_ms: u32,
    title: &'a str,
    message: &'a str,
    causes: &'a [String],
    hint: Option<&'a str>,
}

/// A page that cannot be shown, and why.
pub(crate) fn error(
    ui: &Chrome,
    title: &str,
    message: &str,
    causes: &[String],
    hint: Option<&str>,
) -> Rendered {
    ErrorPage { ui, section: "", live_ms: 0, title, message, causes, hint }.render()
}
