//! `scorers/…`

use axum::extract::State;
use lemnis_tracking::scorer::{OnlineScoring, check_online, no_scorer};
use lemnis_tracking::{Error, ExperimentId, Result, Scorer};
use serde_json::{Value, json};

use super::super::Answer;
use super::super::experiments::experiment_id;
use super::super::fields::Fields;
use super::super::wire::{Page, Reply, nothing};
use crate::Server;

fn scorer(found: Scorer) -> Value {
    json!({
        "experiment_id": found.experiment_id.0,
        "scorer_name": found.name,
        "scorer_version": found.version,
        "serialized_scorer": found.serialized,
        "creation_time": found.created,
        "scorer_id": found.scorer_id,
    })
}

pub(super) async fn register(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let id = experiment_id(&fields)?;
    let (name, serialized) = (fields.required("name")?, fields.required("serialized_scorer")?);
    let now = server.app.clock.now_ms();
    let made = server.app.scorers.register(id, &name, &serialized, now).await?;
    Ok(Reply(json!({
        "version": made.version,
        "scorer_id": made.scorer_id,
        "experiment_id": made.experiment_id,
        "name": made.name,
        "serialized_scorer": made.serialized,
        "creation_time": made.created,
    })))
}

pub(super) async fn list(State(server): State<Server>, fields: Fields) -> Answer<Page<'static, Value>> {
    let several = fields.texts("experiment_ids")?;
    let one = fields.filled("experiment_id")?;
    if one.is_some() && fields.has("experiment_ids") {
        return Err(Error::invalid(
            "Cannot specify both 'experiment_id' and 'experiment_ids'. Use 'experiment_ids' to scope the query to \
             multiple experiments, or 'experiment_id' to scope it to a single experiment.",
        )
        .into());
    }
    let experiments = match one {
        Some(_) => {
            let id = experiment_id(&fields)?;
            server.app.experiments.get(id).await?.ok_or_else(|| Error::no_experiment(id))?;
            vec![id]
        }
        None => several
            .iter()
            .map(|id| super::super::experiments::parse_id(id))
            .collect::<Result<Vec<ExperimentId>>>()?,
    };
    let found = server.app.scorers.latest(&experiments).await?;
    let list = found.into_iter().map(scorer).collect();
    Ok(Reply(Page { list: ("scorers", list), next_page_token: None }))
}

async fn of_name(server: &Server, fields: &Fields) -> Result<Vec<Scorer>> {
    let id = experiment_id(fields)?;
    let name = fields.required("name")?;
    let found = server.app.scorers.versions(id, &name).await?;
    if found.is_empty() { Err(no_scorer(id, &name, None)) } else { Ok(found) }
}

pub(super) async fn versions(State(server): State<Server>, fields: Fields) -> Answer<Page<'static, Value>> {
    let list = of_name(&server, &fields).await?.into_iter().map(scorer).collect();
    Ok(Reply(Page { list: ("scorers", list), next_page_token: None }))
}

pub(super) async fn get(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let mut all = of_name(&server, &fields).await?;
    let wanted = match fields.int("version")? {
        None => all.pop(),
        Some(number) => all.into_iter().find(|found| found.version == number),
    };
    let (id, name) = (experiment_id(&fields)?, fields.required("name")?);
    let found = wanted.ok_or_else(|| no_scorer(id, &name, fields.int("version").ok().flatten()))?;
    Ok(Reply(json!({ "scorer": scorer(found) })))
}

pub(super) async fn delete(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let id = experiment_id(&fields)?;
    server.app.scorers.delete(id, &fields.required("name")?, fields.int("version")?).await?;
    Ok(nothing())
}

fn config(found: &OnlineScoring) -> Value {
    let mut out = json!({
        "online_scoring_config_id": found.config_id,
        "scorer_id": found.scorer_id,
        "sample_rate": found.sample_rate,
        "experiment_id": found.experiment_id,
    });
    if let Some(filter) = &found.filter {
        out["filter_string"] = filter.as_str().into();
    }
    out
}

pub(super) async fn online(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let ids = fields.texts("scorer_ids")?;
    let found = server.app.scorers.online(&ids).await?;
    Ok(Reply(json!({ "configs": found.iter().map(config).collect::<Vec<_>>() })))
}

pub(super) async fn set_online(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let sample_rate = fields.float("sample_rate")?.ok_or_else(|| fields.missing("sample_rate"))?;
    let filter = fields.filled("filter_string")?;
    let mut all = of_name(&server, &fields).await?;
    let latest = all.pop().ok_or_else(|| fields.missing("name"))?;
    check_online(&latest, sample_rate, filter.as_deref())?;
    let made = OnlineScoring {
        config_id: uuid::Uuid::new_v4().simple().to_string(),
        scorer_id: latest.scorer_id,
        sample_rate,
        experiment_id: latest.experiment_id,
        filter,
    };
    server.app.scorers.set_online(&made).await?;
    Ok(Reply(json!({ "config": config(&made) })))
}
