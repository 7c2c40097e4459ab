//! A model's answers against the truth, as the metrics of its task.

use std::collections::BTreeMap;

use lemnis_model::{Column, Frame, Model};
use lemnis_quality::metrics;
use lemnis_table::Table;

use crate::settings::Task;
use crate::{Context, Error, frame};

/// What was true, row by row.
#[derive(Clone, Debug)]
pub enum Truth {
    /// Whether the row is of the positive class.
    Binary(Vec<bool>),
    /// The row's class, by name.
    Multiclass(Vec<String>),
    /// The row's value.
    Regression(Vec<f64>),
}

/// What a model answered, row by row.
#[derive(Clone, Debug)]
pub enum Scores {
    /// The probability of the positive class.
    Binary(Vec<f64>),
    /// The class, by name.
    Multiclass(Vec<String>),
    /// The value.
    Regression(Vec<f64>),
}

impl Truth {
    /// The truth in `target` of `table`.
    pub fn of(table: &Table, target: &str, task: Task, positive: Option<&str>) -> Result<Self, Error> {
        match task {
            Task::Regression => Ok(Truth::Regression(table.floats(target).context("reading the target")?)),
            Task::Multiclass => Ok(Truth::Multiclass(labels(table, target)?)),
            Task::Binary => {
                let positive = positive.ok_or_else(|| {
                    Error::invalid_with(
                        format!("the positive class of {target:?} is not named"),
                        "set `positive` beside `task: binary`",
                    )
                })?;
                Ok(Truth::Binary(labels(table, target)?.iter().map(|label| label == positive).collect()))
            }
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        match self {
            Truth::Binary(values) => values.len(),
            Truth::Multiclass(values) => values.len(),
            Truth::Regression(values) => values.len(),
        }
    }

    /// These rows of it, in this order.
    pub(crate) fn take(&self, rows: &[usize]) -> Self {
        match self {
            Truth::Binary(values) => Truth::Binary(pick(values, rows)),
            Truth::Multiclass(values) => Truth::Multiclass(pick(values, rows)),
            Truth::Regression(values) => Truth::Regression(pick(values, rows)),
        }
    }
}

impl Scores {
    /// The scores in a model's output columns (`probability`, `label` or `prediction`).
    pub fn of(outputs: &Frame, task: Task) -> Result<Self, Error> {
        let numbers = |name: &str| match outputs.column(name) {
            Some(Column::Float(values)) => Ok(values.clone()),
            Some(Column::Int(values)) => Ok(values.iter().map(|value| *value as f64).collect()),
            _ => Err(Error::invalid(format!("the model's answer has no number column {name:?}"))),
        };
        match task {
            Task::Binary => Ok(Scores::Binary(numbers("probability")?)),
            Task::Regression => Ok(Scores::Regression(numbers("prediction")?)),
            Task::Multiclass => match outputs.column("label") {
                Some(Column::Text(values)) => Ok(Scores::Multiclass(values.clone())),
                Some(Column::Int(values)) => {
                    Ok(Scores::Multiclass(values.iter().map(i64::to_string).collect()))
                }
                _ => Err(Error::invalid("the model's answer has no column \"label\"")),
            },
        }
    }

    /// These rows of them, in this order.
    pub(crate) fn take(&self, rows: &[usize]) -> Self {
        match self {
            Scores::Binary(values) => Scores::Binary(pick(values, rows)),
            Scores::Multiclass(values) => Scores::Multiclass(pick(values, rows)),
            Scores::Regression(values) => Scores::Regression(pick(values, rows)),
        }
    }
}

fn pick<T: Clone>(values: &[T], rows: &[usize]) -> Vec<T> {
    rows.iter().filter_map(|row| values.get(*row).cloned()).collect()
}

/// Runs `model` over `table`.
pub fn score(model: &Model, table: &Table, task: Task) -> Result<Scores, Error> {
    let input = frame::for_model(table, model.signature())?;
    let outputs = model.predict(&input).context("scoring")?;
    Scores::of(&outputs, task)
}

/// Every single-number metric of the task. A metric that is undefined on these rows is left out.
pub fn scalar_metrics(truth: &Truth, scores: &Scores) -> Result<BTreeMap<String, f64>, Error> {
    let value = match (truth, scores) {
        (Truth::Binary(labels), Scores::Binary(scores)) => {
            serde_json::to_value(metrics::binary(labels, scores, 0.5).context("computing metrics")?)
        }
        (Truth::Regression(truth), Scores::Regression(predicted)) => {
            serde_json::to_value(metrics::regression(truth, predicted).context("computing metrics")?)
        }
        (Truth::Multiclass(truth), Scores::Multiclass(predicted)) => {
            serde_json::to_value(metrics::multiclass(truth, predicted).context("computing metrics")?)
        }
        _ => return Err(Error::invalid("the model's task and the target's differ")),
    };
    let value = value.map_err(|error| Error::invalid(format!("metrics cannot be written: {error}")))?;
    let numbers = value.as_object().into_iter().flatten();
    Ok(numbers
        .filter_map(|(name, value)| {
            value.as_f64().filter(|value| value.is_finite()).map(|value| (name.clone(), value))
        })
        .collect())
}

/// One metric by name, or an error that names those there are.
pub fn metric_value(name: &str, truth: &Truth, scores: &Scores) -> Result<f64, Error> {
    let all = scalar_metrics(truth, scores)?;
    all.get(name).copied().ok_or_else(|| {
        Error::invalid_with(
            format!("the metric {name:?} is not defined here"),
            format!("there are {}", all.keys().cloned().collect::<Vec<_>>().join(", ")),
        )
    })
}

/// Whether more of `metric` is better.
pub fn higher_is_better(metric: &str) -> bool {
    let errors = ["rmse", "mse", "mae", "mape", "log_loss", "brier", "error", "loss", "max_error"];
    !errors.iter().any(|name| metric.contains(name))
}

fn labels(table: &Table, target: &str) -> Result<Vec<String>, Error> {
    let values = table.texts(target).context("reading the target")?;
    values
        .into_iter()
        .enumerate()
        .map(|(row, value)| value.ok_or_else(|| Error::invalid(format!("row {row} has no {target:?}"))))
        .collect()
}
