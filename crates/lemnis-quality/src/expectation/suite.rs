//! A suite as it is written: Great Expectations 1.x, and the 0.x words where they differ.

use std::fmt::Write as _;

use lemnis_table::Table;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::result::ValidationResult;
use super::{infer, run};
use crate::profile::Profile;
use crate::{Error, Result};

/// The most expectations of one suite.
const MAX_EXPECTATIONS: usize = 10_000;

/// Expectations under one name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suite {
    /// The suite's name.
    #[serde(alias = "expectation_suite_name", default)]
    pub name: String,
    /// What must hold, in order.
    pub expectations: Vec<Expectation>,
    /// Whatever else the author noted.
    #[serde(default)]
    pub meta: Value,
}

/// One thing that must hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// What kind, such as `expect_column_values_to_not_be_null`.
    #[serde(rename = "type", alias = "expectation_type")]
    pub kind: String,
    /// Its arguments.
    #[serde(default)]
    pub kwargs: Map<String, Value>,
    /// Whatever else the author noted; `notes` explains it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub meta: Value,
    /// `critical`, `warning` or `info`.
    #[serde(default = "critical")]
    pub severity: String,
}

fn critical() -> String {
    "critical".to_owned()
}

impl Expectation {
    /// An expectation without notes.
    pub fn new(kind: &str, kwargs: Value) -> Self {
        let kwargs = kwargs.as_object().cloned().unwrap_or_default();
        Self { kind: kind.to_owned(), kwargs, meta: Value::Null, severity: critical() }
    }

    /// The argument `name`.
    pub(super) fn argument(&self, name: &str) -> Option<&Value> {
        self.kwargs.get(name).filter(|value| !value.is_null())
    }
}

impl Suite {
    /// Reads a suite: JSON or YAML.
    pub fn parse(text: &str) -> Result<Self> {
        let suite: Self = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| Error::Suite { problem: error.to_string() })?
        } else {
            serde_saphyr::from_str(text).map_err(|error| Error::Suite { problem: error.to_string() })?
        };
        if suite.expectations.len() > MAX_EXPECTATIONS {
            let problem = format!("{} expectations, more than {MAX_EXPECTATIONS}", suite.expectations.len());
            return Err(Error::Suite { problem });
        }
        Ok(suite)
    }

    /// A suite that the profiled table satisfies, with slack for what the next one may bring.
    pub fn infer(profile: &Profile, target: Option<&str>) -> Result<Self> {
        Ok(infer::suite(profile, target))
    }

    /// Checks `table`. An expectation of an unknown kind is reported as unsupported, and the suite does not succeed.
    pub fn validate(&self, table: &Table) -> Result<ValidationResult> {
        let results = self.expectations.iter().map(|expectation| run::run(expectation, table)).collect();
        Ok(ValidationResult::of(&self.name, results))
    }

    /// The suite as YAML with a comment for each expectation.
    pub fn to_yaml(&self) -> String {
        let mut text = String::from(
            "# What the data must satisfy, in Great Expectations' words (`lemnis validate` checks it).\n\
             # It was inferred from a profile of the data: tighten what you know better, remove what does not matter.\n\
             # `mostly` is the share of the present values that must hold; severity is critical, warning or info.\n",
        );
        let _ = writeln!(text, "name: {}", scalar(&Value::String(self.name.clone())));
        text.push_str("expectations:\n");
        for expectation in &self.expectations {
            if let Some(note) = expectation.meta.get("notes").and_then(Value::as_str) {
                let _ = writeln!(text, "  # {}", note.replace('\n', " "));
            }
            let _ = writeln!(text, "  - type: {}", expectation.kind);
            text.push_str("    kwargs:");
            if expectation.kwargs.is_empty() {
                text.push_str(" {}");
            }
            text.push('\n');
            for (name, value) in &expectation.kwargs {
                let _ = writeln!(text, "      {name}: {}", scalar(value));
            }
            if expectation.severity != critical() {
                let _ = writeln!(text, "    severity: {}", expectation.severity);
            }
        }
        text.push_str("meta: {}\n");
        text
    }
}

/// A value on one line. JSON is YAML, so only what reads better bare is written bare.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
                && !["yes", "no", "true", "false", "null", "on", "off", "y", "n"]
                    .contains(&text.to_ascii_lowercase().as_str());
            if plain { text.clone() } else { value.to_string() }
        }
        Value::Array(items) => format!("[{}]", items.iter().map(scalar).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
