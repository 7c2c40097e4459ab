//! The `MLmodel` folder format of MLflow: what is read from any model, and what is written for ours.

mod environment;
mod read;
mod signature;
mod write;

pub(crate) use read::{Description, describe, read_limited};
pub use signature::{DataType, Field, Signature};
use signature::{parse_schema, schema_json};
pub(crate) use write::{Saved, save};

use serde::{Deserialize, Serialize};

/// What a model predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// The probability of one of two classes: outputs `label` and `probability`.
    Binary,
    /// One of several classes: outputs `label` and `probability_<class>` for each.
    Multiclass,
    /// A number: output `prediction`.
    Regression,
    /// Something else, or the model does not say.
    Other,
}

/// The file that describes a model folder.
pub(crate) const MLMODEL: &str = "MLmodel";
/// The model itself.
pub(crate) const MODEL_FILE: &str = "model.onnx";
