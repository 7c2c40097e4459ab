//! From a request to a page: the query, the read model, the renderer; and failures as pages of their own.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use lemnis_app::view;
use lemnis_app::{authorise, why as chain};
use lemnis_core::{Action, Classify, ErrorKind};
use serde::Deserialize;

use super::chrome::Chrome;
use super::render::{self, Rendered};
use crate::Server;

/// Flow runs on the page.
const FLOW_RUNS: usize = 50;
/// Events on the page.
const EVENTS: usize = 300;

/// What any page may be asked.
#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    fragment: String,
}

impl Asked {
    fn chrome(&self, server: &Server) -> Chrome {
        chrome(server, !self.fragment.is_empty())
    }
}

pub(super) fn chrome(server: &Server, fragment: bool) -> Chrome {
    let root = server.app.project.root();
    let directory = || root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let settings = server.app.project.settings_if_any().ok().flatten();
    let project = settings.map_or_else(directory, |settings| settings.project);
    Chrome { project, now_ms: server.app.clock.now_ms(), fragment }
}

/// A page, or why there is none.
pub(super) fn page(ui: &Chrome, found: Result<Rendered, lemnis_app::Error>) -> Response {
    match found {
        Ok(rendered) => html(StatusCode::OK, rendered),
        Err(error) => failure(ui, &error),
    }
}

fn html(status: StatusCode, rendered: Rendered) -> Response {
    match rendered {
        Ok(text) => (status, [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Html(text))
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be rendered").into_response()
        }
    }
}

fn failure(ui: &Chrome, error: &lemnis_app::Error) -> Response {
    let kind = error.kind();
    let mut causes = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    if kind == ErrorKind::Internal {
        tracing::error!(%error, ?causes, "a page cannot be shown");
    }
    let title = match kind {
        ErrorKind::NotFound => "Not found",
        ErrorKind::PermissionDenied | ErrorKind::Unauthenticated => "Not allowed",
        ErrorKind::Invalid => "That cannot be shown",
        _ => "Something went wrong",
    };
    let status = StatusCode::from_u16(kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    html(status, render::error(ui, title, &error.to_string(), &causes, error.hint().as_deref()))
}

pub(super) fn may_read(server: &Server) -> Result<(), lemnis_app::Error> {
    authorise(&server.principal, Action::Read)
}

/// What nothing else answers: a page for people, JSON for programs.
pub(crate) async fn nowhere(State(server): State<Server>, uri: Uri) -> Response {
    let error = lemnis_app::Error::Missing { what: "page", name: uri.path().to_owned() };
    if uri.path().starts_with("/api/") || uri.path().starts_with("/v2/") {
        return crate::api::ApiError::from(error).into_response();
    }
    failure(&chrome(&server, false), &error)
}

pub(super) async fn overview(State(server): State<Server>, Query(asked): Query<Asked>) -> Response {
    let ui = asked.chrome(&server);
    let read = async {
        may_read(&server)?;
        Ok(render::overview(&ui, &view::overview(&server.app).await?))
    };
    page(&ui, read.await)
}

pub(super) async fn data(State(server): State<Server>, Query(asked): Query<Asked>) -> Response {
    let ui = asked.chrome(&server);
    let read = async {
        may_read(&server)?;
        Ok(render::data(&ui, &view::data(&server.app).await?))
    };
    page(&ui, read.await)
}

pub(super) async fn run(
    State(server): State<Server>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let ui = asked.chrome(&server);
    let read = async {
        may_read(&server)?;
        Ok(render::run(&ui, &view::run(&server.app, &id).await?))
    };
    page(&ui, read.await)
}

pub(super) async fn models(State(server): State<Server>, Query(asked): Query<Asked>) -> Response {
    let ui = asked.chrome(&server);
    let read = async {
        may_read(&server)?;
        Ok(render::models(&ui, &view::models(&server.app).await?))
    };
    page(&ui, read.await)
}

pub(super) async fn model(
    State(server): State<Server>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let ui = asked.chrome(&server);
    let read = async {
        may_read(&server)?;
        Ok(render::model(&ui, &view::model(&server.app, &name).await?))
    };
    page(&ui, read.await)
}

pub(super) async fn endpoints(State(server): State<Server>, Query(asked): Query<Asked>) -> Response {
    let ui = asked.chrome(&server);
    let read = async {
        may_read(&server)?;
        Ok(render::endpoints(&ui, &view::endpoints(&server.app).await?))
    };
    page(&ui, read.await)
}

pub(super) async fn endpoint(
    State(server): State<Server>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let ui = asked.chrome(&server);
    let read = async {
        may_read(&server)?;
        Ok(render::endpoint(&ui, &view::endpoint(&server.app, &name).await?))
    };
    page(&ui, read.await)
}

pub(super) async fn flows(State(server): State<Server>, Query(asked): Query<Asked>) -> Response {
    let ui = asked.chrome(&server);
    let read = async {
        may_read(&server)?;
        Ok(render::flows(&ui, &view::flow_runs(&server.app, FLOW_RUNS).await?))
    };
    page(&ui, read.await)
}

/// The query of the list of events.
#[derive(Deserialize)]
pub(super) struct AskedEvents {
    #[serde(default)]
    subject: String,
    #[serde(default)]
    fragment: String,
}

pub(super) async fn events(State(server): State<Server>, Query(asked): Query<AskedEvents>) -> Response {
    let ui = chrome(&server, !asked.fragment.is_empty());
    let subject = Some(asked.subject.as_str()).filter(|subject| !subject.is_empty());
    let read = async {
        may_read(&server)?;
        Ok(render::events(&ui, &view::events(&server.app, subject, EVENTS).await?))
    };
    page(&ui, read.await)
}

pub(super) async fn why(
    State(server): State<Server>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let ui = asked.chrome(&server);
    let read = async { Ok(render::why(&ui, &chain::why(&server.app, &server.principal, &name).await?)) };
    page(&ui, read.await)
}
