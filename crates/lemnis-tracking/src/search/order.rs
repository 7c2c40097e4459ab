//! The order of a search: `ident [ASC|DESC]`, several of them one after the other.

use super::lexer::{Kind, tokens};
use super::parse::split;
use super::run::{run_attribute, run_entity, wrong_entity};
use super::{Entity, attribute_key, quoted};
use crate::{Error, Result};

/// One item of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What it looks at.
    pub entity: Entity,
    /// Which key or field.
    pub key: String,
    /// Smallest first.
    pub ascending: bool,
}

impl Order {
    /// By an attribute, smallest first.
    pub fn ascending(key: &str) -> Self {
        Self { entity: Entity::Attribute, key: key.to_owned(), ascending: true }
    }

    /// By an attribute, largest first.
    pub fn descending(key: &str) -> Self {
        Self { entity: Entity::Attribute, key: key.to_owned(), ascending: false }
    }
}

const RUN_KEYS: [&str; 8] =
    ["artifact_uri", "created", "Created", "end_time", "run_id", "run_name", "start_time", "status"];
const RUN_ALIASES: [&str; 4] = ["run name", "Run name", "Run Name", "user_id"];
const EXPERIMENT_KEYS: [&str; 4] = ["creation_time", "experiment_id", "last_update_time", "name"];
const MODEL_KEYS: [&str; 3] = ["last_updated_timestamp", "name", "timestamp"];
const VERSION_KEYS: [&str; 4] = ["creation_timestamp", "last_updated_timestamp", "name", "version_number"];

/// Parses an item of a run search's order.
pub fn run_order(text: &str) -> Result<Order> {
    let (name, ascending) = item(text)?;
    let (entity, key) = split(&name);
    let entity = run_entity(entity)?;
    if entity == Entity::Attribute && !RUN_ALIASES.contains(&key) {
        attribute_key(key, &RUN_KEYS)?;
    }
    if entity == Entity::Dataset {
        return Err(Error::invalid(format!("Invalid order_by clause '{text}'. Could not be parsed.")));
    }
    let key = if entity == Entity::Attribute { run_attribute(key) } else { key };
    Ok(Order { entity, key: key.to_owned(), ascending })
}

/// Parses an item of an experiment search's order.
pub fn experiment_order(text: &str) -> Result<Order> {
    attribute_order(text, &EXPERIMENT_KEYS)
}

/// Parses an item of a version search's order.
pub fn version_order(text: &str) -> Result<Order> {
    attribute_order(text, &VERSION_KEYS)
}

/// Parses an item of a registered-model search's order; `timestamp` comes out as `last_updated_timestamp`.
pub fn model_order(text: &str) -> Result<Order> {
    let (name, ascending) = item(text)?;
    let (_, key) = split(&name);
    if !MODEL_KEYS.contains(&key) || name.contains('.') {
        return Err(Error::invalid(format!(
            "Invalid order by key '{name}' specified. Valid keys are '{{{}}}'",
            quoted(&["name", "timestamp"])
        )));
    }
    let key = if key == "timestamp" { "last_updated_timestamp" } else { key };
    Ok(Order { entity: Entity::Attribute, key: key.to_owned(), ascending })
}

fn attribute_order(text: &str, keys: &[&str]) -> Result<Order> {
    let (name, ascending) = item(text)?;
    match split(&name) {
        (None | Some("attribute"), key) => {
            attribute_key(key, keys)?;
            Ok(Order { entity: Entity::Attribute, key: key.to_owned(), ascending })
        }
        (Some("tag" | "tags"), _) => Err(Error::invalid(format!("Invalid order_by entity: tag in '{text}'"))),
        (Some(other), _) => Err(wrong_entity(other)),
    }
}

pub(super) fn item(text: &str) -> Result<(String, bool)> {
    let unparsed = || Error::invalid(format!("Invalid order_by clause '{text}'. Could not be parsed."));
    let tokens = tokens(text);
    let name = |kind: Kind| matches!(kind, Kind::Word | Kind::Double);
    match tokens.as_slice() {
        [only] if name(only.kind) => Ok((only.text.clone(), true)),
        [first, direction] if name(first.kind) && direction.kind == Kind::Word => {
            match direction.text.to_ascii_lowercase().as_str() {
                "asc" => Ok((first.text.clone(), true)),
                "desc" => Ok((first.text.clone(), false)),
                _ => Err(Error::invalid(format!("Invalid ordering key in order_by clause '{text}'."))),
            }
        }
        _ => Err(unparsed()),
    }
}
