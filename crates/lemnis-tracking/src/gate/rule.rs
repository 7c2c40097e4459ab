//! The rules of a gate, as `lemnis.yaml` writes them. One key says what kind a rule is; its other keys belong to it
//! alone, so that a misspelt bound cannot silently do nothing.
//!
//! ```yaml
//! - {metric: roc_auc, min: 0.75}
//! - {better_than: champion, metric: roc_auc, confidence: 0.95, margin: 0.0, test: delong}
//! - {fairness: equalized_odds, by: gender, max_difference: 0.1, min_rows: 30}
//! - {latency: p99, max_ms: 5}
//! - {size: model, max_mb: 50}
//! - {report: validation, of: data/raw/customers.csv}
//! - {approval: owner, count: 2, not_author: true}
//! ```

use schemars::JsonSchema;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// One condition of a gate.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Rule {
    /// A metric of the challenger lies within bounds.
    Threshold(Threshold),
    /// The challenger beats the version of an alias.
    BetterThan(BetterThan),
    /// Groups of rows are treated alike.
    Fairness(Fairness),
    /// One prediction is quick enough.
    Latency(Latency),
    /// The model's files are small enough.
    Size(Size),
    /// Another judgement ended well.
    Report(Report),
    /// People agreed.
    Approval(Approval),
}

/// Bounds of a metric, both included; at least one is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// The metric's name.
    pub metric: String,
    /// The least allowed value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The greatest allowed value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

/// A comparison with the version of an alias on the same rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BetterThan {
    /// The alias of the version to beat, such as `champion`.
    #[serde(rename = "better_than")]
    pub alias: String,
    /// The metric's name.
    pub metric: String,
    /// The coverage of the interval that must lie above `margin`, in [0.5, 1).
    #[serde(default = "default_confidence")]
    pub confidence: f64,
    /// By how much, in the metric's unit; negative allows a loss.
    #[serde(default)]
    pub margin: f64,
    /// Where the interval comes from.
    #[serde(default, skip_serializing_if = "Test::is_bootstrap")]
    pub test: Test,
}

/// Where the interval of a difference comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// A paired bootstrap; for every metric.
    #[default]
    Bootstrap,
    /// DeLong's variance; for `roc_auc`.
    Delong,
    /// McNemar's exact test; for `accuracy`.
    Mcnemar,
}

impl Test {
    fn is_bootstrap(&self) -> bool {
        *self == Test::Bootstrap
    }
}

/// A bound on the gap between groups of rows; at least one bound is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fairness {
    /// What is compared.
    pub fairness: FairnessMeasure,
    /// The column of the holdout that holds the group.
    pub by: String,
    /// The greatest allowed difference of two groups' rates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_difference: Option<f64>,
    /// The smallest allowed ratio of two groups' rates; 0.8 is the four-fifths rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_ratio: Option<f64>,
    /// Groups with fewer rows are not compared.
    #[serde(default = "default_min_rows")]
    pub min_rows: usize,
}

/// What a fairness rule compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FairnessMeasure {
    /// The share of rows that are chosen.
    DemographicParity,
    /// The share of positive rows that are chosen.
    EqualOpportunity,
    /// The worse of the shares of positive and of negative rows.
    EqualizedOdds,
}

impl FairnessMeasure {
    /// The measure in words.
    pub fn as_str(self) -> &'static str {
        match self {
            FairnessMeasure::DemographicParity => "demographic parity",
            FairnessMeasure::EqualOpportunity => "equal opportunity",
            FairnessMeasure::EqualizedOdds => "equalized odds",
        }
    }
}

/// A bound on the time of one prediction, measured in process on rows of the holdout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Which of the measured times counts.
    pub latency: Quantile,
    /// The greatest allowed time in milliseconds.
    pub max_ms: f64,
}

/// A quantile of measured times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantile {
    /// The median.
    P50,
    /// 95 of 100 are quicker.
    P95,
    /// 99 of 100 are quicker.
    P99,
}

