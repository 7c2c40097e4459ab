//! Commands on the server's state speak HTTP: to a running server, or to the same router mounted in this process.

use std::path::Path;
use std::time::Duration;

use lemnis_app::project::Project;
use lemnis_core::ErrorKind;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::Context;
use crate::output::Failure;
use crate::place::Place;
use crate::{serve, wiring};

/// Where the answers come from.
pub enum Client {
    /// A running server.
    Remote {
        /// Its address, without a trailing slash.
        base: String,
        /// The token it wants.
        token: Option<String>,
        /// The connections.
        http: reqwest::Client,
    },
    /// The project's own state, in this process.
    Mounted {
        /// What a server would answer with.
        router: lemnis_server::Router,
        /// The project.
        project: Project,
    },
}

/// What a running server says about itself in `.lemnis/server.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerFile {
    /// Where it listens.
    pub url: String,
    /// Its process.
    pub pid: u32,
    /// Changes with every start.
    pub instance: String,
}

impl Client {
    /// The server named on the command line, else the one that serves this project, else the project itself.
    pub async fn connect(context: &Context) -> Result<Self, Failure> {
        if let Some(server) = &context.server {
            return Self::at(server, context.token.clone());
        }
        let project = require_project(&context.dir)?;
        if let Some(running) = running_server(&project, context.token.as_deref()).await {
            return Self::at(&running.url, context.token.clone());
        }
        let place = Place::of(context, Place::default(), project.settings_if_any()?.as_ref())?;
        let app =
            wiring::open(project.clone(), &place, context.clock.clone(), context.environment.clone()).await?;
        Ok(Self::Mounted { router: wiring::router(app, wiring::Identity::default()), project })
    }

    /// The server at an address.
    pub fn at(base: &str, token: Option<String>) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(60))
            .build()
            .map_err(|error| Failure::new(ErrorKind::Internal, error.to_string()))?;
        Ok(Self::Remote { base: base.trim_end_matches('/').to_owned(), token, http })
    }

    /// Asks `path`, with its query.
    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call("GET", path, None).await
    }

    /// Does what `path` says with `body`.
    pub async fn post(&self, path: &str, body: Value) -> Result<Value, Failure> {
        self.call("POST", path, Some(body)).await
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value, Failure> {
        let (status, text) = match self {
            Self::Remote { base, token, http } => {
                let url = format!("{base}{path}");
                let mut request = if method == "POST" { http.post(&url) } else { http.get(&url) };
                if let Some(token) = token {
                    request = request.bearer_auth(token);
                }
                if let Some(body) = &body {
                    request = request.json(body);
                }
                let unreachable = |error: reqwest::Error| {
                    let mut failure =
                        Failure::new(ErrorKind::Unavailable, format!("{url} cannot be reached"));
                    failure.messages.push(error.to_string());
                    failure.with_hint("is the server running? `lemnis up` starts it")
                };
                let answer = request.send().await.map_err(unreachable)?;
                let status = answer.status().as_u16();
                (status, answer.text().await.map_err(unreachable)?)
            }
            Self::Mounted { router, project } => {
                // A server that started meanwhile routes by its own memory: nothing may change beside it.
                let _alone = if method == "POST" { Some(serve::lock(project)?) } else { None };
                let (status, bytes) =
                    lemnis_server::call(router, method, path, body.map(|body| body.to_string())).await;
                (status, String::from_utf8_lossy(&bytes).into_owned())
            }
        };
        let parsed: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if (200..300).contains(&status) {
            return Ok(parsed);
        }
        Err(failure_of(status, &parsed))
    }
}

/// The project's server, if one runs: it answers as the one that wrote the file, wants a token, or takes its time.
pub async fn running_server(project: &Project, token: Option<&str>) -> Option<ServerFile> {
    let text = std::fs::read_to_string(project.server_file()).ok()?;
    let file: ServerFile = serde_json::from_str(&text).ok()?;
    let http = reqwest::Client::builder().timeout(Duration::from_millis(1500)).build().ok()?;
    let mut request = http.get(format!("{}/api/v1/server", file.url));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) => return error.is_timeout().then_some(file),
    };
    if matches!(answer.status().as_u16(), 401 | 403) {
        return Some(file);
    }
    let body: Value = answer.json().await.ok()?;
    (body["instance"] == Value::String(file.instance.clone())).then_some(file)
}

/// The project at or above `dir`.
pub fn require_project(dir: &Path) -> Result<Project, Failure> {
    Project::discover(dir).ok_or_else(|| {
        Failure::usage(format!("{} is not inside a Lemnis project", dir.display()))
            .with_hint("`lemnis quickstart` makes one from a CSV; `lemnis up` makes an empty one here")
    })
}

fn failure_of(status: u16, body: &Value) -> Failure {
    let kind = match status {
        400 | 405 | 413 | 415 | 422 => ErrorKind::Invalid,
        401 => ErrorKind::Unauthenticated,
        403 => ErrorKind::PermissionDenied,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        503 => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    };
    let message = body["error"].as_str().or_else(|| body["message"].as_str());
    let mut failure =
        Failure::new(kind, message.map_or_else(|| format!("the server answered {status}"), str::to_owned));
    for cause in body["causes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        failure.messages.push(cause.to_owned());
    }
    failure.hint = body["hint"].as_str().map(str::to_owned);
    if kind == ErrorKind::Unauthenticated && failure.hint.is_none() {
        failure.hint = Some("set LEMNIS_TOKEN to the server's token".to_owned());
    }
    failure
}
