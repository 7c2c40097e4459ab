//! Filters of registered models and their versions.

use super::parse::{Comparison, Right, comparisons, split};
use super::run::{matched_list, wrong_entity};
use super::{Clause, Entity, NUMERIC, TEXT, TEXT_OR_LIST, Value, attribute_key, check_comparator, quoted};
use crate::{Error, Result};

const MODEL_KEYS: [&str; 1] = ["name"];
const VERSION_KEYS: [&str; 4] = ["name", "run_id", "source_path", "version_number"];

/// Parses a filter of registered models.
pub fn registered_models(filter: &str) -> Result<Vec<Clause>> {
    comparisons(filter)?.into_iter().map(|written| clause(written, &MODEL_KEYS)).collect()
}

/// Parses a filter of model versions.
pub fn model_versions(filter: &str) -> Result<Vec<Clause>> {
    comparisons(filter)?.into_iter().map(|written| clause(written, &VERSION_KEYS)).collect()
}

fn clause(written: Comparison, keys: &[&str]) -> Result<Clause> {
    let Comparison { name, comparator, right } = written;
    let (entity, key) = split(&name);
    let key = key.to_owned();
    match entity {
        Some("tag" | "tags") => {
            check_comparator(comparator, &TEXT)?;
            let value = right.text(|found| {
                format!("Expected a quoted string value for tag (e.g. 'my-value'). Got value {found}")
            })?;
            return Ok(Clause { entity: Entity::Tag, key, comparator, value });
        }
        None | Some("attribute") => attribute_key(&key, keys)?,
        Some(other) => return Err(wrong_entity(other)),
    }
    let value = attribute(&key, comparator, right)?;
    Ok(Clause { entity: Entity::Attribute, key, comparator, value })
}

fn attribute(key: &str, comparator: super::Comparator, right: Right) -> Result<Value> {
    if key == "version_number" {
        check_comparator(comparator, &NUMERIC)?;
        return right
            .number(|found| format!("Expected numeric value type for version_number. Found {found}"));
    }
    if matches!(right, Right::Number(_)) {
        return Err(Error::invalid(format!(
            "Only the '{{{}}}' attributes support comparison with numeric values.",
            quoted(&["creation_timestamp", "last_updated_timestamp", "version_number"])
        )));
    }
    if matches!(right, Right::List(_)) && !matches!(key, "run_id" | "name") {
        return Err(Error::invalid(
            "Only the 'run_id' attribute supports comparison with a list of quoted string values.",
        ));
    }
    check_comparator(comparator, &TEXT_OR_LIST)?;
    matched_list(comparator, &right)?;
    right.text_or_list(|found| {
        format!("Expected a quoted string value or a list of quoted string values for attributes. Got value {found}")
    })
}
