//! Filters of logged models: entities in the plural only, attributes with or without theirs.

use super::parse::{Comparison, Right, comparisons, split};
use super::run::matched_list;
use super::{Clause, Comparator, Entity, NUMERIC, TEXT_OR_LIST, Value, quoted, words};
use crate::{Error, Result};

const KEYS: [&str; 7] = [
    "creation_timestamp",
    "last_updated_timestamp",
    "model_id",
    "model_type",
    "name",
    "source_run_id",
    "status",
];

/// Parses a filter of logged models. `creation_time` comes out as `creation_timestamp`.
pub fn logged_models(filter: &str) -> Result<Vec<Clause>> {
    comparisons(filter)
        .map_err(|_| {
            Error::invalid(format!(
                "Invalid filter string: '{filter}'. Expected a list of comparisons separated by 'AND' (e.g. \
                 'metrics.loss > 0.1 AND params.lr = 0.01')."
            ))
        })?
        .into_iter()
        .map(clause)
        .collect()
}

/// Entity and key of a field that a filter or an order names.
pub fn field(name: &str) -> Result<(Entity, String)> {
    let (entity, key) = split(name);
    let entity = match entity {
        None | Some("attributes") => Entity::Attribute,
        Some("metrics") => Entity::Metric,
        Some("params") => Entity::Param,
        Some("tags") => Entity::Tag,
        Some(other) => {
            return Err(Error::invalid(format!(
                "Invalid entity type: '{other}'. Expected one of [{}].",
                quoted(&["attributes", "metrics", "params", "tags"])
            )));
        }
    };
    let key = match (entity, key) {
        (Entity::Attribute, "creation_time" | "creation_timestamp_ms") => "creation_timestamp",
        (Entity::Attribute, "last_updated_timestamp_ms") => "last_updated_timestamp",
        (_, key) => key,
    };
    if entity == Entity::Attribute && !KEYS.contains(&key) {
        return Err(Error::invalid(format!(
            "Invalid attribute key '{key}'. Valid keys are [{}]",
            quoted(&KEYS)
        )));
    }
    Ok((entity, key.to_owned()))
}

fn clause(written: Comparison) -> Result<Clause> {
    let Comparison { name, comparator, right } = written;
    let (entity, key) = field(&name)?;
    let numeric = entity == Entity::Metric || (entity == Entity::Attribute && key.ends_with("_timestamp"));
    let allowed: &[Comparator] = if numeric { &NUMERIC } else { &TEXT_OR_LIST };
    if !allowed.contains(&comparator) {
        return Err(Error::invalid(format!(
            "Invalid comparison operator for {name}: '{}'. Expected one of ({}).",
            comparator.sql(),
            words(allowed)
        )));
    }
    let value = if numeric {
        right.number(|found| format!("Expected numeric value for {name}. Found {found}"))?
    } else {
        matched_list(comparator, &right)?;
        match right {
            Right::Number(text) | Right::Word(text) => Value::Text(text),
            other => other
                .text_or_list(|found| format!("Expected a quoted string value for {name}. Found {found}"))?,
        }
    };
    Ok(Clause { entity, key, comparator, value })
}
