//! What a caller can look at: the pages' read models as JSON.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use lemnis_app::{model, view, why as chain};
use lemnis_tracking::View;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ApiError;
use super::extract::Place;
use crate::Server;

type Answer = Result<Json<Value>, ApiError>;
pub(super) type Asked<T> = Result<Query<T>, QueryRejection>;

/// The query, or an answer in this API's own form that says what is wrong with it.
pub(super) fn asked<T>(query: Asked<T>) -> Result<T, ApiError> {
    query.map(|Query(query)| query).map_err(|rejection| ApiError::invalid(rejection.body_text()))
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct RunsQuery {
    #[serde(default)]
    filter: String,
    #[serde(default)]
    order_by: String,
    limit: Option<usize>,
    #[serde(default)]
    offset: u64,
    experiment: Option<String>,
    view: Option<String>,
    #[serde(default)]
    count: bool,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct CompareQuery {
    /// Ids with commas between them.
    runs: String,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct CurvesQuery {
    /// Ids with commas between them.
    runs: String,
    metric: String,
    points: Option<usize>,
}

fn ids(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct ListQuery {
    subject: Option<String>,
    limit: Option<usize>,
}

impl ListQuery {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(100).clamp(1, 1000)
    }
}

pub(super) async fn server(State(server): State<Server>) -> Answer {
    answer(json!({
        "instance": server.instance.as_ref(),
        "version": env!("CARGO_PKG_VERSION"),
        "project": server.app.project.root(),
    }))
}

pub(super) async fn overview(State(server): State<Server>) -> Answer {
    answer(view::overview(&server.app).await?)
}

pub(super) async fn runs(State(server): State<Server>, query: Asked<RunsQuery>) -> Answer {
    let query = asked(query)?;
    let query = view::RunQuery {
        filter: query.filter,
        order_by: query.order_by,
        experiment: query.experiment,
        view: match query.view.as_deref() {
            None | Some("" | "active") => View::Active,
            Some("deleted") => View::Deleted,
            Some("all") => View::All,
            Some(other) => {
                return Err(ApiError::invalid(format!("{other:?} is no view: active, deleted or all")));
            }
        },
        count: query.count,
        limit: query.limit.unwrap_or(100).clamp(1, 1000),
        offset: query.offset,
    };
    let list = view::runs(&server.app, &query).await?;
    if let Some(error) = list.error {
        return Err(ApiError::invalid(error));
    }
    answer(list)
}

pub(super) async fn run(State(server): State<Server>, Place(id): Place<String>) -> Answer {
    answer(view::run(&server.app, &id).await?)
}

pub(super) async fn experiments(State(server): State<Server>) -> Answer {
    answer(json!({ "experiments": view::experiments(&server.app).await? }))
}

/// Runs side by side.
pub(super) async fn compare(State(server): State<Server>, query: Asked<CompareQuery>) -> Answer {
    answer(view::compare(&server.app, &ids(&asked(query)?.runs)).await?)
}

/// One metric of several runs, thinned out for a plot.
pub(super) async fn curves(State(server): State<Server>, query: Asked<CurvesQuery>) -> Answer {
    let query = asked(query)?;
    let points = query.points.unwrap_or(500);
    let curves = view::curves(&server.app, &ids(&query.runs), &query.metric, points).await?;
    answer(json!({ "metric": query.metric, "curves": curves }))
}

/// The OpenLineage event of what made a version.
pub(super) async fn lineage(
    State(server): State<Server>,
    Place((name, version)): Place<(String, u32)>,
) -> Answer {
    answer(model::open_lineage(&server.app, &server.principal, &name, version).await?)
}

pub(super) async fn version_diff(
    State(server): State<Server>,
    Place((name, version, other)): Place<(String, u32, u32)>,
) -> Answer {
    answer(model::diff(&server.app, &server.principal, &name, version, other).await?)
}

pub(super) async fn models(State(server): State<Server>) -> Answer {
    answer(view::models(&server.app).await?)
}

pub(super) async fn model(State(server): State<Server>, Place(name): Place<String>) -> Answer {
    answer(view::model(&server.app, &name).await?)
}

pub(super) async fn endpoints(State(server): State<Server>) -> Answer {
    answer(view::endpoints(&server.app).await?)
}

pub(super) async fn endpoint(State(server): State<Server>, Place(name): Place<String>) -> Answer {
    answer(view::endpoint(&server.app, &name).await?)
}

pub(super) async fn flow_runs(State(server): State<Server>, query: Asked<ListQuery>) -> Answer {
    let query = asked(query)?;
    answer(view::flow_runs(&server.app, query.limit()).await?)
}

pub(super) async fn events(State(server): State<Server>, query: Asked<ListQuery>) -> Answer {
    let query = asked(query)?;
    answer(view::events(&server.app, query.subject.as_deref(), query.limit()).await?)
}

pub(super) async fn verdicts(State(server): State<Server>, query: Asked<ListQuery>) -> Answer {
    let query = asked(query)?;
    answer(view::verdicts(&server.app, query.subject.as_deref(), query.limit()).await?)
}

pub(super) async fn why(State(server): State<Server>, Place(name): Place<String>) -> Answer {
    answer(chain::why(&server.app, &server.principal, &name).await?)
}

fn answer(value: impl Serialize) -> Answer {
    serde_json::to_value(value)
        .map(Json)
        .map_err(|error| ApiError::invalid(format!("the answer is not JSON: {error}")))
}
