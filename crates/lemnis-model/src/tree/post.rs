//! What ONNX-ML calls post transforms, and the labels of classes.

use crate::error::{Error, Result};

/// The names of classes.
#[derive(Clone, Debug)]
pub(crate) enum Labels {
    Ints(Vec<i64>),
    Texts(Vec<String>),
}

impl Labels {
    pub(crate) fn len(&self) -> usize {
        match self {
            Labels::Ints(labels) => labels.len(),
            Labels::Texts(labels) => labels.len(),
        }
    }
}

/// `post_transform` of trees and linear models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PostTransform {
    None,
    Logistic,
    Softmax,
    SoftmaxZero,
    Probit,
}

impl PostTransform {
    pub(crate) fn parse(name: &str) -> Result<Self> {
        Ok(match name {
            "NONE" => PostTransform::None,
            "LOGISTIC" => PostTransform::Logistic,
            "SOFTMAX" => PostTransform::Softmax,
            "SOFTMAX_ZERO" => PostTransform::SoftmaxZero,
            "PROBIT" => PostTransform::Probit,
            other => return Err(Error::Unsupported(format!("post transform {other}"))),
        })
    }

    /// Transforms the scores of one row.
    pub(crate) fn apply(self, row: &mut [f64]) {
        match self {
            PostTransform::None => {}
            PostTransform::Logistic => row.iter_mut().for_each(|score| *score = logistic(*score)),
            PostTransform::Softmax => softmax(row, false),
            PostTransform::SoftmaxZero => softmax(row, true),
            PostTransform::Probit => row.iter_mut().for_each(|score| *score = probit(*score)),
        }
    }
}

/// The logistic function, without overflow at either end.
pub(crate) fn logistic(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

fn softmax(row: &mut [f64], keep_zero: bool) {
    let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for score in row.iter_mut() {
        if keep_zero && score.abs() <= 1e-7 {
            *score *= (-top).exp();
        } else {
            *score = (*score - top).exp();
            sum += *score;
        }
    }
    row.iter_mut().for_each(|score| *score /= sum);
}

/// Winitzki's approximation of the inverse error function, the one onnxruntime uses.
fn probit(p: f64) -> f64 {
    const A: f64 = 0.147;
    let x = 2.0 * p - 1.0;
    let log = ((1.0 - x) * (1.0 + x)).ln();
    let v = 2.0 / (std::f64::consts::PI * A) + 0.5 * log;
    let root = ((v * v - log / A).sqrt() - v).sqrt();
    std::f64::consts::SQRT_2 * if x < 0.0 { -root } else { root }
}

/// The position of the largest value, the first among equals.
pub(crate) fn largest(row: &[f64]) -> usize {
    let mut best = 0;
    for (index, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = index;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logistic_function_does_not_overflow() {
        assert_eq!(logistic(1e4), 1.0);
        assert_eq!(logistic(-1e4), 0.0);
        assert_eq!(logistic(0.0), 0.5);
    }

    #[test]
    fn the_first_of_equals_is_the_largest() {
        assert_eq!(largest(&[0.25, 0.5, 0.5]), 1);
    }
}
