//! What a rule says of what was found.

use lemnis_core::Millis;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule::{Approval, BetterThan, Fairness, Latency, Report, Rule, Size, Threshold};
use super::{Check, Comparison};

const HOUR_MS: f64 = 3_600_000.0;
const MB: f64 = 1e6;

/// What was found for one rule. `None` in it means that there was nothing to be measured.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// The metric's value.
    Metric(Option<f64>),
    /// The comparison with the version to beat; none where the alias names no other version.
    Comparison(Option<Comparison>),
    /// The gap between groups: difference, ratio, and how many groups were compared.
    Gap {
        /// The greatest rate less the smallest.
        difference: Option<f64>,
        /// The smallest rate over the greatest.
        ratio: Option<f64>,
        /// How many groups had rows enough.
        groups: usize,
    },
    /// The time of one prediction at the rule's quantile, in milliseconds.
    Latency(f64),
    /// The size of the model's files in bytes.
    Size(u64),
    /// The newest judgement: whether it ended well, what it said, how old it is.
    Report(Option<(bool, String, Millis)>),
    /// Who said what of the version, each one's latest word.
    Approvals(Vec<Agreement>),
    /// It cannot be measured, and why.
    Impossible(String),
}

/// What one person said of a version.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Agreement {
    /// Who.
    pub by: String,
    /// With which role.
    pub role: String,
    /// Whether the person registered the version.
    pub is_author: bool,
    /// Whether it may pass.
    pub approved: bool,
    /// Why.
    pub comment: String,
}

/// Whether `rule` lets through what was found. A finding of another kind than the rule's lets nothing through.
pub fn check(rule: &Rule, found: &Finding) -> Check {
    match (rule, found) {
        (Rule::Threshold(rule), Finding::Metric(value)) => threshold(rule, *value),
        (Rule::BetterThan(rule), Finding::Comparison(found)) => better_than(rule, found.as_ref()),
        (Rule::Fairness(rule), Finding::Gap { difference, ratio, groups }) => {
            fairness(rule, *difference, *ratio, *groups)
        }
        (Rule::Latency(Latency { latency, max_ms }), Finding::Latency(ms)) => {
            let what = format!("latency {}", latency.as_str());
            at_most(&what, *ms, *max_ms, "ms", "one row at a time, in process")
        }
        (Rule::Size(Size { max_mb, .. }), Finding::Size(bytes)) => {
            at_most("size", *bytes as f64 / MB, *max_mb, "MB", "the model's files")
        }
        (Rule::Report(rule), Finding::Report(newest)) => report(rule, newest.as_ref()),
        (Rule::Approval(rule), Finding::Approvals(said)) => approval(rule, said),
        (_, Finding::Impossible(why)) => unmeasured(rule, why),
        _ => unmeasured(rule, "was not measured"),
    }
}

impl Rule {
    /// The rule in short, such as `roc_auc >= 0.75`.
    pub fn name(&self) -> String {
        match self {
            Rule::Threshold(Threshold { metric, min, max }) => match (min, max) {
                (Some(min), Some(max)) => format!("{min} <= {metric} <= {max}"),
                (Some(min), None) => format!("{metric} >= {min}"),
                (None, max) => format!("{metric} <= {}", max.unwrap_or(f64::INFINITY)),
            },
            Rule::BetterThan(BetterThan { alias, metric, .. }) => format!("{metric} better than {alias}"),
            Rule::Fairness(Fairness { fairness, by, .. }) => format!("{} by {by}", fairness.as_str()),
            Rule::Latency(Latency { latency, max_ms }) => {
                format!("latency {} <= {max_ms} ms", latency.as_str())
            }
            Rule::Size(Size { max_mb, .. }) => format!("size <= {max_mb} MB"),
            Rule::Report(Report { report, of, .. }) => format!("{} of {of}", report.as_str()),
            Rule::Approval(Approval { role, count, .. }) => format!("approval by {count} {role}"),
        }
    }
}

fn unmeasured(rule: &Rule, why: &str) -> Check {
    let name = rule.name();
    Check { detail: format!("{name}: {why}"), name, passed: false, observed: None, threshold: None }
}

fn threshold(rule: &Threshold, observed: Option<f64>) -> Check {
    let Threshold { metric, min, max } = rule;
    let name = Rule::Threshold(rule.clone()).name();
    let Some(value) = observed else {
        let detail = format!("{metric} was not measured");
        return Check { name, passed: false, observed: None, threshold: min.or(*max), detail };
    };
    let above = min.is_none_or(|min| value >= min);
    let below = max.is_none_or(|max| value <= max);
    let missed = if above { max.or(*min) } else { *min };
    let detail = match (above, below) {
        (true, true) => format!("{metric} is {value:.4}"),
        (false, _) => format!("{metric} is {value:.4}, less than {}", min.unwrap_or(f64::NEG_INFINITY)),
        (true, false) => format!("{metric} is {value:.4}, more than {}", max.unwrap_or(f64::INFINITY)),
    };
    let threshold = if above && below { min.or(*max) } else { missed };
    Check { name, passed: above && below, observed: Some(value), threshold, detail }
}

