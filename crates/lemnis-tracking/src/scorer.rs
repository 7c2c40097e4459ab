//! Scorers: judges of traces, registered by experiment and name, each registration a new version.
//!
//! The server keeps scorers and never runs them: a serialised scorer may hold code.

use async_trait::async_trait;
use lemnis_core::Millis;
use serde_json::Value;

use crate::{Error, ExperimentId, Result};

/// One version of a scorer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scorer {
    /// The scorer's id, the same for all versions.
    pub scorer_id: String,
    /// Its experiment.
    pub experiment_id: ExperimentId,
    /// Its name.
    pub name: String,
    /// Which version, from 1.
    pub version: i64,
    /// What the client needs to make it again, as JSON.
    pub serialized: String,
    /// When it was registered.
    pub created: Millis,
}

/// How a scorer is applied to new traces by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct OnlineScoring {
    /// Its id.
    pub config_id: String,
    /// The scorer.
    pub scorer_id: String,
    /// The share of traces, 0 to 1.
    pub sample_rate: f64,
    /// The experiment.
    pub experiment_id: ExperimentId,
    /// Which traces: a filter of [`crate::search::traces`].
    pub filter: Option<String>,
}

/// Fails unless a scorer may be called `name` and be `serialized` so.
pub fn check(name: &str, serialized: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(Error::invalid("Scorer name cannot be empty or contain only whitespace."));
    }
    let data: Value = serde_json::from_str(serialized)
        .map_err(|_| Error::invalid("serialized_scorer must be valid JSON"))?;
    if holds_code(&data) {
        return Err(Error::invalid(
            "Custom scorer registration (using @scorer decorator) is disabled: running such a scorer means running \
             code that a client sent. Keep it in your repository and register a built-in or an instructions judge.",
        ));
    }
    match model(&data) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(model)) if model.trim().is_empty() => {
            Err(Error::invalid("Scorer model cannot be empty or contain only whitespace."))
        }
        Some(Value::String(model)) if is_gateway(model) => Err(Error::missing(format!(
            "GatewayEndpoint not found (name='{}')",
            model.split_once(":/").map_or("", |(_, name)| name.trim_start_matches('/'))
        ))),
        Some(Value::String(_)) => Ok(()),
        Some(_) => Err(Error::invalid("Scorer model must be a string.")),
    }
}

fn holds_code(data: &Value) -> bool {
    match data {
        Value::Object(map) => {
            map.get("call_source").is_some_and(|source| !source.is_null()) || map.values().any(holds_code)
        }
        Value::Array(items) => items.iter().any(holds_code),
        _ => false,
    }
}

/// The model that a serialised scorer asks.
fn model(data: &Value) -> Option<&Value> {
    for name in
        ["instructions_judge_pydantic_data", "builtin_scorer_pydantic_data", "third_party_scorer_data"]
    {
        if let Some(inner) = data.get(name).filter(|inner| inner.is_object()) {
            return inner.get("model");
        }
    }
    model(data.get("memory_augmented_judge_data")?.get("base_judge")?)
}

fn is_gateway(model: &str) -> bool {
    model.starts_with("gateway:/")
}

/// Fails unless `scorer` can be applied to a share of `rate` of new traces.
pub fn check_online(scorer: &Scorer, rate: f64, filter: Option<&str>) -> Result<()> {
    if !(0.0..=1.0).contains(&rate) {
        return Err(Error::invalid(format!("sample_rate must be between 0.0 and 1.0, got {rate}")));
    }
    if let Some(filter) = filter {
        crate::search::traces(filter)?;
    }
    let data: Value = serde_json::from_str(&scorer.serialized).unwrap_or_default();
    if rate > 0.0 && !model(&data).and_then(Value::as_str).is_some_and(is_gateway) {
        return Err(Error::invalid(format!(
            "Scorer '{}' does not use a gateway model. Automatic evaluation is only supported for scorers that use \
             gateway models.",
            scorer.name
        )));
    }
    Ok(())
}

/// The error for a scorer that is not there.
pub fn no_scorer(experiment: ExperimentId, name: &str, version: Option<i64>) -> Error {
    let version = version.map(|version| format!(" and version {version}")).unwrap_or_default();
    Error::missing(format!("Scorer with name '{name}'{version} not found for experiment {experiment}."))
}

/// The port that keeps scorers. Every call wants an active experiment.
#[async_trait]
pub trait Scorers: Send + Sync {
    /// Registers the next version of a scorer.
    async fn register(
        &self,
        experiment: ExperimentId,
        name: &str,
        serialized: &str,
        at_ms: Millis,
    ) -> Result<Scorer>;

    /// The latest version of each scorer of `experiments`, by name; of every active experiment where there is none.
    async fn latest(&self, experiments: &[ExperimentId]) -> Result<Vec<Scorer>>;

    /// Every version of a scorer, the first one first; none where there is no such scorer.
    async fn versions(&self, experiment: ExperimentId, name: &str) -> Result<Vec<Scorer>>;

    /// Deletes one version, or the scorer with all of them.
    async fn delete(&self, experiment: ExperimentId, name: &str, version: Option<i64>) -> Result<()>;

    /// Replaces how a scorer is applied by itself.
    async fn set_online(&self, config: &OnlineScoring) -> Result<()>;

    /// How these scorers are applied by themselves; those that are not are left out.
    async fn online(&self, scorers: &[String]) -> Result<Vec<OnlineScoring>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scorer_with_code_or_an_empty_model_is_refused() {
        let said = |serialized: &str| check("s", serialized).unwrap_err().to_string();
        assert!(said(r#"{"call_source": "import os"}"#).contains("disabled"));
        assert!(said(r#"{"a": [{"call_source": "x"}]}"#).contains("disabled"));
        assert!(said(r#"{"instructions_judge_pydantic_data": {"model": " "}}"#).contains("cannot be empty"));
        assert!(said("{").contains("valid JSON"));
        assert!(check(" ", "{}").unwrap_err().to_string().contains("Scorer name cannot be empty"));
        assert!(check("s", r#"{"instructions_judge_pydantic_data": {"model": "openai:/x"}}"#).is_ok());
    }
}
