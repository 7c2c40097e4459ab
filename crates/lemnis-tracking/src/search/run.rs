//! Filters of runs and experiments.

use super::parse::{Comparison, Right, comparisons, split};
use super::{
    Clause, Comparator, Entity, NUMERIC, TEXT, TEXT_OR_ABSENT, TEXT_OR_LIST, Value, attribute_key,
    check_comparator, quoted,
};
use crate::{Error, Result};

const RUN_KEYS: [&str; 12] = [
    "artifact_uri",
    "created",
    "Created",
    "end_time",
    "run_id",
    "run_name",
    "Run Name",
    "Run name",
    "run name",
    "start_time",
    "status",
    "user_id",
];
const DATASET_KEYS: [&str; 3] = ["context", "digest", "name"];
const EXPERIMENT_KEYS: [&str; 4] = ["creation_time", "experiment_id", "last_update_time", "name"];

/// Parses a filter of runs. Attribute keys come out in one spelling: `created` as `start_time`, `run name` as
/// `run_name`.
pub fn runs(filter: &str) -> Result<Vec<Clause>> {
    comparisons(filter)?.into_iter().map(run_clause).collect()
}

/// Parses a filter of experiments.
pub fn experiments(filter: &str) -> Result<Vec<Clause>> {
    comparisons(filter)?.into_iter().map(experiment_clause).collect()
}

/// The entity that a run's clause or order names.
pub(super) fn run_entity(entity: Option<&str>) -> Result<Entity> {
    Ok(match entity {
        None | Some("attribute" | "attributes" | "attr" | "run") => Entity::Attribute,
        Some("metric" | "metrics") => Entity::Metric,
        Some("param" | "params" | "parameter" | "parameters") => Entity::Param,
        Some("tag" | "tags") => Entity::Tag,
        Some("dataset" | "datasets") => Entity::Dataset,
        Some(other) => {
            let valid = quoted(&["metric", "parameter", "tag", "attribute", "dataset"]);
            return Err(Error::invalid(format!("Invalid entity type '{other}'. Valid values are [{valid}]")));
        }
    })
}

/// The one spelling of a run's attribute.
pub(super) fn run_attribute(key: &str) -> &str {
    match key {
        "created" | "Created" => "start_time",
        "run name" | "Run name" | "Run Name" => "run_name",
        other => other,
    }
}

fn run_clause(written: Comparison) -> Result<Clause> {
    let (entity, key) = split(&written.name);
    let entity = run_entity(entity)?;
    let comparator = written.comparator;
    let (key, value) = match entity {
        Entity::Metric => {
            only_for_keys(comparator, "metric", key)?;
            check_comparator(comparator, &NUMERIC)?;
            (
                key,
                written
                    .right
                    .number(|found| format!("Expected numeric value type for metric. Found {found}"))?,
            )
        }
        Entity::Param => (key, keyed(comparator, written.right, "parameter")?),
        Entity::Tag => (key, keyed(comparator, written.right, "tag")?),
        Entity::Attribute => {
            attribute_key(key, &RUN_KEYS)?;
            only_for_keys(comparator, "attribute", key)?;
            let key = run_attribute(key);
            (key, run_attribute_value(key, comparator, written.right)?)
        }
        Entity::Dataset => {
            if !DATASET_KEYS.contains(&key) {
                return Err(Error::invalid(format!(
                    "Invalid dataset key '{key}' specified. Valid keys are '{{{}}}'",
                    quoted(&DATASET_KEYS)
                )));
            }
            only_for_keys(comparator, "dataset", key)?;
            check_comparator(comparator, &TEXT_OR_LIST)?;
            let wrong = |found: &str| {
                format!("Expected a quoted string value for dataset attributes. Got value {found}")
            };
            (key, written.right.text_or_list(wrong)?)
        }
    };
    Ok(Clause { entity, key: key.to_owned(), comparator, value })
}

