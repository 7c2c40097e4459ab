//! Hyperparameter search in an experiment: what to try next, and which params mattered.

use axum::Json;
use axum::extract::State;
use lemnis_app::suggest::{Explain, importance, suggest};
use serde_json::Value;

use super::ApiError;
use super::act::{act_of, from, read, to_the_end};
use super::extract::{Place, Sent};
use super::read::{Asked, asked};
use crate::Server;
use crate::routes::{Routes, acts, get};

type Answer = Result<Json<Value>, ApiError>;

/// What an experiment can have done to it.
const ACTS: [&str; 1] = ["suggest"];

pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/api/v1/experiments/{name}", acts(&ACTS, act))
        .route("/api/v1/experiments/{name}/importance", get(explain))
}

/// `POST /api/v1/experiments/{name or id}:suggest`.
async fn act(State(server): State<Server>, Place(target): Place<String>, Sent(body): Sent) -> Answer {
    let (name, _) = act_of(&target, "an experiment", &ACTS)?;
    let mut fields: serde_json::Map<String, Value> = read(&body)?;
    fields.insert("experiment".to_owned(), name.into());
    let cmd = from(Value::Object(fields))?;
    to_the_end(async move { super::act::answer(suggest(&server.app, &server.principal, &cmd).await?) }).await
}

async fn explain(State(server): State<Server>, Place(name): Place<String>, query: Asked<Explain>) -> Answer {
    let cmd = Explain { experiment: name, ..asked(query)? };
    super::act::answer(importance(&server.app, &server.principal, &cmd).await?)
}