impl Quantile {
    /// Between 0 and 1.
    pub fn share(self) -> f64 {
        match self {
            Quantile::P50 => 0.50,
            Quantile::P95 => 0.95,
            Quantile::P99 => 0.99,
        }
    }

    /// The quantile in short.
    pub fn as_str(self) -> &'static str {
        match self {
            Quantile::P50 => "p50",
            Quantile::P95 => "p95",
            Quantile::P99 => "p99",
        }
    }
}

/// A bound on the size of the model's files together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// What is weighed.
    pub size: Weighed,
    /// The greatest allowed size in units of 1,000,000 bytes.
    pub max_mb: f64,
}

/// What a size rule weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weighed {
    /// The files of the model, as they are registered.
    Model,
}

/// A judgement that must have ended well when it was last made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Which kind of judgement.
    pub report: ReportKind,
    /// What it judged, such as `data/raw/customers.csv`.
    pub of: String,
    /// How old it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_hours: Option<f64>,
}

/// The kinds of judgement that a rule can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportKind {
    /// Data against its expectation suite.
    Validation,
    /// Inputs against those of the training.
    Drift,
    /// Predictions against the truth.
    Performance,
}

impl ReportKind {
    /// The kind in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            ReportKind::Validation => "validation",
            ReportKind::Drift => "drift",
            ReportKind::Performance => "performance",
        }
    }
}

/// People who have to agree, each with a comment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The role of who may agree.
    #[serde(rename = "approval")]
    pub role: String,
    /// How many of them.
    #[serde(default = "default_count")]
    pub count: u32,
    /// Whether who registered the version does not count.
    #[serde(default)]
    pub not_author: bool,
}

fn default_confidence() -> f64 {
    0.95
}

fn default_min_rows() -> usize {
    30
}

