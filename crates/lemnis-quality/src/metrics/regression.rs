//! Numbers: what was true and what was predicted.

use serde::Serialize;

use super::same_length;
use crate::drift::{quantile, sort};
use crate::{Error, Result};

/// Metrics of a regression. What is undefined is NaN.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names are scikit-learn's")]
pub struct Regression {
    pub rmse: f64,
    pub mae: f64,
    pub mse: f64,
    pub r2: f64,
    pub explained_variance: f64,
    pub mape: f64,
    pub smape: f64,
    pub median_ae: f64,
    pub max_error: f64,
    /// Mean of prediction less truth: positive predicts too much.
    pub mean_error: f64,
    #[serde(rename = "pinball_0.9")]
    pub pinball_90: f64,
    /// NaN where a value is at most -1.
    pub msle: f64,
    pub rmsle: f64,
    pub rows_used: usize,
    /// Rows left out because truth or prediction is not finite.
    pub rows_dropped: usize,
}

/// The metrics of `predicted` against `truth`; rows that are not finite on both sides are left out and counted.
pub fn regression(truth: &[f64], predicted: &[f64]) -> Result<Regression> {
    regression_weighted(truth, predicted, None)
}

/// As [`regression`], with a weight for each row.
pub fn regression_weighted(truth: &[f64], predicted: &[f64], weights: Option<&[f64]>) -> Result<Regression> {
    same_length("the list of predictions", predicted.len(), truth.len())?;
    same_length("the list of weights", weights.map_or(truth.len(), <[f64]>::len), truth.len())?;
    let rows: Vec<(f64, f64, f64)> = (0..truth.len())
        .filter(|row| truth[*row].is_finite() && predicted[*row].is_finite())
        .map(|row| (truth[row], predicted[row], weights.map_or(1.0, |weights| weights[row])))
        .collect();
    if rows.is_empty() {
        return Err(Error::Empty { what: "the list of finite truths and predictions" });
    }
    let total: f64 = rows.iter().map(|row| row.2).sum();
    let mean =
        |value: &dyn Fn(f64, f64) -> f64| rows.iter().map(|(y, p, w)| w * value(*y, *p)).sum::<f64>() / total;
    let mse = mean(&|y, p| (y - p).powi(2));
    let center = mean(&|y, _| y);
    let spread = mean(&|y, _| (y - center).powi(2));
    let bias = mean(&|y, p| y - p);
    let unexplained = mean(&|y, p| (y - p - bias).powi(2));
    let explained = |rest: f64| match (rows.len() > 1, spread > 0.0) {
        (false, _) => f64::NAN,
        (true, true) => 1.0 - rest / spread,
        (true, false) => f64::from(u8::from(rest == 0.0)),
    };
    let positive = rows.iter().all(|(y, p, _)| *y > -1.0 && *p > -1.0);
    let msle = if positive { mean(&|y, p| (y.ln_1p() - p.ln_1p()).powi(2)) } else { f64::NAN };
    let smape = mean(&|y, p| {
        let size = y.abs() + p.abs();
        if size == 0.0 { 0.0 } else { 2.0 * (y - p).abs() / size }
    });
    Ok(Regression {
        rmse: mse.sqrt(),
        mae: mean(&|y, p| (y - p).abs()),
        mse,
        r2: explained(mse),
        explained_variance: explained(unexplained),
        mape: mean(&|y, p| (y - p).abs() / y.abs().max(f64::EPSILON)),
        smape,
        median_ae: median(&rows, weights.is_some()),
        max_error: rows.iter().map(|(y, p, _)| (y - p).abs()).fold(0.0, f64::max),
        mean_error: -bias,
        pinball_90: mean(&|y, p| if y >= p { 0.9 * (y - p) } else { 0.1 * (p - y) }),
        msle,
        rmsle: msle.sqrt(),
        rows_used: rows.len(),
        rows_dropped: truth.len() - rows.len(),
    })
}

/// The middle absolute error; with weights, where half of the weight is reached.
fn median(rows: &[(f64, f64, f64)], weighted: bool) -> f64 {
    if !weighted {
        let mut errors: Vec<f64> = rows.iter().map(|(y, p, _)| (y - p).abs()).collect();
        sort(&mut errors);
        return quantile(&errors, 0.5);
    }
    let mut errors: Vec<(f64, f64)> = rows.iter().map(|(y, p, w)| ((y - p).abs(), *w)).collect();
    errors.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = errors.iter().map(|error| error.1).sum::<f64>() / 2.0;
    let mut reached = 0.0;
    for (place, (error, weight)) in errors.iter().enumerate() {
        reached += weight;
        if reached == half {
            return (error + errors.get(place + 1).map_or(*error, |next| next.0)) / 2.0;
        }
        if reached > half {
            return *error;
        }
    }
    f64::NAN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_not_finite_are_left_out_and_counted() {
        let found = regression(&[1.0, f64::NAN, 3.0], &[1.0, 2.0, 5.0]).unwrap();
        assert_eq!((found.rows_used, found.rows_dropped, found.mae), (2, 1, 1.0));
    }
}
