//! Gates: the conditions under which a version is let through, and the report that keeps why.
//!
//! A decision depends on nothing but its arguments, so a stored report can be checked again at any time.

use std::collections::BTreeMap;

use async_trait::async_trait;
use lemnis_core::Millis;
use serde::{Deserialize, Serialize};

use crate::Result;

/// One condition of a gate, as `lemnis.yaml` writes it.
///
/// ```yaml
/// - metric: roc_auc
///   min: 0.75
/// - better_than: champion
///   metric: roc_auc
///   confidence: 0.95
///   margin: 0.0
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Rule {
    /// A metric of the challenger lies within bounds, both included.
    Threshold {
        /// The metric's name.
        metric: String,
        /// The least allowed value.
        min: Option<f64>,
        /// The greatest allowed value.
        max: Option<f64>,
    },
    /// The challenger beats the version of an alias by more than `margin`, with confidence.
    BetterThan {
        /// The alias of the version to beat, such as `champion`.
        alias: String,
        /// The metric's name.
        metric: String,
        /// The coverage of the interval that must lie above `margin`, between 0.5 and 1.
        confidence: f64,
        /// By how much, in the metric's unit; negative allows a loss.
        margin: f64,
    },
}

impl Rule {
    /// The metric the rule looks at.
    pub fn metric(&self) -> &str {
        match self {
            Rule::Threshold { metric, .. } | Rule::BetterThan { metric, .. } => metric,
        }
    }
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    better_than: Option<String>,
    metric: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    confidence: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    margin: Option<f64>,
}

impl TryFrom<Written> for Rule {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { better_than, metric, min, max, confidence, margin } = written;
        if metric.is_empty() {
            return Err("a gate rule needs the name of a metric".to_owned());
        }
        let numbers = [min, max, confidence, margin];
        if numbers.iter().flatten().any(|number| !number.is_finite()) {
            return Err(format!("the gate rule on {metric:?} holds a number that is not finite"));
        }
        let Some(alias) = better_than else {
            if confidence.is_some() || margin.is_some() {
                return Err(format!(
                    "the gate rule on {metric:?} has `confidence` or `margin` without `better_than`"
                ));
            }
            return match (min, max) {
                (None, None) => {
                    Err(format!("the gate rule on {metric:?} needs `min`, `max` or `better_than`"))
                }
                (Some(min), Some(max)) if min > max => {
                    Err(format!("the gate rule on {metric:?} has min {min} above max {max}"))
                }
                _ => Ok(Rule::Threshold { metric, min, max }),
            };
        };
        if min.is_some() || max.is_some() {
            return Err(format!("the gate rule on {metric:?} mixes `better_than` with `min` or `max`"));
        }
        let confidence = confidence.unwrap_or(0.95);
        if !(0.5..1.0).contains(&confidence) {
            return Err(format!(
                "the confidence {confidence} of the gate rule on {metric:?} is not in [0.5, 1)"
            ));
        }
        Ok(Rule::BetterThan { alias, metric, confidence, margin: margin.unwrap_or(0.0) })
    }
}

impl From<Rule> for Written {
    fn from(rule: Rule) -> Self {
        match rule {
            Rule::Threshold { metric, min, max } => Written { metric, min, max, ..Written::default() },
            Rule::BetterThan { alias, metric, confidence, margin } => Written {
                better_than: Some(alias),
                metric,
                confidence: Some(confidence),
                margin: Some(margin),
                ..Written::default()
            },
        }
    }
}

/// How challenger and champion compare on the same rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The metric's name.
    pub metric: String,
    /// The champion's value.
    pub champion: f64,
    /// The challenger's value.
    pub challenger: f64,
    /// By how much the challenger is better: positive is better, also for metrics where less is better.
    pub difference: f64,
    /// Lower end of the interval of `difference` at the rule's confidence.
    pub low: f64,
    /// Upper end of that interval.
    pub high: f64,
    /// Share of the resamples in which the challenger is better.
    pub p_better: f64,
    /// Number of bootstrap resamples.
    pub resamples: usize,
    /// Seed of the resampling.
    pub seed: u64,
    /// Rows that both were measured on.
    pub rows: usize,
}