fn default_count() -> u32 {
    1
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse(Map::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

fn parse(fields: Map<String, Value>) -> Result<Rule, String> {
    const KINDS: [&str; 6] = ["better_than", "fairness", "latency", "size", "report", "approval"];
    let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| fields.contains_key(*kind)).collect();
    let rule = match kinds.as_slice() {
        [] if fields.contains_key("metric") => Rule::Threshold(read(fields)?),
        [] => return Err(format!("a gate rule needs `metric` or one of {}", list(&KINDS))),
        ["better_than"] => Rule::BetterThan(read(fields)?),
        ["fairness"] => Rule::Fairness(read(fields)?),
        ["latency"] => Rule::Latency(read(fields)?),
        ["size"] => Rule::Size(read(fields)?),
        ["report"] => Rule::Report(read(fields)?),
        ["approval"] => Rule::Approval(read(fields)?),
        several => return Err(format!("a gate rule mixes {}: write one rule for each", list(several))),
    };
    check(&rule)?;
    Ok(rule)
}

fn read<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, String> {
    serde_json::from_value(Value::Object(fields)).map_err(|error| format!("a gate rule: {error}"))
}

/// What the types alone do not refuse.
fn check(rule: &Rule) -> Result<(), String> {
    let positive = |what: &str, number: f64| {
        if number.is_finite() && number > 0.0 {
            return Ok(());
        }
        Err(format!("{what} of a gate rule is {number}, which is not above 0"))
    };
    match rule {
        Rule::Threshold(Threshold { metric, min, max }) => match (min, max) {
            _ if metric.is_empty() => Err("a gate rule needs the name of a metric".to_owned()),
            (None, None) => Err(format!("the gate rule on {metric:?} needs `min`, `max` or `better_than`")),
            (Some(min), Some(max)) if min > max => {
                Err(format!("the gate rule on {metric:?} has min {min} above max {max}"))
            }
            _ => Ok(()),
        },
        Rule::BetterThan(BetterThan { metric, confidence, test, .. }) => {
            if metric.is_empty() {
                return Err("a gate rule needs the name of a metric".to_owned());
            }
            if !(0.5..1.0).contains(confidence) {
                return Err(format!(
                    "the confidence {confidence} of the gate rule on {metric:?} is not in [0.5, 1)"
                ));
            }
            match (test, metric.as_str()) {
                (Test::Delong, other) if other != "roc_auc" => {
                    Err(format!("`test: delong` compares roc_auc, not {other}"))
                }
                (Test::Mcnemar, other) if other != "accuracy" => {
                    Err(format!("`test: mcnemar` compares accuracy, not {other}"))
                }
                _ => Ok(()),
            }
        }
        Rule::Fairness(Fairness { max_difference, min_ratio, by, .. }) => {
            let bounds = [max_difference, min_ratio];
            if by.is_empty() || bounds.iter().all(|bound| bound.is_none()) {
                return Err("a fairness rule needs `by` and `max_difference` or `min_ratio`".to_owned());
            }
            match bounds.into_iter().flatten().find(|bound| !(0.0..=1.0).contains(*bound)) {
                Some(bound) => Err(format!("the bound {bound} of a fairness rule is not in [0, 1]")),
                None => Ok(()),
            }
        }
        Rule::Latency(Latency { max_ms, .. }) => positive("`max_ms`", *max_ms),
        Rule::Size(Size { max_mb, .. }) => positive("`max_mb`", *max_mb),
        Rule::Report(Report { max_age_hours, .. }) => {
            max_age_hours.map_or(Ok(()), |hours| positive("`max_age_hours`", hours))
        }
        Rule::Approval(Approval { role, count, .. }) => {
            if role.is_empty() || *count == 0 {
                return Err("an approval rule needs a role and a `count` of 1 or more".to_owned());
            }
            Ok(())
        }
    }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Rule, String> {
        serde_json::from_str::<Rule>(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_rule_that_makes_no_sense_is_refused_with_a_reason() {
        for (text, reason) in [
            (r#"{"metric": "m"}"#, "needs `min`, `max` or `better_than`"),
            (r#"{"metric": "m", "min": 2, "max": 1}"#, "above max"),
            (r#"{"metric": "m", "min": 1, "margin": 0}"#, "unknown field `margin`"),
            (r#"{"metric": "m", "minimum": 1}"#, "unknown field `minimum`"),
            (r#"{"metric": "m", "better_than": "a", "confidence": 95}"#, "[0.5, 1)"),
            (r#"{"metric": "f1", "better_than": "a", "test": "delong"}"#, "compares roc_auc"),
            (r#"{"metric": "roc_auc", "better_than": "a", "test": "mcnemar"}"#, "compares accuracy"),
            (r#"{"metric": "m", "better_than": "a", "latency": "p99"}"#, "mixes `better_than`, `latency`"),
            (r#"{"fairness": "equalized_odds", "by": "sex"}"#, "`max_difference` or `min_ratio`"),
            (r#"{"fairness": "parity", "by": "sex", "min_ratio": 0.8}"#, "unknown variant `parity`"),
            (r#"{"fairness": "equalized_odds", "by": "sex", "min_ratio": 8}"#, "not in [0, 1]"),
            (r#"{"latency": "p99", "max_ms": -1}"#, "not above 0"),
            (r#"{"size": "model", "max_gb": 1}"#, "unknown field `max_gb`"),
            (r#"{"approval": "owner", "count": 0}"#, "1 or more"),
            (r#"{"report": "validation"}"#, "missing field `of`"),
            ("{}", "needs `metric` or one of"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_rule_reads_back_as_it_was_written() {
        for text in [
            r#"{"metric":"roc_auc","min":0.75}"#,
            r#"{"better_than":"champion","metric":"roc_auc","confidence":0.95,"margin":0.0}"#,
            r#"{"better_than":"champion","metric":"accuracy","confidence":0.9,"margin":0.01,"test":"mcnemar"}"#,
            r#"{"fairness":"demographic_parity","by":"sex","min_ratio":0.8,"min_rows":30}"#,
            r#"{"latency":"p99","max_ms":5.0}"#,
            r#"{"size":"model","max_mb":50.0}"#,
            r#"{"report":"validation","of":"data/raw.csv"}"#,
            r#"{"approval":"owner","count":2,"not_author":true}"#,
        ] {
            assert_eq!(serde_json::to_string(&parse(text).unwrap()).unwrap(), text);
        }
    }
}
