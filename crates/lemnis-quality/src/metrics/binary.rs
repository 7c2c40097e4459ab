//! Two classes: what was true, how likely it was said to be, and what was decided.

use serde::Serialize;

use super::{ratio, same_length};
use crate::{Error, Result};

/// Metrics of a binary classification. What is undefined (an AUC with one class) is NaN.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names are scikit-learn's")]
pub struct Binary {
    pub roc_auc: f64,
    pub average_precision: f64,
    pub log_loss: f64,
    pub brier: f64,
    pub accuracy: f64,
    pub balanced_accuracy: f64,
    pub precision: f64,
    pub recall: f64,
    pub specificity: f64,
    pub f1: f64,
    pub f2: f64,
    pub mcc: f64,
    pub cohen_kappa: f64,
    pub jaccard: f64,
    pub tp: f64,
    pub fp: f64,
    #[serde(rename = "fn")]
    pub fn_: f64,
    pub tn: f64,
}

/// What the metrics are made of. `scores` are probabilities of the positive class.
#[derive(Clone, Copy, Debug)]
pub struct BinaryInput<'a> {
    /// Whether each row is positive.
    pub labels: &'a [bool],
    /// How likely each row was said to be positive.
    pub scores: &'a [f64],
    /// What was decided; scores of at least the threshold where it is not given.
    pub predicted: Option<&'a [bool]>,
    /// How much each row counts; 1 where it is not given.
    pub weights: Option<&'a [f64]>,
    /// The threshold for decisions.
    pub threshold: f64,
}

/// The metrics of `scores` against `labels`; rows at or above `threshold` are decided positive.
pub fn binary(labels: &[bool], scores: &[f64], threshold: f64) -> Result<Binary> {
    binary_of(&BinaryInput { labels, scores, predicted: None, weights: None, threshold })
}

/// As [`binary`], with decisions and weights of the caller's own.
pub fn binary_of(input: &BinaryInput<'_>) -> Result<Binary> {
    let BinaryInput { labels, scores, predicted, weights, threshold } = *input;
    if labels.is_empty() {
        return Err(Error::Empty { what: "the list of labels" });
    }
    same_length("the list of scores", scores.len(), labels.len())?;
    same_length("the list of decisions", predicted.map_or(labels.len(), <[bool]>::len), labels.len())?;
    same_length("the list of weights", weights.map_or(labels.len(), <[f64]>::len), labels.len())?;
    let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
    let decided = |row: usize| predicted.map_or(scores[row] >= threshold, |predicted| predicted[row]);
    let (mut tp, mut fp, mut fn_, mut tn) = (0.0, 0.0, 0.0, 0.0);
    let (mut loss, mut squares, mut total) = (0.0, 0.0, 0.0);
    for (row, label) in labels.iter().enumerate() {
        let w = weight(row);
        match (label, decided(row)) {
            (true, true) => tp += w,
            (false, true) => fp += w,
            (true, false) => fn_ += w,
            (false, false) => tn += w,
        }
        let p = scores[row].clamp(f64::EPSILON, 1.0 - f64::EPSILON);
        loss -= w * if *label { p.ln() } else { (1.0 - p).ln() };
        squares += w * (scores[row] - f64::from(u8::from(*label))).powi(2);
        total += w;
    }
    let (recall, specificity) = (ratio(tp, tp + fn_), ratio(tn, tn + fp));
    let observed = (tp + tn) / total;
    let chance = ((tp + fp) * (tp + fn_) + (tn + fn_) * (tn + fp)) / (total * total);
    let spread = ((tp + fp) * (tp + fn_) * (tn + fp) * (tn + fn_)).sqrt();
    Ok(Binary {
        roc_auc: roc_auc(labels, scores, weights),
        average_precision: average_precision(labels, scores, weights),
        log_loss: loss / total,
        brier: squares / total,
        accuracy: observed,
        balanced_accuracy: (recall + specificity) / 2.0,
        precision: ratio(tp, tp + fp),
        recall,
        specificity,
        f1: ratio(2.0 * tp, 2.0 * tp + fp + fn_),
        f2: ratio(5.0 * tp, 5.0 * tp + fp + 4.0 * fn_),
        mcc: ratio(tp * tn - fp * fn_, spread),
        cohen_kappa: ratio(observed - chance, 1.0 - chance),
        jaccard: ratio(tp, tp + fp + fn_),
        tp,
        fp,
        fn_,
        tn,
    })
}

/// The area under the ROC curve by the trapezoid rule over distinct scores; NaN with one class.
pub fn roc_auc(labels: &[bool], scores: &[f64], weights: Option<&[f64]>) -> f64 {
    let (mut area, mut tp, mut fp) = (0.0, 0.0, 0.0);
    for (positive, negative) in groups(labels, scores, weights) {
        area += negative * (tp + positive / 2.0);
        tp += positive;
        fp += negative;
    }
    if tp == 0.0 || fp == 0.0 { f64::NAN } else { area / (tp * fp) }
}

/// Σ (Rₙ − Rₙ₋₁) Pₙ over distinct scores, from the highest; 0 without a positive.
pub fn average_precision(labels: &[bool], scores: &[f64], weights: Option<&[f64]>) -> f64 {
    let (mut sum, mut tp, mut fp) = (0.0, 0.0, 0.0);
    for (positive, negative) in groups(labels, scores, weights) {
        tp += positive;
        fp += negative;
        sum += positive * ratio(tp, tp + fp);
    }
    ratio(sum, tp)
}

/// Weight of positives and negatives at each distinct score, from the highest.
fn groups(labels: &[bool], scores: &[f64], weights: Option<&[f64]>) -> Vec<(f64, f64)> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let mut groups: Vec<(f64, f64)> = Vec::new();
    let mut last = f64::NAN;
    for row in order {
        if scores[row] != last {
            groups.push((0.0, 0.0));
            last = scores[row];
        }
        if let Some(group) = groups.last_mut() {
            let weight = weights.map_or(1.0, |weights| weights[row]);
            if labels[row] { group.0 += weight } else { group.1 += weight }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_order_has_an_area_of_one() {
        let found = binary(&[false, false, true, true], &[0.1, 0.2, 0.8, 0.9], 0.5).unwrap();
        assert_eq!((found.roc_auc, found.average_precision, found.accuracy), (1.0, 1.0, 1.0));
    }

    #[test]
    fn ties_count_half() {
        assert_eq!(roc_auc(&[true, false], &[0.5, 0.5], None), 0.5);
    }

    #[test]
    fn one_class_has_no_area() {
        assert!(binary(&[false, false], &[0.1, 0.2], 0.5).unwrap().roc_auc.is_nan());
    }
}