fn run_attribute_value(key: &str, comparator: Comparator, right: Right) -> Result<Value> {
    if matches!(key, "start_time" | "end_time") {
        check_comparator(comparator, &NUMERIC)?;
        return right.number(|found| {
            format!("Expected numeric value type for numeric attribute: {key}. Found {found}")
        });
    }
    if matches!(right, Right::List(_)) && key != "run_id" {
        return Err(Error::invalid(
            "Only the 'run_id' attribute supports comparison with a list of quoted string values.",
        ));
    }
    check_comparator(comparator, &TEXT_OR_LIST)?;
    matched_list(comparator, &right)?;
    right.text_or_list(|found| format!("Expected a quoted string value for attributes. Got value {found}"))
}

/// A param's or a tag's value.
pub(super) fn keyed(comparator: Comparator, right: Right, what: &str) -> Result<Value> {
    check_comparator(comparator, &TEXT_OR_ABSENT)?;
    if right == Right::Nothing {
        return Ok(Value::Nothing);
    }
    right.text(|found| {
        format!("Expected a quoted string value for {what} (e.g. 'my-value'). Got value {found}")
    })
}

fn only_for_keys(comparator: Comparator, what: &str, key: &str) -> Result<()> {
    if matches!(comparator, Comparator::Absent | Comparator::Present) {
        return Err(Error::invalid(format!(
            "IS NULL / IS NOT NULL is only supported for tags and params, not for '{what}' '{key}'"
        )));
    }
    Ok(())
}

/// Fails where `IN` has no list or another operator has one.
pub(super) fn matched_list(comparator: Comparator, right: &Right) -> Result<()> {
    let wants_list = matches!(comparator, Comparator::In | Comparator::NotIn);
    if wants_list == matches!(right, Right::List(_)) {
        return Ok(());
    }
    Err(Error::invalid(format!("Invalid comparison clause: {} and its value do not fit", comparator.sql())))
}

fn experiment_clause(written: Comparison) -> Result<Clause> {
    let (entity, key) = split(&written.name);
    let entity = match entity {
        None | Some("attribute") => Entity::Attribute,
        Some("tag" | "tags") => Entity::Tag,
        Some(other) => return Err(wrong_entity(other)),
    };
    let comparator = written.comparator;
    if entity == Entity::Tag {
        return Ok(Clause {
            entity,
            key: key.to_owned(),
            comparator,
            value: keyed(comparator, written.right, "tag")?,
        });
    }
    attribute_key(key, &EXPERIMENT_KEYS)?;
    if matches!(comparator, Comparator::Absent | Comparator::Present) {
        return Err(Error::invalid(format!(
            "IS NULL / IS NOT NULL is only supported for tags, not for attribute '{key}'"
        )));
    }
    let right = written.right;
    let value = match key {
        "creation_time" | "last_update_time" => {
            check_comparator(comparator, &NUMERIC)?;
            right.number(|found| {
                format!("Expected numeric value type for numeric attribute: {key}. Found {found}")
            })?
        }
        "experiment_id" => {
            let allowed = [Comparator::Equal, Comparator::NotEqual, Comparator::In, Comparator::NotIn];
            check_comparator(comparator, &allowed)?;
            matched_list(comparator, &right)?;
            match right {
                Right::Number(text) => Value::Text(text),
                other => other.text_or_list(|found| {
                    format!("Expected a quoted string value for attributes. Got value {found}")
                })?,
            }
        }
        _ => {
            check_comparator(comparator, &TEXT)?;
            matched_list(comparator, &right)?;
            right.text(|found| format!("Expected a quoted string value for attributes. Got value {found}"))?
        }
    };
    Ok(Clause { entity, key: key.to_owned(), comparator, value })
}

/// The error for an entity that experiments and the registry do not have.
pub(super) fn wrong_entity(entity: &str) -> Error {
    Error::invalid(format!(
        "Invalid entity type '{entity}'. Valid entity types are ('attribute', 'tag', 'tags')"
    ))
}