/// What one rule found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// The rule in short, such as `roc_auc >= 0.75`.
    pub name: String,
    /// Whether it lets the challenger through.
    pub passed: bool,
    /// What was measured; `None` where nothing could be.
    pub observed: Option<f64>,
    /// What it was compared with.
    pub threshold: Option<f64>,
    /// One sentence with the figures.
    pub detail: String,
}

/// Why a version was or was not let through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateReport {
    /// Unique; a report that is inserted again changes nothing.
    pub id: String,
    /// When it was decided.
    pub at_ms: Millis,
    /// The registered model's name.
    pub model: String,
    /// The version that wants through; `None` where the gate ran before the registration.
    pub challenger_version: Option<u32>,
    /// The version that it was compared with.
    pub champion_version: Option<u32>,
    /// Whether every check passed.
    pub passed: bool,
    /// The checks, in the order of the rules.
    pub checks: Vec<Check>,
    /// What the decision looked at: digests, rows, seeds, the comparison.
    pub inputs: serde_json::Value,
}

/// The port that keeps gate reports.
#[async_trait]
pub trait GateReports: Send + Sync {
    /// Keeps a report; an id that is already there changes nothing.
    async fn insert(&self, report: &GateReport) -> Result<()>;

    /// The report with `id`.
    async fn get(&self, id: &str) -> Result<Option<GateReport>>;

    /// The newest `limit` reports, newest first; only those of `model` where one is given.
    async fn latest(&self, model: Option<&str>, limit: usize) -> Result<Vec<GateReport>>;
}

/// Whether the challenger may pass, with a check for each rule. No rule lets everything through.
///
/// `metrics` are the challenger's own. Without a `comparison` there is no champion yet, and rules that compare pass.
pub fn decide(
    rules: &[Rule],
    metrics: &BTreeMap<String, f64>,
    comparison: Option<&Comparison>,
) -> (bool, Vec<Check>) {
    let checks: Vec<Check> = rules
        .iter()
        .map(|rule| match rule {
            Rule::Threshold { metric, min, max } => {
                threshold(metric, *min, *max, metrics.get(metric).copied())
            }
            Rule::BetterThan { alias, metric, confidence, margin } => {
                better_than(alias, metric, *confidence, *margin, comparison)
            }
        })
        .collect();
    (checks.iter().all(|check| check.passed), checks)
}

fn threshold(metric: &str, min: Option<f64>, max: Option<f64>, observed: Option<f64>) -> Check {
    let name = match (min, max) {
        (Some(min), Some(max)) => format!("{min} <= {metric} <= {max}"),
        (Some(min), None) => format!("{metric} >= {min}"),
        (None, max) => format!("{metric} <= {}", max.unwrap_or(f64::INFINITY)),
    };
    let Some(value) = observed else {
        let detail = format!("{metric} was not measured");
        return Check { name, passed: false, observed: None, threshold: min.or(max), detail };
    };
    let above = min.is_none_or(|min| value >= min);
    let below = max.is_none_or(|max| value <= max);
    let missed = if above { max.or(min) } else { min };
    let detail = match (above, below) {
        (true, true) => format!("{metric} is {value:.4}"),
        (false, _) => format!("{metric} is {value:.4}, less than {}", min.unwrap_or(f64::NEG_INFINITY)),
        (true, false) => format!("{metric} is {value:.4}, more than {}", max.unwrap_or(f64::INFINITY)),
    };
    let threshold = if above && below { min.or(max) } else { missed };
    Check { name, passed: above && below, observed: Some(value), threshold, detail }
}

