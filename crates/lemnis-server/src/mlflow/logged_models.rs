//! `logged-models/…`

use axum::extract::{Path, State};
use lemnis_tracking::{
    Error, ExperimentId, LoggedModelId, LoggedModelOrder, LoggedModelSearch, LoggedModelStatus,
    NewLoggedModel, RunId, search,
};
use serde_json::{Value, json};

use super::Answer;
use super::experiments::experiment_id;
use super::fields::Fields;
use super::wire::{self, Reply};
use crate::Server;

pub(super) async fn create(State(server): State<Server>, fields: Fields) -> Answer<Value> {
    let new = NewLoggedModel {
        experiment_id: experiment_id(&fields)?,
        name: fields.filled("name")?,
        model_type: fields.filled("model_type")?,
        source_run_id: fields.filled("source_run_id")?.map(RunId::from),
        tags: fields.tags("tags")?,
        params: fields.params("params")?,
        at_ms: server.app.clock.now_ms(),
    };
    let model = server.app.logged_models.create(&new).await?;
    Ok(Reply(json!({"model": wire::logged_model(model)})))
}

pub(super) async fn get(State(server): State<Server>, Path(id): Path<String>) -> Answer<Value> {
    let id = LoggedModelId::from(id);
    let model = server.app.logged_models.get(&id).await?.ok_or_else(|| Error::no_logged_model(&id))?;
    Ok(Reply(json!({"model": wire::logged_model(model)})))
}

pub(super) async fn finalize(
    State(server): State<Server>,
    Path(id): Path<String>,
    fields: Fields,
) -> Answer<Value> {
    let word = fields.word("status")?.ok_or_else(|| fields.missing("status"))?;
    let status = LoggedModelStatus::parse(&word).ok_or_else(|| {
        Error::invalid(format!("Invalid value \"{word}\" for parameter 'status' supplied."))
    })?;
    let now = server.app.clock.now_ms();
    let model = server.app.logged_models.set_status(&LoggedModelId::from(id), status, now).await?;
    Ok(Reply(json!({"model": wire::logged_model(model)})))
}

pub(super) async fn delete(State(server): State<Server>, Path(id): Path<String>) -> Answer<Value> {
    server.app.logged_models.delete(&LoggedModelId::from(id), server.app.clock.now_ms()).await?;
    Ok(wire::nothing())
}

pub(super) async fn set_tags(
    State(server): State<Server>,
    Path(id): Path<String>,
    fields: Fields,
) -> Answer<Value> {
    server.app.logged_models.set_tags(&LoggedModelId::from(id), &fields.tags("tags")?).await?;
    Ok(wire::nothing())
}

pub(super) async fn delete_tag(
    State(server): State<Server>,
    Path((id, key)): Path<(String, String)>,
) -> Answer<Value> {
    server.app.logged_models.delete_tag(&LoggedModelId::from(id), &key).await?;
    Ok(wire::nothing())
}

pub(super) async fn log_params(
    State(server): State<Server>,
    Path(id): Path<String>,
    fields: Fields,
) -> Answer<Value> {
    server.app.logged_models.log_params(&LoggedModelId::from(id), &fields.params("params")?).await?;
    Ok(wire::nothing())
}

pub(super) async fn search(
    State(server): State<Server>,
    fields: Fields,
) -> Answer<wire::Page<'static, Value>> {
    let ids = fields.listed_texts("experiment_ids")?;
    let mut datasets = Vec::new();
    for dataset in fields.objects("datasets")? {
        let Some(name) = dataset.filled("dataset_name")? else {
            return Err(Error::invalid("`dataset_name` in the `datasets` clause must be specified.").into());
        };
        datasets.push((name, dataset.filled("dataset_digest")?));
    }
    let mut order = Vec::new();
    for item in fields.objects("order_by")? {
        let Some(field) = item.filled("field_name")? else {
            return Err(Error::invalid("`field_name` in the `order_by` clause must be specified.").into());
        };
        order.push(LoggedModelOrder {
            field,
            ascending: item.flag("ascending")?.unwrap_or(true),
            dataset_name: item.filled("dataset_name")?,
            dataset_digest: item.filled("dataset_digest")?,
        });
    }
    let filter = fields.text("filter")?.unwrap_or_default();
    let asked = json!({"experiment_ids": ids, "filter_string": filter, "order_by": order_key(&order)});
    let wanted = LoggedModelSearch {
        experiments: ids.iter().filter_map(|id| ExperimentId::parse(id)).collect(),
        filter: search::logged_models(&filter)?,
        datasets,
        order,
        limit: match fields.int("max_results")? {
            None | Some(0) => 50,
            Some(_) => fields.max_results(50, 50_000)?,
        },
        offset: token::offset(fields.filled("page_token")?, &asked)?,
    };
    let page = server.app.logged_models.search(&wanted).await?;
    let next_page_token = page.next_offset.map(|offset| token::made(offset, &asked));
    let list = page.items.into_iter().map(wire::logged_model).collect();
    Ok(Reply(wire::Page { list: ("models", list), next_page_token }))
}

fn order_key(order: &[LoggedModelOrder]) -> Vec<Value> {
    order
        .iter()
        .map(|item| json!([item.field, item.ascending, item.dataset_name, item.dataset_digest]))
        .collect()
}

/// Tokens that carry the search they belong to, because a token used with another search is refused.
mod token {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use lemnis_tracking::{Error, Result};
    use serde_json::{Value, json};

    pub(super) fn made(offset: u64, asked: &Value) -> String {
        STANDARD.encode(json!({"offset": offset, "search": asked}).to_string())
    }

    pub(super) fn offset(token: Option<String>, asked: &Value) -> Result<u64> {
        let Some(token) = token else { return Ok(0) };
        let value: Option<Value> =
            STANDARD.decode(&token).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let invalid = || Error::invalid(format!("Invalid page token: {token}"));
        let value = value.ok_or_else(invalid)?;
        let parts = [
            ("experiment_ids", "Experiment IDs in the page token do not match the requested experiment IDs."),
            ("filter_string", "Filter string in the page token does not match the requested filter string."),
            ("order_by", "Order by in the page token does not match the requested order by."),
        ];
        for (name, message) in parts {
            if value["search"][name] != asked[name] {
                return Err(Error::invalid(message));
            }
        }
        value["offset"].as_u64().filter(|offset| *offset <= i64::MAX as u64).ok_or_else(invalid)
    }
}