fn better_than(rule: &BetterThan, comparison: Option<&Comparison>) -> Check {
    let BetterThan { alias, metric, confidence, margin, .. } = rule;
    let name = format!("{metric} better than {alias}");
    let threshold = Some(*margin);
    let Some(seen) = comparison else {
        return Check { name, passed: true, observed: None, threshold, detail: format!("no {alias} yet") };
    };
    if seen.metric != *metric {
        let detail = format!("{alias} was compared on {}, not on {metric}", seen.metric);
        return Check { name, passed: false, observed: None, threshold, detail };
    }
    let passed = seen.low > *margin;
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

fn fairness(rule: &Fairness, difference: Option<f64>, ratio: Option<f64>, groups: usize) -> Check {
    let name = Rule::Fairness(rule.clone()).name();
    let (Some(difference), Some(ratio)) = (difference, ratio) else {
        let detail = format!("fewer than two groups of {} have {} rows to compare", rule.by, rule.min_rows);
        return Check {
            name,
            passed: false,
            observed: None,
            threshold: rule.max_difference.or(rule.min_ratio),
            detail,
        };
    };
    let near = rule.max_difference.is_none_or(|max| difference <= max);
    let even = rule.min_ratio.is_none_or(|min| ratio >= min);
    let mut detail = format!("{groups} groups differ by {difference:.4}, ratio {ratio:.4}");
    if let Some(max) = rule.max_difference.filter(|_| !near) {
        detail.push_str(&format!("; at most {max} is allowed"));
    }
    if let Some(min) = rule.min_ratio.filter(|_| !even) {
        detail.push_str(&format!("; the ratio must be at least {min}"));
    }
    let by_ratio = !even || rule.max_difference.is_none();
    let (observed, threshold) =
        if by_ratio && near { (ratio, rule.min_ratio) } else { (difference, rule.max_difference) };
    Check { name, passed: near && even, observed: Some(observed), threshold, detail }
}

fn at_most(what: &str, value: f64, max: f64, unit: &str, how: &str) -> Check {
    let passed = value <= max;
    let verdict = if passed { "" } else { ", too much" };
    Check {
        name: format!("{what} <= {max} {unit}"),
        passed,
        observed: Some(value),
        threshold: Some(max),
        detail: format!("{what} is {value:.3} {unit}{verdict} ({how})"),
    }
}

fn report(rule: &Report, newest: Option<&(bool, String, Millis)>) -> Check {
    let name = Rule::Report(rule.clone()).name();
    let (passed, detail) = match newest {
        None => (false, format!("there is no {} report of {}", rule.report.as_str(), rule.of)),
        Some((well, said, age_ms)) => {
            let hours = *age_ms as f64 / HOUR_MS;
            match rule.max_age_hours.filter(|max| hours > *max) {
                Some(max) => (false, format!("{said}; {hours:.1} hours old, at most {max} are allowed")),
                None => (*well, said.clone()),
            }
        }
    };
    Check { name, passed, observed: None, threshold: None, detail }
}

fn approval(rule: &Approval, said: &[Agreement]) -> Check {
    let counts = |one: &&Agreement| one.role == rule.role && !(rule.not_author && one.is_author);
    let heard: Vec<&Agreement> = said.iter().filter(counts).collect();
    let against: Vec<String> =
        heard.iter().filter(|one| !one.approved).map(|one| format!("{}: {}", one.by, one.comment)).collect();
    let agreed: Vec<&str> = heard.iter().filter(|one| one.approved).map(|one| one.by.as_str()).collect();
    let passed = against.is_empty() && agreed.len() >= rule.count as usize;
    let mut detail = format!("{} of {} agreed", agreed.len(), rule.count);
    if !agreed.is_empty() {
        detail.push_str(&format!(" ({})", agreed.join(", ")));
    }
    if !against.is_empty() {
        detail.push_str(&format!("; rejected by {}", against.join("; ")));
    }
    Check {
        name: Rule::Approval(rule.clone()).name(),
        passed,
        observed: Some(agreed.len() as f64),
        threshold: Some(f64::from(rule.count)),
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Rule {
        serde_json::from_str(text).unwrap()
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
            test: super::super::Test::Bootstrap,
            resamples: 1000,
            seed: 7,
            rows: 500,
        }
    }

    #[test]
    fn a_challenger_passes_only_if_the_whole_interval_is_better() {
        let rule = rule(r#"{"better_than": "champion", "metric": "roc_auc"}"#);
        let first = check(&rule, &Finding::Comparison(None));
        assert!(first.passed, "without a champion there is nothing to beat");
        assert_eq!(first.detail, "no champion yet");
        assert!(check(&rule, &Finding::Comparison(Some(comparison(0.001)))).passed);
        let found = check(&rule, &Finding::Comparison(Some(comparison(0.0))));
        assert!(!found.passed);
        assert_eq!(
            found.detail,
            "0.8400 against 0.8200 of champion: better by 0.0200, 95 % interval [0.0000, 0.0400] does not lie above 0"
        );
        let other = Comparison { metric: "f1".into(), ..comparison(0.5) };
        assert!(!check(&rule, &Finding::Comparison(Some(other))).passed);
    }

    #[test]
    fn a_threshold_says_what_was_missed() {
        let rule = rule(r#"{"metric": "roc_auc", "min": 0.75}"#);
        assert_eq!(check(&rule, &Finding::Metric(Some(0.7))).detail, "roc_auc is 0.7000, less than 0.75");
        let found = check(&rule, &Finding::Metric(None));
        assert_eq!((found.passed, found.detail.as_str()), (false, "roc_auc was not measured"));
        assert!(!check(&rule, &Finding::Metric(Some(f64::NAN))).passed, "NaN passes no threshold");
    }

    #[test]
    fn a_finding_of_another_kind_lets_nothing_through() {
        let rule = rule(r#"{"latency": "p99", "max_ms": 5}"#);
        assert!(!check(&rule, &Finding::Metric(Some(1.0))).passed);
        let found = check(&rule, &Finding::Impossible("the holdout is empty".into()));
        assert_eq!(found.detail, "latency p99 <= 5 ms: the holdout is empty");
    }

    #[test]
    fn bounds_of_time_and_size_are_included() {
        let latency = rule(r#"{"latency": "p99", "max_ms": 5}"#);
        assert!(check(&latency, &Finding::Latency(5.0)).passed);
        assert!(!check(&latency, &Finding::Latency(5.1)).passed);
        let size = rule(r#"{"size": "model", "max_mb": 1}"#);
        assert!(check(&size, &Finding::Size(1_000_000)).passed);
        assert!(!check(&size, &Finding::Size(1_000_001)).passed);
    }

    #[test]
    fn groups_may_differ_within_both_bounds() {
        let rule =
            rule(r#"{"fairness": "equalized_odds", "by": "sex", "max_difference": 0.1, "min_ratio": 0.8}"#);
        let gap =
            |difference, ratio| Finding::Gap { difference: Some(difference), ratio: Some(ratio), groups: 2 };
        assert!(check(&rule, &gap(0.1, 0.8)).passed);
        let far = check(&rule, &gap(0.2, 0.9));
        assert_eq!((far.passed, far.observed, far.threshold), (false, Some(0.2), Some(0.1)));
        let uneven = check(&rule, &gap(0.05, 0.5));
        assert_eq!((uneven.passed, uneven.observed, uneven.threshold), (false, Some(0.5), Some(0.8)));
        assert!(!check(&rule, &Finding::Gap { difference: None, ratio: None, groups: 1 }).passed);
    }

    #[test]
    fn a_report_must_be_there_good_and_fresh() {
        let rule = rule(r#"{"report": "validation", "of": "data/raw.csv", "max_age_hours": 24}"#);
        let newest = |well, age_ms| Finding::Report(Some((well, "all 22 hold".into(), age_ms)));
        assert!(check(&rule, &newest(true, 3_600_000)).passed);
        assert!(!check(&rule, &newest(false, 3_600_000)).passed);
        assert!(!check(&rule, &newest(true, 25 * 3_600_000)).passed);
        assert!(!check(&rule, &Finding::Report(None)).passed);
    }

    #[test]
    fn approvals_count_by_role_and_one_objection_stops() {
        let said = |by: &str, is_author, approved| Agreement {
            by: by.into(),
            role: "owner".into(),
            is_author,
            approved,
            comment: "seen".into(),
        };
        let one = rule(r#"{"approval": "owner"}"#);
        assert!(!check(&one, &Finding::Approvals(vec![])).passed);
        assert!(check(&one, &Finding::Approvals(vec![said("a", true, true)])).passed);
        let other = rule(r#"{"approval": "owner", "not_author": true}"#);
        assert!(!check(&other, &Finding::Approvals(vec![said("a", true, true)])).passed);
        let role = rule(r#"{"approval": "viewer"}"#);
        assert!(!check(&role, &Finding::Approvals(vec![said("a", false, true)])).passed);
        let objection =
            check(&one, &Finding::Approvals(vec![said("a", false, true), said("b", false, false)]));
        assert_eq!(objection.detail, "1 of 1 agreed (a); rejected by b: seen");
        assert!(!objection.passed);
    }
}
