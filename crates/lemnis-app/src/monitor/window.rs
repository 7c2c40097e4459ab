//! The newest predictions of an endpoint as a table, and joined with the truth.

use std::collections::{HashMap, HashSet};

use lemnis_core::Millis;
use lemnis_serving::{feature_column, output_column};
use lemnis_table::{Column, Table};

use crate::settings::{EndpointSettings, ModelSettings, Task};
use crate::stage::{Scores, Truth};
use crate::{App, Context, Error};

/// How many more rows than wanted are read, so that a filter by request id finds enough.
const READ_AHEAD: usize = 20;

/// Some of the newest predictions, oldest first.
pub(crate) struct Window {
    /// The log's columns: `request_id`, `row`, the features, and the answers as `out_…`.
    pub rows: Table,
    /// When the first of them was answered.
    pub from_ms: Option<Millis>,
    /// When the last of them was answered.
    pub to_ms: Option<Millis>,
}

/// Predictions whose truth is known.
pub(crate) struct Labelled {
    /// Those rows of the window.
    pub rows: Table,
    /// Their labels, as they were reported.
    pub labels: Vec<String>,
    /// The labels as the task reads them.
    pub truth: Truth,
    /// What was answered.
    pub scores: Scores,
}

/// The newest predictions that were answered, each once.
pub(crate) async fn newest(
    app: &App,
    endpoint: &str,
    settings: &EndpointSettings,
    rows: Option<usize>,
    prefix: Option<&str>,
) -> Result<Window, Error> {
    let wanted = rows.unwrap_or(settings.monitor.window_rows).max(1);
    let read = if prefix.is_some() { wanted.saturating_mul(READ_AHEAD) } else { wanted };
    let log = app.predictions.read(endpoint, 0, read).await.context("reading the prediction log")?;
    if log.rows() == 0 {
        return Ok(Window { rows: log, from_ms: None, to_ms: None });
    }
    let ids = log.texts("request_id").context("reading the prediction log")?;
    let numbers = log.texts("row").context("reading the prediction log")?;
    let status = log.texts("status").context("reading the prediction log")?;
    let mut seen = HashSet::new();
    let mut kept: Vec<usize> = (0..log.rows())
        .rev()
        .filter(|row| {
            let id = ids[*row].as_deref().unwrap_or_default();
            let answered = status[*row].as_deref() == Some("ok");
            let ours = prefix.is_none_or(|prefix| id.starts_with(&format!("{prefix}-")));
            answered && ours && seen.insert((id.to_owned(), numbers[*row].clone()))
        })
        .take(wanted)
        .collect();
    kept.reverse();
    let rows = log.take(&kept).context("reading the prediction log")?;
    let moments = rows.floats("at_us").context("reading the prediction log")?;
    let moment = |at: Option<&f64>| at.map(|micros| (*micros / 1000.0) as Millis);
    Ok(Window { from_ms: moment(moments.first()), to_ms: moment(moments.last()), rows })
}

/// The window's predictions whose truth arrived; nothing when none did.
pub(crate) async fn labelled(
    app: &App,
    endpoint: &str,
    model: &ModelSettings,
    window: &Window,
) -> Result<Option<Labelled>, Error> {
    if window.rows.rows() == 0 {
        return Ok(None);
    }
    let ids: Vec<String> = window
        .rows
        .texts("request_id")
        .context("joining labels")?
        .into_iter()
        .map(Option::unwrap_or_default)
        .collect();
    let numbers = window.rows.floats("row").context("joining labels")?;
    let known = app.rollouts.feedback_for(endpoint, &ids).await.context("reading labels")?;
    let known: HashMap<(String, u32), String> =
        known.into_iter().map(|label| ((label.request_id, label.row), label.label)).collect();
    let mut found: Vec<(usize, String)> = Vec::new();
    for (row, id) in ids.iter().enumerate() {
        if let Some(label) = known.get(&(id.clone(), numbers[row] as u32)) {
            found.push((row, label.clone()));
        }
    }
    if found.is_empty() {
        return Ok(None);
    }
    // By name and not by arrival: the same answers make the same training rows, whichever client was faster.
    found.sort_by_key(|(row, _)| (ids[*row].len(), &ids[*row], numbers[*row] as u32));
    let (kept, labels): (Vec<usize>, Vec<String>) = found.into_iter().unzip();
    let rows = window.rows.take(&kept).context("joining labels")?;
    let truth = match model.task {
        Task::Binary => {
            let positive = model.positive.as_deref().unwrap_or_default();
            Truth::Binary(labels.iter().map(|label| label == positive).collect())
        }
        Task::Multiclass => Truth::Multiclass(labels.clone()),
        Task::Regression => {
            let numbers = labels.iter().map(|label| {
                label
                    .parse()
                    .map_err(|_| Error::invalid(format!("the label {label:?} of {endpoint} is no number")))
            });
            Truth::Regression(numbers.collect::<Result<_, _>>()?)
        }
    };
    let scores = match model.task {
        Task::Binary => Scores::Binary(rows.floats(&output_column("probability")).context("joining labels")?),
        Task::Regression => {
            Scores::Regression(rows.floats(&output_column("prediction")).context("joining labels")?)
        }
        Task::Multiclass => Scores::Multiclass(
            rows.texts(&output_column("label"))
                .context("joining labels")?
                .into_iter()
                .map(Option::unwrap_or_default)
                .collect(),
        ),
    };
    Ok(Some(Labelled { rows, labels, truth, scores }))
}

impl Labelled {
    /// The rows as training data: the features and the target, in the model's own names.
    pub(crate) fn as_training_rows(&self, model: &ModelSettings, features: &[&str]) -> Result<Table, Error> {
        let mut columns = Vec::with_capacity(features.len());
        for name in features {
            let column = self.rows.column(&feature_column(name)).context("collecting labelled rows")?;
            columns.push(((*name).to_owned(), column));
        }
        let rows = Table::from_columns(columns).context("collecting labelled rows")?;
        let column = match model.task {
            Task::Regression => match &self.truth {
                Truth::Regression(values) => Column::Float(values.iter().copied().map(Some).collect()),
                _ => return Err(Error::invalid("the labels are not numbers")),
            },
            _ => Column::Text(self.labels.iter().cloned().map(Some).collect()),
        };
        rows.with_column(&model.target, column).context("collecting labelled rows")
    }
}
