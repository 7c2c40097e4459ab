//! Hyperparameter search in an experiment: what to try next, and which params mattered.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use lemnis_app::suggest::{Explain, importance, suggest};
use serde_json::Value;

use super::ApiError;
use super::act::{from, read, to_the_end, verb_of};
use super::read::{Asked, asked};
use crate::Server;

type Answer = Result<Json<Value>, ApiError>;

pub(super) fn routes() -> Router<Server> {
    Router::new()
        .route("/api/v1/experiments/{target}", post(act))
        .route("/api/v1/experiments/{name}/importance", get(explain))
}

/// `POST /api/v1/experiments/{name or id}:suggest`.
async fn act(State(server): State<Server>, Path(target): Path<String>, body: Bytes) -> Answer {
    // Names of experiments may hold colons.
    let (name, verb) = target.rsplit_once(':').map_or_else(|| verb_of(&target), Ok)?;
    if verb != "suggest" {
        return Err(ApiError::invalid(format!("an experiment cannot {verb:?}; it can suggest")));
    }
    let mut fields: serde_json::Map<String, Value> = read(&body)?;
    fields.insert("experiment".to_owned(), name.into());
    let cmd = from(Value::Object(fields))?;
    to_the_end(async move { super::act::answer(suggest(&server.app, &server.principal, &cmd).await?) }).await
}

async fn explain(State(server): State<Server>, Path(name): Path<String>, query: Asked<Explain>) -> Answer {
    let cmd = Explain { experiment: name, ..asked(query)? };
    super::act::answer(importance(&server.app, &server.principal, &cmd).await?)
}
