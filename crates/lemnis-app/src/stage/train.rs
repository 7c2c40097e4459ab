//! Stage `train`: the built-in baseline, gradient-boosted trees, saved as a self-contained ONNX model.

use std::path::Path;

use lemnis_core::Digest;
use lemnis_model::train::{Params, Target, train as fit};
use lemnis_model::{Frame, Model};
use lemnis_table::Table;
use serde::Serialize;

use super::TrainParams;
use crate::frame::{for_training, read_table};
use crate::settings::Task;
use crate::{Context, Error};

/// What training left behind.
#[derive(Clone, Debug, Serialize)]
pub struct TrainedModel {
    /// SHA-256 of `model.onnx`.
    pub model_digest: Digest,
    /// Rows trained on.
    pub rows: usize,
    /// The loss on the validation rows after each tree.
    pub history: Vec<(usize, f64)>,
    /// Gain by column, largest first, adding up to one.
    pub importance: Vec<(String, f64)>,
    /// The parameters in use, defaults included.
    pub params: serde_json::Value,
}

/// Trains on `data` and saves the model into `out`, replacing what is there.
pub fn train(data: &Path, out: &Path, params: &TrainParams) -> Result<TrainedModel, Error> {
    let table = read_table(data)?;
    if !table.has(&params.target) {
        return Err(Error::invalid(format!(
            "{} has no column {:?} to predict",
            data.display(),
            params.target
        )));
    }
    let trainer: Params = serde_json::from_value(serde_json::Value::Object(params.trainer.clone()))
        .map_err(|error| Error::invalid(format!("params.yaml: section \"train\": {error}")))?;

    let every =
        if params.validation_share > 0.0 { (1.0 / params.validation_share).round() as usize } else { 0 };
    let held = |row: usize| every > 1 && row % every == every - 1;
    let (validation, fitting): (Vec<usize>, Vec<usize>) = (0..table.rows()).partition(|row| held(*row));
    let fitting = part(&table, &fitting, params)?;
    let validation = if validation.is_empty() { None } else { Some(part(&table, &validation, params)?) };
    let trained =
        fit(&fitting.0, &fitting.1, &trainer, validation.as_ref().map(|(frame, target)| (frame, target)))
            .context("training")?;

    if out.exists() {
        std::fs::remove_dir_all(out).map_err(Error::file(out, "replaced"))?;
    }
    std::fs::create_dir_all(out).map_err(Error::file(out, "created"))?;
    trained.save(out).context(format!("saving the model into {}", out.display()))?;
    let model = Model::load(out).context("loading the model back")?;
    let params = serde_json::to_value(&trainer)
        .map_err(|error| Error::invalid(format!("the parameters cannot be written: {error}")))?;
    Ok(TrainedModel {
        model_digest: model.digest().clone(),
        rows: table.rows(),
        history: trained.history().to_vec(),
        importance: trained.importance(),
        params,
    })
}

fn part(table: &Table, rows: &[usize], params: &TrainParams) -> Result<(Frame, Target), Error> {
    let table = table.take(rows).context("splitting")?;
    Ok((for_training(&table, &params.target)?, target(&table, params)?))
}

fn target(table: &Table, params: &TrainParams) -> Result<Target, Error> {
    if params.task == Task::Regression {
        return Ok(Target::Regression(table.floats(&params.target).context("reading the target")?));
    }
    let labels: Vec<String> = table
        .texts(&params.target)
        .context("reading the target")?
        .into_iter()
        .map(Option::unwrap_or_default)
        .collect();
    let mut classes = labels.clone();
    classes.sort();
    classes.dedup();
    if params.task == Task::Binary {
        let positive = params.positive.clone().ok_or_else(|| {
            Error::invalid_with("the positive class is not named", "set train.positive in params.yaml")
        })?;
        let negative = classes.iter().find(|class| **class != positive).cloned();
        let (Some(negative), true, 2) = (negative, classes.contains(&positive), classes.len()) else {
            return Err(Error::invalid_with(
                format!(
                    "{:?} holds the classes {}, not two with {positive:?}",
                    params.target,
                    classes.join(", ")
                ),
                "name one of two classes as train.positive in params.yaml, or set train.task to multiclass",
            ));
        };
        let labels = labels.iter().map(|label| *label == positive).collect();
        return Ok(Target::Binary { labels, negative, positive });
    }
    let labels = labels
        .iter()
        .map(|label| classes.binary_search(label).map(|index| index as u32).unwrap_or_default())
        .collect();
    Ok(Target::Multiclass { labels, classes })
}
