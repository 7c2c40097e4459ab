//! The next points: quasi-random ones to begin with, then the tree-structured Parzen estimator's.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use tpe::{TpeOptimizer, TpeOptimizerBuilder};

use super::trial::{Objective, Outcome, Trial, Trials};
use super::{Domain, Space};
use crate::{Error, Result};

/// Candidates among which the estimator chooses, as in the paper's experiments.
const CANDIDATES: usize = 24;
/// The best tenth of the trials, at most this many, is what the estimator takes as good.
const MOST_GOOD: usize = 25;
/// How often a point that was tried already is drawn again.
const REDRAWS: usize = 10;

/// How a point was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub enum Method {
    /// A point of a Halton sequence: there are too few trials to learn from.
    #[serde(rename = "quasi-random")]
    QuasiRandom,
    /// The tree-structured Parzen estimator.
    #[serde(rename = "tpe")]
    Tpe,
}

/// A point to try next.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Suggestion {
    /// A value for each param of the space, in its order.
    pub params: Map<String, Value>,
    /// How it was found.
    pub method: Method,
}

/// The next `count` points. Trials that have not ended, and each point of this answer for those after it, count as bad
/// as the worst that is known (the constant liar of Ginsbourger, Le Riche and Carraro, 2010), so that workers side by
/// side do not get one point twice; so do trials that failed. The first `startup` trials are quasi-random.
pub fn suggest(
    space: &Space,
    objective: &Objective,
    trials: &Trials,
    count: usize,
    startup: usize,
    seed: u64,
) -> Result<Vec<Suggestion>> {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let shifts: Vec<f64> = space.iter().map(|_| random.random()).collect();
    // What follows depends on how many trials there are, else each request would draw the same.
    let mut random = Pcg64Mcg::seed_from_u64(seed ^ (trials.trials.len() as u64 + 1).wrapping_mul(GOLDEN));
    let costs: Vec<f64> = trials.trials.iter().filter_map(|trial| cost(trial, objective)).collect();
    let worst = costs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let learned = trials.count(|outcome| *outcome != Outcome::Pending);
    let mut told: Vec<(Vec<f64>, f64)> = trials
        .trials
        .iter()
        .map(|trial| (trial.places.clone(), cost(trial, objective).unwrap_or(worst)))
        .collect();
    let mut suggestions = Vec::with_capacity(count);
    for _ in 0..count {
        let method = if learned < startup || costs.len() < 2 { Method::QuasiRandom } else { Method::Tpe };
        let mut params = Map::new();
        for draw in 0..=REDRAWS {
            params = match method {
                Method::QuasiRandom => quasi_random(space, &shifts, told.len() + draw),
                Method::Tpe => parzen(space, &told, &mut random)?,
            };
            if told.iter().all(|(places, _)| !is_at(space, &params, places)) {
                break;
            }
        }
        let places = space
            .iter()
            .map(|(name, domain)| params.get(name).and_then(|value| domain.place(&super::text_of(value))))
            .collect::<Option<Vec<f64>>>();
        if let Some(places) = places {
            told.push((places, worst));
        }
        suggestions.push(Suggestion { params, method });
    }
    Ok(suggestions)
}

/// 2⁶⁴ divided by the golden ratio: neighbouring counts give seeds far apart.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

fn cost(trial: &Trial, objective: &Objective) -> Option<f64> {
    match trial.outcome {
        Outcome::Value(value) => Some(objective.cost(value)),
        Outcome::Pending | Outcome::Failed => None,
    }
}

/// Whether the point of `params` is the one at `places`.
fn is_at(space: &Space, params: &Map<String, Value>, places: &[f64]) -> bool {
    space.iter().zip(places).all(|((name, domain), place)| params.get(name) == Some(&domain.value(*place)))
}

/// Point `index` of the Halton sequence (Halton 1960), one prime a param, shifted by a random part of the whole
/// (Cranley and Patterson 1976).
fn quasi_random(space: &Space, shifts: &[f64], index: usize) -> Map<String, Value> {
    let mut base = 1;
    space
        .iter()
        .zip(shifts)
        .map(|((name, domain), shift)| {
            base = next_prime(base);
            let (low, high) = domain.bounds();
            let share = (radical_inverse(index + 1, base) + shift).fract();
            (name.to_owned(), domain.value((low + (high - low) * share).min(high.next_down())))
        })
        .collect()
}

/// The digits of `index` in `base`, mirrored at the point.
fn radical_inverse(mut index: usize, base: usize) -> f64 {
    let (mut value, mut unit) = (0.0, 1.0 / base as f64);
    while index > 0 {
        value += (index % base) as f64 * unit;
        index /= base;
        unit /= base as f64;
    }
    value
}

fn next_prime(after: usize) -> usize {
    let is_prime = |n: usize| (2..n).take_while(|by| by * by <= n).all(|by| !n.is_multiple_of(by));
    (after + 1..).find(|n| is_prime(*n)).unwrap_or(after + 1)
}

fn parzen(space: &Space, told: &[(Vec<f64>, f64)], random: &mut Pcg64Mcg) -> Result<Map<String, Value>> {
    let good = told.len().div_ceil(10).min(MOST_GOOD);
    let mut builder = TpeOptimizerBuilder::new();
    // Half a trial off, so that rounding cannot take one more.
    builder.candidates(CANDIDATES).gamma((good as f64 - 0.5) / told.len() as f64);
    let failed = |problem: String| Error::invalid(format!("the search space cannot be searched: {problem}"));
    let mut params = Map::new();
    for (place, (name, domain)) in space.iter().enumerate() {
        let (low, high) = domain.bounds();
        let range = tpe::range(low, high).map_err(|error| failed(error.to_string()))?;
        let estimator = match domain {
            Domain::Choice(_) => tpe::histogram_estimator(),
            _ => tpe::parzen_estimator(),
        };
        let mut optimizer: TpeOptimizer =
            builder.build(estimator, range).map_err(|error| failed(error.to_string()))?;
        for (places, cost) in told {
            optimizer.tell(places[place], *cost).map_err(|error| failed(error.to_string()))?;
        }
        let next = optimizer.ask(random).map_err(|error| failed(error.to_string()))?;
        params.insert(name.to_owned(), domain.value(next));
    }
    Ok(params)
}

#[cfg(test)]
mod tests;
