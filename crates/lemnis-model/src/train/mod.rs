//! The built-in baseline trainer: histogram gradient boosting on trees, exported as a self-contained ONNX model.
//!
//! It is our own because no crate meets the needs of a baseline that anybody can build with cargo alone: `forust-ml`
//! is unmaintained, brings outdated `rand` and `thiserror` and has no categoricals; `perpetual` needs a nightly
//! compiler; `lightgbm3` needs cmake and a C++ compiler.
//!
//! The method is that of LightGBM and scikit-learn's `HistGradientBoosting`: features in at most 255 quantile bins,
//! leaf-wise growth on histograms of gradients, missing values with a learned direction. Text is coded by rank of
//! the smoothed target mean. Bins are cut on values rounded to 32 bits, as the exported model sees them, so that a
//! row takes the same path in training and in serving.
//!
//! The invariant: the same frame, target and parameters give the same bytes, however many threads there are.

mod bins;
mod boost;
mod categories;
mod encode;
mod export;
mod grow;
mod histogram;
mod loss;
mod params;
mod random;
mod target;
mod trained;

pub use params::Params;
pub use target::Target;
pub use trained::Trained;

use crate::error::{Error, Result};
use crate::frame::Frame;

/// Trains on `frame` to predict `target`. With `validation`, trees that no longer lower its loss end the training and
/// are dropped.
///
/// Every column of `frame` becomes an input of the model; constant, empty and id-like ones are simply never used.
/// Fails when there is nothing to learn: no rows, no columns, one class, missing targets; and when a column has the
/// name of one of the model's outputs.
pub fn train(
    frame: &Frame,
    target: &Target,
    params: &Params,
    validation: Option<(&Frame, &Target)>,
) -> Result<Trained> {
    params.check()?;
    target.check(frame.rows())?;
    check_names(frame, target)?;
    let goal = target::Goal::of(target)?;
    let encoder = encode::Encoder::fit(frame, &goal);
    let binned = bins::Binned::fit(&encoder.encode(frame)?, params.bins);
    let held_out = match validation {
        Some((frame, target)) => goal.align(target, frame.rows())?.map(|(rows, values)| {
            let columns = encoder.encode(frame)?;
            Ok::<_, Error>((binned.apply(&columns, &rows), values))
        }),
        None => None,
    }
    .transpose()?;
    let boosted = boost::boost(&binned, &goal, params, held_out.as_ref());
    Trained::new(frame, &goal, &encoder, &binned, boosted)
}

fn check_names(frame: &Frame, target: &Target) -> Result<()> {
    if frame.columns().len() == 0 {
        return Err(Error::training(
            "there is no column to learn from",
            Some("keep at least one column besides the target"),
        ));
    }
    let outputs = target.output_names();
    for (name, _) in frame.columns() {
        if name.is_empty() {
            return Err(Error::training("a column has no name", Some("name every column in the header")));
        }
        if outputs.iter().any(|output| output == name) {
            return Err(Error::training(
                format!("column {name:?} has the name of one of the model's outputs"),
                Some("rename the column"),
            ));
        }
    }
    Ok(())
}
