//! What a gate's rules find: measurements on the holdout, and what reports and people say.

use std::collections::BTreeMap;
use std::time::Instant;

use futures::TryStreamExt;
use lemnis_model::Model;
use lemnis_quality::{Outcome, VerdictKind, fairness};
use lemnis_table::Table;
use lemnis_tracking::ModelVersion;
use lemnis_tracking::gate::{
    BetterThan, Comparison, Fairness, FairnessMeasure, Finding, Report, ReportKind, Rule,
};
use object_store::ObjectStore;
use serde::Serialize;

use super::approve::said;
use super::compare::compare;
use crate::settings::{Environment, ModelSettings};
use crate::stage::{Scores, Truth, scalar_metrics, score};
use crate::{App, Context, Error, artifact, frame};

/// Predictions before the clock counts.
const WARM_UP: usize = 10;
/// Predictions that are timed.
const TIMED: usize = 500;

/// A version that rules name by alias, and its model.
pub(super) struct Rival {
    pub(super) version: u32,
    pub(super) model: Model,
}

/// What a rule that compares found, beside the alias and the version that it compared with.
#[derive(Serialize)]
pub(super) struct Compared {
    pub(super) alias: String,
    pub(super) version: u32,
    #[serde(flatten)]
    pub(super) comparison: Comparison,
}

/// What the holdout rows say.
pub(super) struct Measured {
    pub(super) rows: usize,
    pub(super) metrics: BTreeMap<String, f64>,
    /// By the rule's place; rules that need no rows have none.
    pub(super) findings: BTreeMap<usize, Finding>,
    pub(super) compared: Vec<Compared>,
    pub(super) groups: BTreeMap<String, Vec<fairness::Group>>,
}

/// What is known without a look at the rows, by the rule's place: what people and earlier reports say, and the size.
pub(super) async fn known(
    app: &App,
    environment: &Environment<'_>,
    version: &ModelVersion,
) -> Result<BTreeMap<usize, Finding>, Error> {
    let mut found = BTreeMap::new();
    for (place, rule) in environment.gate.iter().enumerate() {
        let finding = match rule {
            Rule::Report(rule) => report(app, rule).await?,
            Rule::Approval(_) => {
                Finding::Approvals(said(app, &version.name, version.version, environment.name).await?)
            }
            Rule::Size(_) => size(app, version).await?,
            _ => continue,
        };
        found.insert(place, finding);
    }
    Ok(found)
}

async fn report(app: &App, rule: &Report) -> Result<Finding, Error> {
    let (kind, subject) = match rule.report {
        ReportKind::Validation => (VerdictKind::Validation, format!("data/{}", rule.of)),
        ReportKind::Drift => (VerdictKind::Drift, format!("endpoint/{}", rule.of)),
        ReportKind::Performance => (VerdictKind::Performance, format!("endpoint/{}", rule.of)),
    };
    let newest =
        app.verdicts.latest(Some(&subject), Some(kind), 1).await.context("looking for the report")?;
    Ok(Finding::Report(newest.into_iter().next().map(|verdict| {
        let age_ms = app.clock.now_ms().saturating_sub(verdict.at_ms);
        (verdict.outcome == Outcome::Pass, verdict.summary, age_ms)
    })))
}

async fn size(app: &App, version: &ModelVersion) -> Result<Finding, Error> {
    let prefix = artifact::object_path(version.artifact_uri())?;
    let sizes = app.artifacts.list(Some(&prefix)).try_fold(0, async |sum, file| Ok(sum + file.size));
    match sizes.await {
        Ok(0) => Ok(Finding::Impossible("the version has no files".to_owned())),
        Ok(bytes) => Ok(Finding::Size(bytes)),
        Err(error) => Ok(Finding::Impossible(format!("the files cannot be listed: {error}"))),
    }
}

