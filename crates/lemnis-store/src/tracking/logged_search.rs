//! Searching logged models.

use lemnis_tracking::search::{Clause, Entity, field};
use lemnis_tracking::{Error, LoggedModel, LoggedModelOrder, LoggedModelSearch, Page};

use super::{Done, clause, logged_models, offset, one_more};
use crate::sql::{Connection, QueryBuilder};

pub(super) async fn search(
    connection: &mut Connection,
    search: LoggedModelSearch,
) -> Done<Page<LoggedModel>> {
    let mut sql = QueryBuilder::new("SELECT ");
    sql.push(logged_models::COLUMNS).push(" FROM logged_model m");
    let mut keys = Vec::new();
    for (place, order) in search.order.iter().enumerate() {
        keys.push(join(&mut sql, place, order)?);
    }
    sql.push(" WHERE m.lifecycle = 'active' AND ");
    clause::among(&mut sql, "m.experiment", &search.experiments);
    let metrics = search.filter.iter().any(|wanted| wanted.entity == Entity::Metric);
    for wanted in &search.filter {
        sql.push(" AND ");
        filter(&mut sql, wanted, &search.datasets);
    }
    if !metrics && !search.datasets.is_empty() {
        sql.push(" AND EXISTS (SELECT 1 FROM logged_model_metric v WHERE v.model_id = m.model_id");
        datasets(&mut sql, &search.datasets);
        sql.push(")");
    }
    order(&mut sql, &search.order, &keys);
    sql.push(" LIMIT ").push_bind(one_more(search.limit));
    sql.push(" OFFSET ").push_bind(offset(search.offset));
    let rows = sql.build().fetch_all(connection).await?;
    let models = rows.iter().map(logged_models::model).collect::<Result<Vec<_>, _>>()?;
    let mut page = Page::cut(models, search.limit, search.offset);
    logged_models::load(connection, &mut page.items).await?;
    Ok(page)
}

fn filter(sql: &mut QueryBuilder, wanted: &Clause, on: &[(String, Option<String>)]) {
    match wanted.entity {
        Entity::Metric => {
            sql.push(
                "EXISTS (SELECT 1 FROM logged_model_metric v WHERE v.model_id = m.model_id AND v.key = ",
            );
            sql.push_bind(wanted.key.clone()).push(" AND ");
            clause::compare_metric(sql, "v", wanted);
            datasets(sql, on);
            sql.push(")");
        }
        Entity::Param | Entity::Tag => {
            let table =
                if wanted.entity == Entity::Param { "logged_model_param" } else { "logged_model_tag" };
            sql.push(format!("EXISTS (SELECT 1 FROM {table} v WHERE v.model_id = m.model_id AND v.key = "));
            sql.push_bind(wanted.key.clone()).push(" AND ");
            clause::compare(sql, "v.value", wanted);
            sql.push(")");
        }
        Entity::Attribute | Entity::Dataset => clause::compare(sql, &column(&wanted.key), wanted),
    }
}

/// Limits the metrics `v` to those measured on one of the datasets.
fn datasets(sql: &mut QueryBuilder, on: &[(String, Option<String>)]) {
    if on.is_empty() {
        return;
    }
    sql.push(" AND (false");
    for (name, digest) in on {
        sql.push(" OR (v.dataset_name = ").push_bind(name.clone());
        if let Some(digest) = digest {
            sql.push(" AND v.dataset_digest = ").push_bind(digest.clone());
        }
        sql.push(")");
    }
    sql.push(")");
}

/// Joins the newest value of an ordering metric; returns the column to order by.
fn join(sql: &mut QueryBuilder, place: usize, order: &LoggedModelOrder) -> Done<String> {
    let wrong = |more: &str| Error::invalid(format!("Invalid order by field name: {}{more}", order.field));
    let (entity, key) = match field(&order.field) {
        Ok(known) => known,
        Err(_) if order.field.contains('.') => return Err(wrong(". Only metrics are supported.").into()),
        Err(_) => return Err(wrong("").into()),
    };
    match entity {
        Entity::Attribute => return Ok(column(&key)),
        Entity::Metric => {}
        _ => return Err(wrong(". Only metrics are supported.").into()),
    }
    sql.push(
        " LEFT JOIN (SELECT v.model_id, CASE WHEN v.is_nan THEN NULL ELSE v.value END AS value, row_number() OVER \
         (PARTITION BY v.model_id ORDER BY v.timestamp DESC, v.step DESC, v.run_id) AS place \
         FROM logged_model_metric v WHERE v.key = ",
    );
    sql.push_bind(key);
    if let Some(name) = &order.dataset_name {
        sql.push(" AND v.dataset_name = ").push_bind(name.clone());
    }
    if let Some(digest) = &order.dataset_digest {
        sql.push(" AND v.dataset_digest = ").push_bind(digest.clone());
    }
    sql.push(format!(") o{place} ON o{place}.model_id = m.model_id AND o{place}.place = 1"));
    Ok(format!("o{place}.value"))
}

fn order(sql: &mut QueryBuilder, orders: &[LoggedModelOrder], keys: &[String]) {
    sql.push(" ORDER BY ");
    for (order, key) in orders.iter().zip(keys) {
        sql.push(format!("{key} IS NULL, {key}{}, ", clause::direction(order.ascending)));
    }
    if !keys.iter().any(|key| key == "m.created") {
        sql.push("m.created DESC, ");
    }
    sql.push("m.model_id");
}

fn column(key: &str) -> String {
    match key {
        "creation_timestamp" => "m.created".to_owned(),
        "last_updated_timestamp" => "m.updated".to_owned(),
        // A filter says READY, the wire says LOGGED_MODEL_READY.
        "status" => "replace(replace(m.status, 'LOGGED_MODEL_', ''), 'UPLOAD_', '')".to_owned(),
        "model_id" => "m.model_id".to_owned(),
        "model_type" => "m.model_type".to_owned(),
        "source_run_id" => "m.source_run_id".to_owned(),
        _ => "m.name".to_owned(),
    }
}
