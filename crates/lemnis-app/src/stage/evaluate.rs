//! Stage `evaluate`: the model against rows it never saw.

use std::collections::BTreeMap;
use std::path::Path;

use lemnis_core::Digest;
use lemnis_model::Model;
use serde::Serialize;

use super::{TrainParams, Truth, scalar_metrics, score};
use crate::frame::read_table;
use crate::{Context, Error};

/// The metrics of one model on one table.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluated {
    /// SHA-256 of the model file.
    pub model_digest: Digest,
    /// How many rows were scored.
    pub rows: usize,
    /// Metric values by name.
    pub metrics: BTreeMap<String, f64>,
}

/// Scores the model in `model_dir` on `data`, and writes the metrics to `metrics_file` as JSON.
pub fn evaluate(
    model_dir: &Path,
    data: &Path,
    metrics_file: &Path,
    params: &TrainParams,
) -> Result<Evaluated, Error> {
    let model = Model::load(model_dir).context(format!("loading the model in {}", model_dir.display()))?;
    let table = read_table(data)?;
    let truth = Truth::of(&table, &params.target, params.task, params.positive.as_deref())?;
    let metrics = scalar_metrics(&truth, &score(&model, &table, params.task)?)?;
    let evaluated = Evaluated { model_digest: model.digest().clone(), rows: table.rows(), metrics };
    if let Some(parent) = metrics_file.parent() {
        std::fs::create_dir_all(parent).map_err(Error::file(parent, "created"))?;
    }
    let mut text = serde_json::to_string_pretty(&evaluated.metrics)
        .map_err(|error| Error::invalid(format!("metrics cannot be written: {error}")))?;
    text.push('\n');
    lemnis_core::write_whole(metrics_file, |out| out.write_all(text.as_bytes()))
        .map_err(Error::file(metrics_file, "written"))?;
    Ok(evaluated)
}
