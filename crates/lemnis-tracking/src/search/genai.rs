//! Filters of evaluation datasets and of issues.

use super::order::item;
use super::parse::{Comparison, comparisons, split};
use super::{Clause, Comparator, Entity, NUMERIC, Order, TEXT, Value, check_comparator, quoted};
use crate::{Error, Result};

const DATASET_KEYS: [&str; 5] = ["created_by", "created_time", "last_update_time", "last_updated_by", "name"];
const DATASET_ORDER_KEYS: [&str; 3] = ["created_time", "last_update_time", "name"];
const ISSUE_KEYS: [&str; 2] = ["source_run_id", "status"];

/// Parses a filter of evaluation datasets.
pub fn evaluation_datasets(filter: &str) -> Result<Vec<Clause>> {
    comparisons(filter)?.into_iter().map(dataset).collect()
}

fn key_of<'a>(name: &'a str, valid: &[&str]) -> Result<(Entity, &'a str)> {
    match split(name) {
        (None, key) if valid.contains(&key) => Ok((Entity::Attribute, key)),
        (None, key) => Err(Error::invalid(format!(
            "Invalid attribute key '{key}' specified. Valid keys are: {{{}}}",
            quoted(valid)
        ))),
        (Some("tags"), key) => Ok((Entity::Tag, key)),
        (Some(other), _) => Err(Error::invalid(format!("Invalid identifier token '{other}' specified"))),
    }
}

fn dataset(written: Comparison) -> Result<Clause> {
    let (entity, key) = key_of(&written.name, &DATASET_KEYS)?;
    let comparator = written.comparator;
    let key = key.to_owned();
    let wrong = |found: &str| format!("Expected a quoted string value for {key}. Got value {found}");
    let value = match (entity, key.as_str()) {
        (Entity::Attribute, "created_time" | "last_update_time") => {
            check_comparator(comparator, &NUMERIC)?;
            let number = written
                .right
                .number(|found| format!("Invalid value for numeric attribute '{key}': '{found}'"))?;
            match number {
                Value::Number(number) if number.fract() != 0.0 => {
                    return Err(Error::invalid(format!(
                        "Invalid value for numeric attribute '{key}': '{number}'"
                    )));
                }
                number => number,
            }
        }
        (Entity::Attribute, "name") if comparator == Comparator::In => written.right.text_or_list(wrong)?,
        _ => {
            check_comparator(comparator, &TEXT)?;
            written.right.text(wrong)?
        }
    };
    Ok(Clause { entity, key, comparator, value })
}

/// Parses an item of an evaluation-dataset search's order.
pub fn evaluation_dataset_order(text: &str) -> Result<Order> {
    let (name, ascending) = item(text)?;
    match key_of(&name, &DATASET_ORDER_KEYS)? {
        (Entity::Attribute, key) => Ok(Order { entity: Entity::Attribute, key: key.to_owned(), ascending }),
        _ => Err(Error::invalid("Invalid order_by entity: tag")),
    }
}

/// Parses a filter of issues.
pub fn issues(filter: &str) -> Result<Vec<Clause>> {
    comparisons(filter)?.into_iter().map(issue).collect()
}

fn issue(written: Comparison) -> Result<Clause> {
    let (entity, key) = split(&written.name);
    if entity.is_some() || !ISSUE_KEYS.contains(&key) {
        return Err(Error::invalid(format!(
            "Invalid filter field '{}'. Supported fields: {{{}}}",
            written.name,
            quoted(&ISSUE_KEYS)
        )));
    }
    let (key, comparator) = (key.to_owned(), written.comparator);
    check_comparator(comparator, &[Comparator::Equal, Comparator::NotEqual])?;
    let value =
        written.right.text(|found| format!("Expected a quoted string value for {key}. Got value {found}"))?;
    Ok(Clause { entity: Entity::Attribute, key, comparator, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_fields_can_be_searched() {
        assert!(evaluation_datasets("name LIKE 'a%' AND tags.k = 'v' AND created_time > 5").is_ok());
        assert!(evaluation_datasets("name IN ('a', 'b')").is_ok());
        assert!(evaluation_datasets("digest = 'a'").is_err());
        assert!(evaluation_datasets("created_time > 'a'").is_err());
        assert!(issues("status = 'pending' AND source_run_id != 'r'").is_ok());
        assert!(issues("severity = 'high'").unwrap_err().to_string().contains("Invalid filter field"));
        assert!(issues("status LIKE 'p%'").is_err());
    }
}
