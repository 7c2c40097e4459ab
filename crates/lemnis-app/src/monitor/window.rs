//! The newest predictions of an endpoint as a table, and joined with the truth.

use std::collections::{HashMap, HashSet};

use lemnis_core::Millis;
use lemnis_serving::{feature_column, output_column};
use lemnis_table::{Column, Table};

use super::labels::{Labels, number};
use crate::settings::{ModelSettings, Task};
use crate::stage::{Scores, Truth};
use crate::{App, Context, Error, blocking};

/// How many more rows than wanted are read at first, so that the filters find enough.
const READ_AHEAD: usize = 20;

/// Which predictions are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// At most so many, the newest.
    pub rows: usize,
    /// Only those whose request id starts so.
    pub prefix: Option<String>,
    /// Only those that this version answered.
    pub version: Option<u32>,
    /// None before.
    pub from_ms: Option<Millis>,
    /// None after.
    pub to_ms: Option<Millis>,
}

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
    /// Their labels, as training data names them.
    pub labels: Vec<String>,
    /// The labels as the task reads them.
    pub truth: Truth,
    /// What was answered.
    pub scores: Scores,
}

/// The newest predictions that were answered and are wanted, each once.
pub(crate) async fn newest(app: &App, endpoint: &str, wanted: &Wanted) -> Result<Window, Error> {
    // What a verdict is made from must not vanish with the process: it is on disk first.
    app.predictions.flush().await.context("writing the prediction log")?;
    let since = wanted.from_ms.unwrap_or_default();
    let mut limit = wanted.rows.max(1).saturating_mul(READ_AHEAD);
    loop {
        let log = app.predictions.read(endpoint, since, limit).await.context("reading the prediction log")?;
        let all = log.rows() < limit;
        let asked = wanted.clone();
        let (window, hidden) = blocking(move || filter(&log, &asked)).await?;
        // Without an end the newest rows are enough to look at. With one they may all lie behind it.
        if all || wanted.to_ms.is_none() || !hidden || window.rows.rows() >= wanted.rows {
            return Ok(window);
        }
        limit = limit.saturating_mul(2);
    }
}

/// The wanted rows, and whether rows after the wanted end took the place of others.
fn filter(log: &Table, wanted: &Wanted) -> Result<(Window, bool), Error> {
    if log.rows() == 0 {
        return Ok((Window { rows: log.clone(), from_ms: None, to_ms: None }, false));
    }
    let ids = log.texts("request_id").context("reading the prediction log")?;
    let numbers = log.texts("row").context("reading the prediction log")?;
    let status = log.texts("status").context("reading the prediction log")?;
    let versions = log.floats("model_version").context("reading the prediction log")?;
    let moments: Vec<Millis> = log
        .floats("at_us")
        .context("reading the prediction log")?
        .into_iter()
        .map(|micros| (micros / 1000.0) as Millis)
        .collect();
    let in_time = |row: usize| wanted.to_ms.is_none_or(|end| moments[row] <= end);
    let start = wanted.prefix.as_ref().map(|prefix| format!("{prefix}-"));
    let mut seen = HashSet::new();
    let mut kept: Vec<usize> = (0..log.rows())
        .rev()
        .filter(|row| {
            let id = ids[*row].as_deref().unwrap_or_default();
            let answered = status[*row].as_deref() == Some("ok");
            let ours = start.as_deref().is_none_or(|start| id.starts_with(start));
            let judged = wanted.version.is_none_or(|version| versions[*row] == f64::from(version));
            in_time(*row) && answered && ours && judged && seen.insert((id.to_owned(), numbers[*row].clone()))
        })
        .take(wanted.rows.max(1))
        .collect();
    kept.reverse();
    let hidden = (0..log.rows()).any(|row| !in_time(row));
    let moment = |row: Option<&usize>| row.map(|row| moments[*row]);
    let rows = log.take(&kept).context("reading the prediction log")?;
    Ok((Window { from_ms: moment(kept.first()), to_ms: moment(kept.last()), rows }, hidden))
}

/// The window's predictions whose truth arrived; nothing when none did. Labels that mean nothing to the task are left
/// out: one of them must not hide the others.
pub(crate) async fn labelled(
    app: &App,
    endpoint: &str,
    model: &ModelSettings,
    accepted: &Labels,
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
    let mut unreadable = 0;
    for (row, id) in ids.iter().enumerate() {
        let Some(label) = known.get(&(id.clone(), numbers[row] as u32)) else { continue };
        match accepted.read(label) {
            Some(label) => found.push((row, label)),
            None => unreadable += 1,
        }
    }
    if unreadable > 0 {
        tracing::warn!(endpoint, unreadable, "labels that mean nothing to the task are left out");
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
            Truth::Regression(labels.iter().map(|label| number(label).unwrap_or(f64::NAN)).collect())
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
