//! Runs as trials: where each stands in the search space, and how it came out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Space;
use crate::{Run, RunId, RunStatus};

/// Whether more or less of a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// More is better.
    Maximize,
    /// Less is better.
    Minimize,
}

/// What a search is after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objective {
    /// The metric; its latest value counts.
    pub metric: String,
    /// Which way is better.
    pub direction: Direction,
}

impl Objective {
    /// `value` where less is better.
    pub(super) fn cost(&self, value: f64) -> f64 {
        match self.direction {
            Direction::Maximize => -value,
            Direction::Minimize => value,
        }
    }
}

/// How a trial came out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// It ended with this value of the metric.
    Value(f64),
    /// It has not ended.
    Pending,
    /// It failed, or ended without a finite value of the metric.
    Failed,
}

/// One run as a trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The run.
    pub run_id: RunId,
    /// Its place between the bounds of each param, in the space's order.
    pub(super) places: Vec<f64>,
    /// How it came out.
    pub outcome: Outcome,
}

/// The trials among an experiment's runs.
#[derive(Clone, Debug, Default)]
pub struct Trials {
    /// Runs whose every param lies in the space.
    pub trials: Vec<Trial>,
    /// How many runs lie elsewhere: a param is missing or has a value outside the space.
    pub elsewhere: usize,
}

impl Trials {
    /// How many trials came out so.
    pub fn count(&self, which: impl Fn(&Outcome) -> bool) -> usize {
        self.trials.iter().filter(|trial| which(&trial.outcome)).count()
    }

    /// The best trial and its value.
    pub fn best(&self, objective: &Objective) -> Option<(&RunId, f64)> {
        let valued = self.trials.iter().filter_map(|trial| match trial.outcome {
            Outcome::Value(value) => Some((&trial.run_id, value)),
            _ => None,
        });
        valued.min_by(|a, b| objective.cost(a.1).total_cmp(&objective.cost(b.1)))
    }
}

/// The trials among `runs`. A run that was stopped by hand counts by its value where it has one, and else not at all:
/// why it was stopped is not known.
pub fn trials<'a>(space: &Space, objective: &Objective, runs: impl IntoIterator<Item = &'a Run>) -> Trials {
    let mut found = Trials::default();
    for run in runs {
        let places: Option<Vec<f64>> =
            space.iter().map(|(name, domain)| run.param(name).and_then(|text| domain.place(text))).collect();
        let Some(places) = places.filter(|places| !places.is_empty()) else {
            found.elsewhere += 1;
            continue;
        };
        let value = run.metric(&objective.metric).filter(|value| value.is_finite() && value.abs() < f64::MAX);
        let outcome = match (run.info.status, value) {
            (RunStatus::Running | RunStatus::Scheduled, _) => Outcome::Pending,
            (RunStatus::Finished | RunStatus::Killed, Some(value)) => Outcome::Value(value),
            (RunStatus::Killed, None) => continue,
            (RunStatus::Finished | RunStatus::Failed, _) => Outcome::Failed,
        };
        found.trials.push(Trial { run_id: run.info.run_id.clone(), places, outcome });
    }
    found
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{ExperimentId, Lifecycle, Metric, Param, RunInfo};

    pub(in crate::suggest) fn run(
        place: usize,
        status: RunStatus,
        params: &[(&str, String)],
        value: Option<f64>,
    ) -> Run {
        Run {
            info: RunInfo {
                run_id: RunId::from(format!("{place:032x}").as_str()),
                run_name: format!("run-{place}"),
                experiment_id: ExperimentId::DEFAULT,
                user_id: String::new(),
                status,
                start_time: Some(place as i64),
                end_time: None,
                artifact_uri: String::new(),
                lifecycle_stage: Lifecycle::Active,
            },
            metrics: value.map(|value| Metric::new("score", value, 0)).into_iter().collect(),
            params: params.iter().map(|(key, value)| Param::new(*key, value.clone())).collect(),
            tags: Vec::new(),
            dataset_inputs: Vec::new(),
            model_inputs: Vec::new(),
            model_outputs: Vec::new(),
        }
    }

    #[test]
    fn each_run_counts_by_its_status_and_value() {
        let space = Space::from_texts(["x=0..1"]).unwrap();
        let objective = Objective { metric: "score".to_owned(), direction: Direction::Maximize };
        let at = |x: &str| vec![("x", x.to_owned())];
        let runs = [
            run(0, RunStatus::Finished, &at("0.1"), Some(1.0)),
            run(1, RunStatus::Finished, &at("0.2"), Some(f64::NAN)),
            run(2, RunStatus::Failed, &at("0.3"), Some(3.0)),
            run(3, RunStatus::Running, &at("0.4"), Some(4.0)),
            run(4, RunStatus::Killed, &at("0.5"), Some(5.0)),
            run(5, RunStatus::Killed, &at("0.6"), None),
            run(6, RunStatus::Finished, &at("1.5"), Some(6.0)),
            run(7, RunStatus::Finished, &[], Some(7.0)),
        ];
        let found = trials(&space, &objective, &runs);
        let outcomes: Vec<Outcome> = found.trials.iter().map(|trial| trial.outcome).collect();
        assert_eq!(
            outcomes,
            [Outcome::Value(1.0), Outcome::Failed, Outcome::Failed, Outcome::Pending, Outcome::Value(5.0)]
        );
        assert_eq!(found.elsewhere, 2);
        assert_eq!(found.best(&objective).unwrap().1, 5.0);
    }
}
