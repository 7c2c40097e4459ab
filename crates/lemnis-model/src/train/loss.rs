//! Losses: gradients, second derivatives and mean values.

use rayon::prelude::*;

use super::target::{Goal, Values};
use crate::mlmodel::Task;
use crate::tree::{PostTransform, logistic};

/// First and second derivative of the loss at one row.
pub(crate) type Gradient = [f32; 2];

const CHUNK: usize = 4096;

/// What is minimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Log loss of the logistic function of the score.
    Logistic,
    /// Log loss of the softmax of the scores.
    Softmax,
    /// Half the squared error.
    Squared,
}

impl Loss {
    pub(crate) fn of(task: Task) -> Self {
        match task {
            Task::Binary => Loss::Logistic,
            Task::Multiclass => Loss::Softmax,
            Task::Regression | Task::Other => Loss::Squared,
        }
    }

    /// The scores that minimise the loss when they are the same for all rows.
    pub(crate) fn start(self, goal: &Goal) -> Vec<f64> {
        match (self, &goal.values) {
            (Loss::Logistic, Values::Number(values)) => {
                let share = values.iter().sum::<f64>() / values.len().max(1) as f64;
                vec![(share / (1.0 - share)).ln()]
            }
            (Loss::Softmax, Values::Class(labels)) => {
                let mut counts = vec![0.0; goal.classes.len()];
                labels.iter().for_each(|label| counts[*label as usize] += 1.0);
                // a class without rows keeps a small probability
                let total = labels.len() as f64 + counts.len() as f64 * 0.5;
                counts.into_iter().map(|count: f64| ((count + 0.5) / total).ln()).collect()
            }
            _ => vec![0.0; goal.outputs()],
        }
    }

    /// Derivatives by the score of output `output` at every row; `scores` has one list an output.
    pub(crate) fn gradients(
        self,
        values: &Values,
        scores: &[Vec<f64>],
        output: usize,
        gradients: &mut [Gradient],
    ) {
        gradients.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, gradients)| {
            for (at, gradient) in gradients.iter_mut().enumerate() {
                let row = chunk * CHUNK + at;
                *gradient = match values {
                    Values::Number(values) if self == Loss::Logistic => {
                        let p = logistic(scores[0][row]);
                        [(p - values[row]) as f32, (p * (1.0 - p)) as f32]
                    }
                    Values::Number(values) => [(scores[0][row] - values[row]) as f32, 1.0],
                    Values::Class(labels) => {
                        let p = class_probability(scores, output, row);
                        let hit = f64::from(u8::from(labels[row] as usize == output));
                        [(p - hit) as f32, (p * (1.0 - p)) as f32]
                    }
                };
            }
        });
    }

    /// The mean loss; for regression the mean squared error in units of the scaled target.
    pub(crate) fn mean(self, values: &Values, scores: &[Vec<f64>]) -> f64 {
        match values {
            Values::Number(values) => {
                let loss = |value: f64, score: f64| match self {
                    // log(1 + exp(±score)), without overflow
                    Loss::Logistic => {
                        let margin = if value > 0.5 { -score } else { score };
                        margin.max(0.0) + (-margin.abs()).exp().ln_1p()
                    }
                    _ => (score - value) * (score - value),
                };
                let sum: f64 = values.iter().zip(&scores[0]).map(|(value, score)| loss(*value, *score)).sum();
                sum / values.len().max(1) as f64
            }
            Values::Class(labels) => {
                let mut row_scores = vec![0.0; scores.len()];
                let mut sum = 0.0;
                for (row, label) in labels.iter().enumerate() {
                    row_scores.iter_mut().zip(scores).for_each(|(score, scores)| *score = scores[row]);
                    PostTransform::Softmax.apply(&mut row_scores);
                    sum -= row_scores[*label as usize].max(1e-15).ln();
                }
                sum / labels.len().max(1) as f64
            }
        }
    }
}

fn class_probability(scores: &[Vec<f64>], output: usize, row: usize) -> f64 {
    let top = scores.iter().map(|scores| scores[row]).fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores.iter().map(|scores| (scores[row] - top).exp()).sum();
    (scores[output][row] - top).exp() / sum
}