fn better_than(
    alias: &str,
    metric: &str,
    confidence: f64,
    margin: f64,
    comparison: Option<&Comparison>,
) -> Check {
    let name = format!("{metric} better than {alias}");
    let threshold = Some(margin);
    let Some(seen) = comparison else {
        return Check { name, passed: true, observed: None, threshold, detail: format!("no {alias} yet") };
    };
    if seen.metric != metric {
        let detail = format!("{alias} was compared on {}, not on {metric}", seen.metric);
        return Check { name, passed: false, observed: None, threshold, detail };
    }
    let passed = seen.low > margin;
    let detail = format!(
        "{:.4} against {:.4} of {alias}: better by {:.4}, {:.0} % interval [{:.4}, {:.4}] {} {margin}",
        seen.challenger,
        seen.champion,
        seen.difference,
        confidence * 100.0,
        seen.low,
        seen.high,
        if passed { "lies above" } else { "does not lie above" },
    );
    Check { name, passed, observed: Some(seen.low), threshold, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Vec<Rule> {
        serde_json::from_value(serde_json::json!([
            {"metric": "roc_auc", "min": 0.75},
            {"better_than": "champion", "metric": "roc_auc"},
        ]))
        .unwrap()
    }

    fn comparison(low: f64) -> Comparison {
        Comparison {
            metric: "roc_auc".into(),
            champion: 0.82,
            challenger: 0.84,
            difference: 0.02,
            low,
            high: 0.04,
            p_better: 0.99,
            resamples: 1000,
            seed: 7,
            rows: 500,
        }
    }

    fn metrics(value: f64) -> BTreeMap<String, f64> {
        BTreeMap::from([("roc_auc".to_owned(), value)])
    }

    #[test]
    fn a_first_version_passes_without_a_champion() {
        let (passed, checks) = decide(&rules(), &metrics(0.8), None);
        assert!(passed);
        assert_eq!(checks[1].detail, "no champion yet");
    }

    #[test]
    fn a_challenger_passes_only_if_the_whole_interval_is_better() {
        assert!(decide(&rules(), &metrics(0.84), Some(&comparison(0.001))).0);
        let (passed, checks) = decide(&rules(), &metrics(0.84), Some(&comparison(0.0)));
        assert!(!passed && checks[0].passed && !checks[1].passed);
        assert_eq!(
            checks[1].detail,
            "0.8400 against 0.8200 of champion: better by 0.0200, 95 % interval [0.0000, 0.0400] does not lie above 0"
        );
    }

    #[test]
    fn a_threshold_says_what_was_missed() {
        let (passed, checks) = decide(&rules()[..1], &metrics(0.7), None);
        assert!(!passed);
        assert_eq!(checks[0].detail, "roc_auc is 0.7000, less than 0.75");
        let (passed, checks) = decide(&rules()[..1], &BTreeMap::new(), None);
        assert!(!passed);
        assert_eq!(checks[0].detail, "roc_auc was not measured");
        assert!(!decide(&rules()[..1], &metrics(f64::NAN), None).0, "NaN passes no threshold");
    }

    #[test]
    fn a_comparison_on_another_metric_does_not_count() {
        let other = Comparison { metric: "f1".into(), ..comparison(0.5) };
        assert!(!decide(&rules(), &metrics(0.84), Some(&other)).0);
    }

    #[test]
    fn a_rule_that_makes_no_sense_is_refused_with_a_reason() {
        let parse = |text: &str| serde_json::from_str::<Rule>(text).map_err(|error| error.to_string());
        assert!(parse(r#"{"metric": "m"}"#).unwrap_err().contains("needs `min`, `max` or `better_than`"));
        assert!(parse(r#"{"metric": "m", "min": 2, "max": 1}"#).unwrap_err().contains("above max"));
        assert!(
            parse(r#"{"metric": "m", "min": 1, "margin": 0}"#).unwrap_err().contains("without `better_than`")
        );
        assert!(parse(r#"{"metric": "m", "minimum": 1}"#).unwrap_err().contains("unknown field `minimum`"));
        assert!(
            parse(r#"{"metric": "m", "better_than": "a", "confidence": 95}"#)
                .unwrap_err()
                .contains("[0.5, 1)")
        );
        for rule in rules() {
            let text = serde_json::to_string(&rule).unwrap();
            assert_eq!(parse(&text).unwrap(), rule);
        }
    }
}
