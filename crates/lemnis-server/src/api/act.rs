//! What a caller can have done: submit, promote, deploy, roll back, check, report the truth.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use lemnis_app::lineage::{self, Reproduction, StageRun};
use lemnis_app::model::{self, Approve, Promote, Rollback, Submit};
use lemnis_app::monitor;
use lemnis_app::release;
use lemnis_app::retrain;
use lemnis_quality::Verdict;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::ApiError;
use super::extract::{Place, Sent};
use crate::Server;

type Answer = Result<Json<Value>, ApiError>;

/// What a model can have done to it.
pub(super) const MODEL_ACTS: [&str; 6] = ["submit", "gate", "approve", "promote", "rollback", "reproduced"];
/// What an endpoint can have done to it.
pub(super) const ENDPOINT_ACTS: [&str; 5] = ["deploy", "rollback", "check", "feedback", "collect"];

/// `POST /api/v1/models/{name}:{submit|gate|approve|promote|rollback|reproduced}`.
pub(super) async fn model(
    State(server): State<Server>,
    Place(target): Place<String>,
    Sent(body): Sent,
) -> Answer {
    to_the_end(async move { model_act(&server, &target, body).await }).await
}

async fn model_act(server: &Server, target: &str, body: Bytes) -> Answer {
    let (name, verb) = act_of(target, "a model", &MODEL_ACTS)?;
    let (app, who) = (&server.app, &server.principal);
    match verb {
        "submit" => answer(model::submit(app, who, &Submit { model: name.to_owned() }).await?),
        "promote" => answer(model::promote(app, who, &from::<Promote>(named(name, &body)?)?).await?),
        "gate" => {
            let cmd: Promote = from(named(name, &body)?)?;
            answer(model::gate(app, who, name, cmd.version, cmd.environment.as_deref()).await?)
        }
        "approve" => answer(model::approve(app, who, &from::<Approve>(named(name, &body)?)?).await?),
        "rollback" => answer(model::rollback(app, who, &from::<Rollback>(named(name, &body)?)?).await?),
        "reproduced" => {
            lineage::keep_reproduction(app, who, name, &read::<Reproduction>(&body)?).await?;
            answer(json!({}))
        }
        _ => Err(cannot("a model", verb, &MODEL_ACTS)),
    }
}

/// `POST /api/v1/endpoints/{name}:{deploy|rollback|check|feedback|collect}`.
pub(super) async fn endpoint(
    State(server): State<Server>,
    Place(target): Place<String>,
    Sent(body): Sent,
) -> Answer {
    to_the_end(async move { endpoint_act(&server, &target, body).await }).await
}

async fn endpoint_act(server: &Server, target: &str, body: Bytes) -> Answer {
    let (name, verb) = act_of(target, "an endpoint", &ENDPOINT_ACTS)?;
    let (app, who) = (&server.app, &server.principal);
    let mut fields: serde_json::Map<String, Value> = read(&body)?;
    fields.insert("endpoint".to_owned(), name.into());
    let fields = Value::Object(fields);
    match verb {
        "deploy" => answer(release::deploy(app, who, &from(fields)?).await?),
        "rollback" => answer(release::rollback(app, who, name).await?),
        "check" => answer(monitor::check(app, who, &from(fields)?).await?),
        "collect" => answer(retrain::collect(app, who, &from(fields)?).await?),
        "feedback" => answer(monitor::feedback(app, who, &from(fields)?).await?),
        _ => Err(cannot("an endpoint", verb, &ENDPOINT_ACTS)),
    }
}

/// `POST /api/v1/verdicts`: a validation that a command made in the working tree.
pub(super) async fn verdict(State(server): State<Server>, Sent(body): Sent) -> Answer {
    let verdict: Verdict = read(&body)?;
    monitor::keep_validation(&server.app, &server.principal, &verdict).await?;
    answer(json!({ "id": verdict.id }))
}

/// `POST /api/v1/stage-runs`: a stage that a command ran in the working tree.
pub(super) async fn stage_run(State(server): State<Server>, Sent(body): Sent) -> Answer {
    let run: StageRun = read(&body)?;
    lineage::keep_stage_run(&server.app, &server.principal, &run).await?;
    answer(json!({ "id": run.id }))
}

/// Carries an act out even when the caller goes away in the middle of it: what is stored and what is routed change
/// together or not at all.
pub(super) async fn to_the_end(act: impl Future<Output = Answer> + Send + 'static) -> Answer {
    match tokio::spawn(act).await {
        Ok(answer) => answer,
        Err(error) => Err(ApiError::internal(format!("the act broke off: {error}"))),
    }
}

/// The name and the act in `NAME:ACT`, which must be one of `acts`. Names may hold colons.
pub(super) fn act_of<'a>(target: &'a str, what: &str, acts: &[&str]) -> Result<(&'a str, &'a str), ApiError> {
    match target.rsplit_once(':') {
        Some((name, act)) if acts.contains(&act) => Ok((name, act)),
        Some((_, act)) => Err(cannot(what, act, acts)),
        None => {
            Err(ApiError::invalid(format!("{target:?} names no act: use NAME:{}", acts.join(" or NAME:"))))
        }
    }
}

fn cannot(what: &str, act: &str, acts: &[&str]) -> ApiError {
    ApiError::invalid(format!("{what} cannot {act:?}; its acts are {}", acts.join(", ")))
}

/// The body as `T`; an empty one is an empty object. The content type does not matter: there is one format.
pub(super) fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    let body: &[u8] = if body.trim_ascii().is_empty() { b"{}" } else { body };
    if crate::mlflow::nul::is_in_body(body) {
        return Err(ApiError::invalid(crate::mlflow::nul::REFUSAL));
    }
    serde_json::from_slice(body)
        .map_err(|error| ApiError::invalid(format!("the body is not as expected: {error}")))
}

/// The body's fields, with the name from the path among them.
fn named(name: &str, body: &Bytes) -> Result<Value, ApiError> {
    let mut fields: serde_json::Map<String, Value> = read(body)?;
    fields.insert("model".to_owned(), name.into());
    Ok(Value::Object(fields))
}

pub(super) fn from<T: DeserializeOwned>(fields: Value) -> Result<T, ApiError> {
    serde_json::from_value(fields)
        .map_err(|error| ApiError::invalid(format!("the body is not as expected: {error}")))
}

pub(super) fn answer(value: impl serde::Serialize) -> Answer {
    serde_json::to_value(value)
        .map(Json)
        .map_err(|error| ApiError::invalid(format!("the answer is not JSON: {error}")))
}
