//! Which params a metric depended on: functional analysis of variance over a random forest.
//!
//! fANOVA (Hutter, Hoos and Leyton-Brown: An Efficient Approach for Assessing Hyperparameter Importance, ICML 2014)
//! fits regression trees that predict the metric from the params, and splits each tree's variance over the box that the
//! params span: the importance of a param is the variance of the tree's mean over all the others, as a share of the
//! whole; that of a pair is what both together explain beyond each alone.

use std::num::NonZeroUsize;

use fanova::{FanovaOptions, RandomForestOptions};
use schemars::JsonSchema;
use serde::Serialize;

use super::trial::Objective;
use super::{Domain, Space};
use crate::{Error, Result, Run, RunStatus};

/// Trees, each on a sample of the runs of its own.
const TREES: u64 = 48;
/// The fewest runs that say anything.
pub const MIN_RUNS: usize = 5;
/// Params whose pairs are looked at.
const PAIRED: usize = 4;
/// Most params that are looked at.
const MAX_LOOKED_AT: usize = 20;

/// The share of the metric's variance that one param explains alone.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Effect {
    /// The param.
    pub param: String,
    /// Between 0 and 1, the mean over the trees.
    pub importance: f64,
    /// The standard deviation over the trees.
    pub deviation: f64,
}

/// The share that two params explain together, beyond what each explains alone.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Interaction {
    /// The two params.
    pub params: [String; 2],
    /// Between 0 and 1, the mean over the trees.
    pub importance: f64,
}

/// What a metric depended on.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Importance {
    /// How many runs were looked at.
    pub runs: usize,
    /// Each param alone, the most important first.
    pub effects: Vec<Effect>,
    /// The most important params in pairs, the most important first.
    pub interactions: Vec<Interaction>,
}

/// How much of `objective.metric`'s variance each param that differs between `runs` explains. Runs that ended with a
/// finite value count. A range of a factor of 100 or more is looked at by its logarithm; a run without a param, or with
/// a text among numbers, stands apart, below all values.
pub fn importance(runs: &[Run], objective: &Objective, seed: u64) -> Result<Importance> {
    let ended: Vec<(&Run, f64)> = runs
        .iter()
        .filter(|run| matches!(run.info.status, RunStatus::Finished | RunStatus::Killed))
        .filter_map(|run| Some((run, run.metric(&objective.metric)?)))
        .filter(|(_, value)| value.is_finite() && value.abs() < f64::MAX)
        .collect();
    let metric = &objective.metric;
    if ended.len() < MIN_RUNS {
        return Err(Error::invalid(format!(
            "{} runs ended with a value of {metric:?}; parameter importance wants {MIN_RUNS}",
            ended.len()
        )));
    }
    let values: Vec<f64> = ended.iter().map(|(_, value)| *value).collect();
    if values.iter().all(|value| *value == values[0]) {
        return Err(Error::invalid(format!("{metric:?} is the same in every run: nothing explains it")));
    }
    let space = Space::inferred(ended.iter().map(|(run, _)| run.params.as_slice()));
    let columns: Vec<(&str, Vec<f64>)> = space
        .iter()
        .take(MAX_LOOKED_AT)
        .map(|(name, domain)| (name, column(domain, ended.iter().map(|(run, _)| run.param(name)))))
        .collect();
    if columns.is_empty() {
        return Err(Error::invalid("no param differs between the runs: nothing can be compared"));
    }
    let mut shares = Shares::grow(&columns, &values, seed)?;
    let mut effects: Vec<(usize, Effect)> = columns
        .iter()
        .enumerate()
        .map(|(place, (name, _))| {
            let (importance, deviation) = shares.of(&[place]);
            (place, Effect { param: (*name).to_owned(), importance, deviation })
        })
        .collect();
    effects.sort_by(|a, b| b.1.importance.total_cmp(&a.1.importance));
    let mut interactions = Vec::new();
    let paired = &effects[..effects.len().min(PAIRED)];
    for (rank, (one, first)) in paired.iter().enumerate() {
        for (other, second) in &paired[rank + 1..] {
            let (importance, _) = shares.of(&[*one.min(other), *one.max(other)]);
            interactions
                .push(Interaction { params: [first.param.clone(), second.param.clone()], importance });
        }
    }
    interactions.sort_by(|a, b| b.importance.total_cmp(&a.importance));
    let effects = effects.into_iter().map(|(_, effect)| effect).collect();
    Ok(Importance { runs: ended.len(), effects, interactions })
}

/// A param's values as numbers.
fn column<'a>(domain: &Domain, texts: impl Iterator<Item = Option<&'a str>>) -> Vec<f64> {
    let (low, high) = domain.bounds();
    let apart = low - (high - low) * 0.1;
    texts.map(|text| text.and_then(|text| domain.place(text)).unwrap_or(apart)).collect()
}