/// What `candidate` shows on the rows of `holdout`, for the rules that need them.
pub(super) fn measure(
    settings: &ModelSettings,
    gate: &[Rule],
    holdout: &Table,
    candidate: &Model,
    rivals: &BTreeMap<String, Rival>,
) -> Result<Measured, Error> {
    let truth = Truth::of(holdout, &settings.target, settings.task, settings.positive.as_deref())?;
    let scores = score(candidate, holdout, settings.task)?;
    let metrics = scalar_metrics(&truth, &scores)?;
    let mut before: BTreeMap<&str, Scores> = BTreeMap::new();
    for (alias, rival) in rivals {
        before.insert(alias, score(&rival.model, holdout, settings.task)?);
    }
    let (mut findings, mut compared, mut groups) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
    for (place, rule) in gate.iter().enumerate() {
        let finding = match rule {
            Rule::Threshold(rule) => Finding::Metric(metrics.get(&rule.metric).copied()),
            Rule::BetterThan(rule) => {
                let found = against(rule, rivals, &before, &truth, &scores)?;
                let comparison = found.as_ref().map(|found| found.comparison.clone());
                compared.extend(found);
                Finding::Comparison(comparison)
            }
            Rule::Fairness(rule) => {
                let (finding, found) = gap(rule, holdout, &truth, &scores)?;
                groups.insert(rule.by.clone(), found);
                finding
            }
            Rule::Latency(rule) => latency(candidate, holdout, rule.latency.share())?,
            Rule::Size(_) | Rule::Report(_) | Rule::Approval(_) => continue,
        };
        findings.insert(place, finding);
    }
    Ok(Measured { rows: truth.rows(), metrics, findings, compared, groups })
}

fn against(
    rule: &BetterThan,
    rivals: &BTreeMap<String, Rival>,
    before: &BTreeMap<&str, Scores>,
    truth: &Truth,
    scores: &Scores,
) -> Result<Option<Compared>, Error> {
    let (Some(rival), Some(before)) = (rivals.get(&rule.alias), before.get(rule.alias.as_str())) else {
        return Ok(None);
    };
    let comparison = compare(rule, truth, before, scores)?;
    Ok(Some(Compared { alias: rule.alias.clone(), version: rival.version, comparison }))
}

fn gap(
    rule: &Fairness,
    holdout: &Table,
    truth: &Truth,
    scores: &Scores,
) -> Result<(Finding, Vec<fairness::Group>), Error> {
    let impossible = |why: String| Ok((Finding::Impossible(why), Vec::new()));
    let (Truth::Binary(labels), Scores::Binary(scores)) = (truth, scores) else {
        return impossible("fairness is measured for two classes only".to_owned());
    };
    if !holdout.has(&rule.by) {
        return impossible(format!("the holdout has no column {:?}", rule.by));
    }
    let measure = match rule.fairness {
        FairnessMeasure::DemographicParity => fairness::Measure::DemographicParity,
        FairnessMeasure::EqualOpportunity => fairness::Measure::EqualOpportunity,
        FairnessMeasure::EqualizedOdds => fairness::Measure::EqualizedOdds,
    };
    let chosen: Vec<bool> = scores.iter().map(|score| *score >= 0.5).collect();
    let by = holdout.texts(&rule.by).context("reading the groups")?;
    let found = fairness::gap(measure, labels, &chosen, &by, rule.min_rows).context("comparing groups")?;
    let finding = Finding::Gap {
        difference: found.difference,
        ratio: found.ratio,
        groups: found.groups.iter().filter(|group| group.judged).count(),
    };
    Ok((finding, found.groups))
}

/// How long one row takes, at `share` of the timed rows.
fn latency(model: &Model, holdout: &Table, share: f64) -> Result<Finding, Error> {
    let rows = holdout.rows();
    if rows == 0 {
        return Ok(Finding::Impossible("the holdout has no rows".to_owned()));
    }
    let mut times = Vec::with_capacity(TIMED);
    for turn in 0..WARM_UP + TIMED {
        let input =
            frame::for_model(&holdout.slice(turn % rows, 1).context("taking a row")?, model.signature())?;
        let started = Instant::now();
        model.predict(&input).context("timing a prediction")?;
        if turn >= WARM_UP {
            times.push(started.elapsed().as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    let place = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len()) - 1;
    Ok(Finding::Latency(times[place]))
}
