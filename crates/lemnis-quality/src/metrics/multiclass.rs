//! Several classes: what was true and what was decided.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{ratio, same_length};
use crate::{Error, Result};

/// Metrics of a classification into several classes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names are scikit-learn's")]
pub struct Multiclass {
    pub accuracy: f64,
    pub balanced_accuracy: f64,
    pub mcc: f64,
    pub cohen_kappa: f64,
    pub precision_macro: f64,
    pub recall_macro: f64,
    pub f1_macro: f64,
    pub precision_weighted: f64,
    pub recall_weighted: f64,
    pub f1_weighted: f64,
    /// The classes that truth or decision hold, in byte order.
    pub labels: Vec<String>,
    /// Rows by true class, then by decided class.
    pub confusion: Vec<Vec<f64>>,
    pub precision_per_class: Vec<f64>,
    pub recall_per_class: Vec<f64>,
    pub f1_per_class: Vec<f64>,
    pub support: Vec<f64>,
}

/// The metrics of `predicted` against `truth`.
pub fn multiclass(truth: &[String], predicted: &[String]) -> Result<Multiclass> {
    if truth.is_empty() {
        return Err(Error::Empty { what: "the list of labels" });
    }
    same_length("the list of predictions", predicted.len(), truth.len())?;
    let labels: Vec<String> =
        truth.iter().chain(predicted).collect::<BTreeSet<_>>().into_iter().cloned().collect();
    let k = labels.len();
    let mut confusion = vec![vec![0.0; k]; k];
    let place = |label: &String| labels.binary_search(label).unwrap_or_default();
    for (y, p) in truth.iter().zip(predicted) {
        confusion[place(y)][place(p)] += 1.0;
    }
    let support: Vec<f64> = confusion.iter().map(|row| row.iter().sum()).collect();
    let decided: Vec<f64> = (0..k).map(|class| confusion.iter().map(|row| row[class]).sum()).collect();
    let hits: Vec<f64> = (0..k).map(|class| confusion[class][class]).collect();
    let n = truth.len() as f64;
    let precision: Vec<f64> = (0..k).map(|class| ratio(hits[class], decided[class])).collect();
    let recall: Vec<f64> = (0..k).map(|class| ratio(hits[class], support[class])).collect();
    let f1: Vec<f64> =
        (0..k).map(|class| ratio(2.0 * hits[class], support[class] + decided[class])).collect();
    let accuracy = hits.iter().sum::<f64>() / n;
    let joint: f64 = support.iter().zip(&decided).map(|(a, b)| a * b).sum();
    let chance = joint / (n * n);
    let squares = |values: &[f64]| n * n - values.iter().map(|value| value * value).sum::<f64>();
    let macro_mean = |values: &[f64]| values.iter().sum::<f64>() / k as f64;
    let weighted =
        |values: &[f64]| values.iter().zip(&support).map(|(value, rows)| value * rows).sum::<f64>() / n;
    let seen: Vec<f64> = (0..k).filter(|class| support[*class] > 0.0).map(|class| recall[class]).collect();
    Ok(Multiclass {
        accuracy,
        balanced_accuracy: seen.iter().sum::<f64>() / seen.len().max(1) as f64,
        mcc: ratio(n * n * accuracy - joint, (squares(&decided) * squares(&support)).sqrt()),
        cohen_kappa: ratio(accuracy - chance, 1.0 - chance),
        precision_macro: macro_mean(&precision),
        recall_macro: macro_mean(&recall),
        f1_macro: macro_mean(&f1),
        precision_weighted: weighted(&precision),
        recall_weighted: weighted(&recall),
        f1_weighted: weighted(&f1),
        labels,
        confusion,
        precision_per_class: precision,
        recall_per_class: recall,
        f1_per_class: f1,
        support,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_that_is_only_predicted_counts_in_the_macro_mean() {
        let text = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        let found = multiclass(&text(&["a", "b", "a", "c"]), &text(&["a", "z", "a", "b"])).unwrap();
        assert_eq!((found.accuracy, found.f1_macro), (0.5, 0.25));
    }
}