/// Forests of one tree each: a tree whose sample of the runs has one value only explains nothing and is left out,
/// where in a common forest it would make every share not a number.
struct Shares {
    trees: Vec<fanova::Fanova>,
}

impl Shares {
    fn grow(columns: &[(&str, Vec<f64>)], values: &[f64], seed: u64) -> Result<Self> {
        let mut trees = Vec::new();
        for tree in 0..TREES {
            let forest = RandomForestOptions::new().seed(seed.wrapping_add(tree)).trees(NonZeroUsize::MIN);
            let features = columns.iter().map(|(_, column)| column.as_slice()).collect();
            let fitted = FanovaOptions::new().random_forest(forest).fit(features, values);
            trees.push(
                fitted.map_err(|error| Error::invalid(format!("the runs cannot be compared: {error}")))?,
            );
        }
        Ok(Self { trees })
    }

    /// Mean and standard deviation over the trees, the former between 0 and 1.
    fn of(&mut self, features: &[usize]) -> (f64, f64) {
        let shares: Vec<f64> = self
            .trees
            .iter_mut()
            .map(|tree| tree.quantify_importance(features).mean)
            .filter(|share| share.is_finite())
            .collect();
        let count = shares.len().max(1) as f64;
        let mean = shares.iter().sum::<f64>() / count;
        let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / count;
        (mean.clamp(0.0, 1.0), variance.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::tests::run;
    use super::*;
    use crate::suggest::Direction;

    fn objective() -> Objective {
        Objective { metric: "score".to_owned(), direction: Direction::Minimize }
    }

    /// A grid of `lr` by `depth` by `opt`, and what each point scores.
    fn grid(score: impl Fn(f64, f64, &str) -> f64) -> Vec<Run> {
        let mut runs = Vec::new();
        for lr in [1e-4, 1e-3, 1e-2, 1e-1] {
            for depth in [2, 4, 6, 8] {
                for opt in ["adam", "sgd", "lion"] {
                    let params =
                        [("lr", lr.to_string()), ("depth", depth.to_string()), ("opt", opt.to_owned())];
                    let value = score(f64::log10(lr), f64::from(depth), opt);
                    runs.push(run(runs.len(), RunStatus::Finished, &params, Some(value)));
                }
            }
        }
        runs
    }

    #[test]
    fn the_param_that_decides_comes_first_with_its_share_of_the_variance() {
        // Over the grid, 3·log₁₀(lr) has 9 · 1.25 of variance, depth/2 has 1.25: shares of 0.9 and 0.1.
        let found = importance(&grid(|lr, depth, _| 3.0 * lr + depth / 2.0), &objective(), 7).unwrap();
        let names: Vec<&str> = found.effects.iter().map(|effect| effect.param.as_str()).collect();
        assert_eq!(names, ["lr", "depth", "opt"]);
        assert!((found.effects[0].importance - 0.9).abs() < 0.1, "{found:?}");
        assert!((found.effects[1].importance - 0.1).abs() < 0.05, "{found:?}");
        assert!(found.effects[2].importance < 0.01 && found.interactions[0].importance < 0.05, "{found:?}");
        assert_eq!(found.runs, 48);
    }

    #[test]
    fn what_only_two_params_together_decide_is_an_interaction() {
        let score = |lr: f64, depth: f64, _: &str| if (lr > -2.5) == (depth > 5.0) { 1.0 } else { 0.0 };
        let found = importance(&grid(score), &objective(), 7).unwrap();
        assert_eq!(found.interactions[0].params.iter().filter(|name| *name != "opt").count(), 2, "{found:?}");
        assert!(found.interactions[0].importance > 0.7, "{found:?}");
        assert!(found.effects.iter().all(|effect| effect.importance < 0.2), "{found:?}");
    }

    #[test]
    fn a_missing_param_stands_apart_and_rare_values_make_no_nan() {
        let mut runs: Vec<Run> = (0..8)
            .map(|place| run(place, RunStatus::Finished, &[("x", place.to_string())], Some(0.0)))
            .collect();
        runs.push(run(9, RunStatus::Finished, &[], Some(1.0)));
        let found = importance(&runs, &objective(), 1).unwrap();
        assert!(found.effects[0].importance > 0.9, "{found:?}");
    }

    #[test]
    fn runs_that_say_nothing_are_refused_with_the_reason() {
        let said = |runs: &[Run]| importance(runs, &objective(), 1).unwrap_err().to_string();
        assert!(said(&[]).starts_with("0 runs ended with a value of \"score\""));
        assert!(said(&grid(|_, _, _| 1.0)).contains("is the same in every run"));
        let same: Vec<Run> = (0..6)
            .map(|place| run(place, RunStatus::Finished, &[("x", "1".to_owned())], Some(place as f64)))
            .collect();
        assert!(said(&same).starts_with("no param differs"));
    }
}
