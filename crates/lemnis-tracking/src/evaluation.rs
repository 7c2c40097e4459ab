//! Evaluation datasets: records of inputs with what is expected of the answers, shared by experiments.
//!
//! A record is known by its inputs: the same inputs again change the record that is there.

use std::collections::BTreeMap;

use async_trait::async_trait;
use lemnis_core::Millis;
use serde_json::{Map, Value, json};

use crate::search::{Clause, Order};
use crate::{Error, ExperimentId, Page, Result};

/// The tag that says who made or changed something.
pub const USER_TAG: &str = "mlflow.user";

/// An evaluation dataset without its records.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationDataset {
    /// Its id: `d-` and 32 hex digits.
    pub dataset_id: String,
    /// Its name.
    pub name: String,
    /// Changes with every change of its records.
    pub digest: String,
    /// When it was made.
    pub created: Millis,
    /// When it was changed last.
    pub updated: Millis,
    /// Who made it.
    pub created_by: Option<String>,
    /// Who changed it last.
    pub updated_by: Option<String>,
    /// The types of the fields of its records, as JSON.
    pub schema: Option<String>,
    /// How many records there are, as JSON.
    pub profile: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The experiments that use it.
    pub experiment_ids: Vec<ExperimentId>,
}

/// A dataset to make.
#[derive(Clone, Debug)]
pub struct NewEvaluationDataset {
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The experiments that use it.
    pub experiment_ids: Vec<ExperimentId>,
    /// When.
    pub at_ms: Millis,
}

/// One record of a dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationRecord {
    /// Its id: `dr-` and 32 hex digits.
    pub record_id: String,
    /// What is asked.
    pub inputs: Value,
    /// What was answered.
    pub outputs: Option<Value>,
    /// What should be answered.
    pub expectations: Option<Map<String, Value>>,
    /// Its tags.
    pub tags: Option<Map<String, Value>>,
    /// Where it comes from: an object with `source_type` and `source_data`.
    pub source: Option<Value>,
    /// When it was made.
    pub created: Millis,
    /// When it was changed last.
    pub updated: Millis,
    /// Who made it.
    pub created_by: Option<String>,
    /// Who changed it last.
    pub updated_by: Option<String>,
}

/// A record as a client sends it.
#[derive(Clone, Debug)]
pub struct RecordChange(Map<String, Value>);

impl RecordChange {
    /// Reads a record; its inputs, expectations and tags must be objects.
    pub fn parse(value: Value) -> Result<Self> {
        let Value::Object(mut map) = value else {
            return Err(Error::invalid("Each record must be a JSON object."));
        };
        for name in ["inputs", "expectations", "tags"] {
            match map.get(name) {
                None | Some(Value::Object(_)) => {}
                Some(Value::Null) => {
                    map.shift_remove(name);
                }
                Some(_) => {
                    return Err(Error::invalid(format!("'{name}' of a record must be a JSON object.")));
                }
            }
        }
        if let Some(source) = map.get("source").filter(|source| source.is_object()) {
            let kind = source["source_type"].as_str().unwrap_or_default().to_uppercase();
            if !["UNSPECIFIED", "TRACE", "HUMAN", "DOCUMENT", "CODE"].contains(&kind.as_str()) {
                return Err(Error::invalid(format!("Invalid dataset record source type: {kind}.")));
            }
        }
        Ok(Self(map))
    }

    /// What is asked, by which records are told apart.
    pub fn inputs(&self) -> Value {
        self.0.get("inputs").cloned().unwrap_or_else(|| json!({}))
    }

    /// The inputs in the one spelling by which they are compared: keys sorted at every depth.
    pub fn identity(&self) -> String {
        sorted(&self.inputs()).to_string()
    }

    fn object(&self, name: &str) -> Option<&Map<String, Value>> {
        self.0.get(name)?.as_object()
    }

    /// Who sends it.
    pub fn user(&self) -> Option<String> {
        self.object("tags")?.get(USER_TAG)?.as_str().map(str::to_owned)
    }

    /// A new record.
    pub fn make(&self, at_ms: Millis) -> EvaluationRecord {
        EvaluationRecord {
            record_id: format!("dr-{}", uuid::Uuid::new_v4().simple()),
            inputs: self.inputs(),
            outputs: self.0.get("outputs").filter(|value| !value.is_null()).cloned(),
            expectations: self.object("expectations").cloned(),
            tags: self.object("tags").cloned(),
            source: self.0.get("source").filter(|source| source.is_object()).cloned(),
            created: at_ms,
            updated: at_ms,
            created_by: self.user(),
            updated_by: self.user(),
        }
    }

    /// `record` with what is new: outputs are replaced, expectations and tags are merged.
    pub fn merge(&self, record: &mut EvaluationRecord, at_ms: Millis) {
        if let Some(outputs) = self.0.get("outputs") {
            record.outputs = (!outputs.is_null()).then(|| outputs.clone());
        }
        for (name, old) in [("expectations", &mut record.expectations), ("tags", &mut record.tags)] {
            if let Some(new) = self.object(name).filter(|new| !new.is_empty()) {
                old.get_or_insert_default().extend(new.clone());
            }
        }
        record.updated = at_ms;
        record.updated_by = self.user().or(record.updated_by.take());
    }

