//! Metrics of predictions, as scikit-learn defines them.

mod binary;
mod multiclass;
mod regression;

pub use binary::{Binary, BinaryInput, average_precision, binary, binary_of, roc_auc};
pub use multiclass::{Multiclass, multiclass};
pub use regression::{Regression, regression, regression_weighted};

use crate::{Error, Result};

/// Fails unless `found` has as many values as `wanted`.
fn same_length(what: &'static str, found: usize, wanted: usize) -> Result<()> {
    if found == wanted { Ok(()) } else { Err(Error::Length { what, found, wanted }) }
}

/// 0 where there is nothing to divide by, as scikit-learn's `zero_division=0`.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}
