//! The boosting loop: sample, grow, add, stop.

use rayon::prelude::*;

use super::bins::Binned;
use super::grow::{Tree, grow};
use super::loss::{Gradient, Loss};
use super::params::Params;
use super::random::Random;
use super::target::{Goal, Values};

const CHUNK: usize = 1024;
/// Scores that lower the loss by less than this share of it do not count as better.
const TOLERANCE: f64 = 1e-7;

/// The result of boosting.
#[derive(Debug)]
pub(crate) struct Boosted {
    /// Starting score of each output.
    pub(crate) base: Vec<f64>,
    /// Trees round by round, one an output in each round.
    pub(crate) trees: Vec<Vec<Tree>>,
    /// Round, counted from one, and loss after it.
    pub(crate) history: Vec<(usize, f64)>,
}

/// Boosts on `binned`; `held_out` decides when to stop.
pub(crate) fn boost(
    binned: &Binned,
    goal: &Goal,
    params: &Params,
    held_out: Option<&(Binned, Values)>,
) -> Boosted {
    let loss = Loss::of(goal.task);
    let outputs = goal.outputs();
    // 32 bits, as the exported model holds it
    let base: Vec<f64> = loss.start(goal).into_iter().map(|score| f64::from(score as f32)).collect();
    let usable: Vec<usize> =
        (0..binned.codes.len()).filter(|column| varies(&binned.codes[*column])).collect();
    let chosen = ((usable.len() as f64 * params.subsample_columns).ceil() as usize).max(1);

    let mut scores: Vec<Vec<f64>> = base.iter().map(|score| vec![*score; binned.rows]).collect();
    let mut held_scores: Vec<Vec<f64>> = match held_out {
        Some((binned, _)) => base.iter().map(|score| vec![*score; binned.rows]).collect(),
        None => Vec::new(),
    };
    let mut gradients: Vec<Gradient> = vec![[0.0; 2]; binned.rows];
    let mut boosted = Boosted { base, trees: Vec::new(), history: Vec::new() };
    let mut best = (f64::INFINITY, 0);
    for round in 0..params.trees {
        let mut trees = Vec::with_capacity(outputs);
        let mut random = Random::new(params.seed, round as u64);
        let sample: Vec<u32> = if params.subsample_rows < 1.0 {
            (0..binned.rows as u32).filter(|_| random.unit() < params.subsample_rows).collect()
        } else {
            (0..binned.rows as u32).collect()
        };
        for output in 0..outputs {
            let columns: Vec<usize> =
                random.choose(chosen, usable.len()).into_iter().map(|at| usable[at]).collect();
            loss.gradients(&goal.values, &scores, output, &mut gradients);
            let mut rows = sample.clone();
            trees.push(grow(binned, &columns, &mut rows, &gradients, params));
        }
        let grew = trees.iter().any(|tree| tree.nodes.len() > 1);
        for (tree, scores) in trees.iter().zip(&mut scores) {
            add(tree, binned, scores);
        }
        boosted.trees.push(trees);
        let round = round + 1;
        let value = match held_out {
            Some((binned, values)) => {
                for (tree, scores) in boosted.trees[round - 1].iter().zip(&mut held_scores) {
                    add(tree, binned, scores);
                }
                loss.mean(values, &held_scores)
            }
            None => loss.mean(&goal.values, &scores),
        };
        boosted.history.push((round, value));
        if value < best.0 - TOLERANCE * best.0.abs().min(1.0) {
            best = (value, round);
        }
        let patience = params.early_stopping_rounds;
        let stuck = held_out.is_some() && patience > 0 && round - best.1 >= patience;
        // without a sample every further tree would be the same stump
        let finished = !grew && params.subsample_rows >= 1.0 && params.subsample_columns >= 1.0;
        if stuck || finished {
            break;
        }
    }
    if held_out.is_some() && params.early_stopping_rounds > 0 {
        boosted.trees.truncate(best.1.max(1));
    }
    boosted
}

fn varies(codes: &[u8]) -> bool {
    codes.first().is_some_and(|first| codes.iter().any(|code| code != first))
}

fn add(tree: &Tree, binned: &Binned, scores: &mut [f64]) {
    scores.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, scores)| {
        for (at, score) in scores.iter_mut().enumerate() {
            *score += tree.value(binned, chunk * CHUNK + at);
        }
    });
}