    /// `schema` with the fields of this record that are not in it yet.
    pub fn describe(&self, schema: &mut Value) {
        for name in ["inputs", "outputs", "expectations"] {
            match self.0.get(name) {
                Some(Value::Object(fields)) => {
                    if !schema[name].is_object() {
                        schema[name] = json!({});
                    }
                    for (field, value) in fields {
                        if schema[name].get(field).is_none() {
                            schema[name][field] = kind(value).into();
                        }
                    }
                }
                Some(value)
                    if name == "outputs"
                        && !value.is_null()
                        && !schema[name].is_string()
                        && schema[name].as_object().is_none_or(Map::is_empty) =>
                {
                    schema[name] = kind(value).into();
                }
                _ => {}
            }
        }
    }
}

/// A schema of no fields.
pub fn empty_schema() -> Value {
    json!({"inputs": {}, "outputs": {}, "expectations": {}, "version": "1.0"})
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let ordered: BTreeMap<&String, Value> =
                map.iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(ordered.into_iter().map(|(key, value)| (key.clone(), value)).collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// A search for datasets.
#[derive(Clone, Debug)]
pub struct EvaluationSearch {
    /// Those that one of these experiments uses; none is any.
    pub experiments: Vec<ExperimentId>,
    /// Clauses that must all hold: [`crate::search::evaluation_datasets`].
    pub filter: Vec<Clause>,
    /// The order; empty is newest first.
    pub order: Vec<Order>,
    /// Rows a page.
    pub limit: usize,
    /// Where the page starts.
    pub offset: u64,
}

/// Where a page of records starts: behind the record of this time and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordCursor {
    /// When that record was made.
    pub created: Millis,
    /// Its id.
    pub record_id: String,
}

impl RecordCursor {
    /// Reads a page token.
    pub fn parse(token: &str) -> Result<Self> {
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::STANDARD.decode(token).ok();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let parts = text.as_deref().and_then(|text| text.split_once(':'));
        parts
            .and_then(|(created, id)| Some(Self { created: created.parse().ok()?, record_id: id.to_owned() }))
            .ok_or_else(|| Error::invalid("Invalid page token, could not base64-decode"))
    }

    /// The page token.
    pub fn token(&self) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", self.created, self.record_id))
    }
}

/// The port that keeps evaluation datasets.
#[async_trait]
pub trait EvaluationDatasets: Send + Sync {
    /// Makes a dataset.
    async fn create(&self, new: &NewEvaluationDataset) -> Result<EvaluationDataset>;

    /// The dataset with `id`.
    async fn get(&self, id: &str) -> Result<Option<EvaluationDataset>>;

    /// Deletes a dataset with its records; an absent one is no error.
    async fn delete(&self, id: &str) -> Result<()>;

    /// Datasets that match.
    async fn search(&self, search: &EvaluationSearch) -> Result<Page<EvaluationDataset>>;

    /// Sets tags, or removes those without a value.
    async fn set_tags(&self, id: &str, tags: &[(String, Option<String>)]) -> Result<()>;

    /// Adds `add` to and removes `remove` from the experiments that use a dataset.
    async fn set_experiments(
        &self,
        id: &str,
        add: &[ExperimentId],
        remove: &[ExperimentId],
        at_ms: Millis,
    ) -> Result<EvaluationDataset>;

    /// Adds records or changes those with the same inputs; returns how many were added and changed.
    async fn upsert(&self, id: &str, records: &[RecordChange], at_ms: Millis) -> Result<(u64, u64)>;

    /// At most `limit` records behind `after`, oldest first, and whether there are more.
    async fn records(
        &self,
        id: &str,
        after: Option<&RecordCursor>,
        limit: usize,
    ) -> Result<(Vec<EvaluationRecord>, bool)>;

    /// Deletes records; returns how many were there.
    async fn delete_records(&self, id: &str, records: &[String]) -> Result<u64>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_told_apart_by_their_inputs_in_any_order_of_keys() {
        let identity = |value: Value| RecordChange::parse(value).unwrap().identity();
        assert_eq!(
            identity(json!({"inputs": {"a": 1, "b": {"c": 2, "d": 3}}})),
            identity(json!({"inputs": {"b": {"d": 3, "c": 2}, "a": 1}, "tags": {"x": "y"}}))
        );
        assert!(RecordChange::parse(json!({"inputs": [1]})).is_err());
        assert!(RecordChange::parse(json!(1)).is_err());
    }

    #[test]
    fn a_schema_grows_and_never_changes() {
        let mut schema = empty_schema();
        for inputs in [json!({"a": 1}), json!({"a": "text", "b": 1.5})] {
            RecordChange::parse(json!({"inputs": inputs, "outputs": "o"})).unwrap().describe(&mut schema);
        }
        assert_eq!(schema["inputs"], json!({"a": "integer", "b": "float"}));
        assert_eq!(schema["outputs"], "string");
    }
}
