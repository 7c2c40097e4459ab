//! Live rows in two parts: as they are, and as a changed world would send them.
//!
//! The changed part is a slice, the rows that the model scores highest, as if other systems had begun to send them: in
//! the most important numbers another unit and a shift, in the most important text another spelling, in one more number
//! gaps. The labels stay as they are, so that a model which learns from the new rows can be better.

use lemnis_app::settings::Task;
use lemnis_app::stage::{Scores, score};
use lemnis_model::Model;
use lemnis_table::{Column, Kind, Table};

use crate::output::Failure;

/// The share of the second part that makes the slice.
const SLICE: f64 = 0.8;
/// How many of the new unit make one of the old.
const UNIT: i64 = 10;

/// Live rows, parted.
pub struct Live {
    /// As they are.
    pub same: Table,
    /// As a changed world would send them.
    pub shifted: Table,
    /// What was changed, in words.
    pub how: String,
}

/// Parts `rows`; `important` names the columns, most important first. So many of them change that their share is
/// above `drift_share`.
pub fn part(
    rows: &Table,
    target: &str,
    model: &Model,
    task: Task,
    important: &[String],
    drift_share: f64,
) -> Result<Live, Failure> {
    // Every second row: a table that is ordered in time would otherwise differ between its halves by itself.
    let every_second = |from: usize| (from..rows.rows()).step_by(2).collect::<Vec<_>>();
    let same = rows.take(&every_second(0))?;
    let rest = rows.take(&every_second(1))?;
    let scores = match score(model, &rest, task)? {
        Scores::Binary(scores) | Scores::Regression(scores) => scores,
        // Any order that follows the classes makes a slice.
        Scores::Multiclass(labels) => labels.iter().map(|label| label.bytes().map(f64::from).sum()).collect(),
    };
    let mut order: Vec<usize> = (0..rest.rows()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
    order.truncate(((rest.rows() as f64 * SLICE) as usize).max(1));
    order.sort_unstable();
    let mut shifted = rest.take(&order)?;

    let mut changes = vec![match task {
        Task::Binary => "the rows with the highest scores".to_owned(),
        Task::Regression => "the rows with the highest predictions".to_owned(),
        Task::Multiclass => "the rows of some classes".to_owned(),
    }];
    let important: Vec<&String> = important.iter().filter(|name| *name != target && rest.has(name)).collect();
    let wanted = ((rest.names().len().saturating_sub(1) as f64 * drift_share).ceil() as usize + 1).max(4);
    let mut numbers = [Change::Scaled, Change::Moved, Change::Emptied].into_iter().cycle();
    for name in important {
        if changes.len() > wanted {
            break;
        }
        let change = match rest.kind(name)? {
            Kind::Text => Change::Respelt,
            // Only a column with gaps, a float, can lose values and keep its type.
            Kind::Int => numbers.find(|change| *change != Change::Emptied).unwrap_or(Change::Moved),
            Kind::Float => numbers.next().unwrap_or(Change::Moved),
            _ => continue,
        };
        let column = match change {
            Change::Scaled => scaled_column(&shifted, name)?,
            Change::Moved => moved_column(&shifted, rows, name)?,
            Change::Emptied => emptied_column(&shifted, name)?,
            Change::Respelt => {
                let values = shifted.texts(name)?.into_iter();
                Column::Text(values.map(|value| value.map(|value| spelt_otherwise(&value))).collect())
            }
        };
        changes.push(match change {
            Change::Scaled => format!("{name} in another unit (× {UNIT})"),
            Change::Moved => format!("{name} moved by one standard deviation"),
            Change::Emptied => format!("three quarters of {name} missing"),
            Change::Respelt => format!("{name} spelt otherwise"),
        });
        shifted = shifted.with_column(name, column)?;
    }
    Ok(Live { same, shifted, how: in_words(&changes) })
}

/// What happens to a column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Scaled,
    Moved,
    Emptied,
    Respelt,
}

/// The first changes, and how many more there are.
fn in_words(changes: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = changes.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match changes.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn scaled_column(shifted: &Table, name: &str) -> Result<Column, Failure> {
    Ok(match shifted.column(name)? {
        Column::Int(values) => Column::Int(
            values.into_iter().map(|value| value.map(|value| value.saturating_mul(UNIT))).collect(),
        ),
        _ => Column::Float(present(&shifted.floats(name)?, |value| value * UNIT as f64)),
    })
}

/// Three of four values go missing.
fn emptied_column(shifted: &Table, name: &str) -> Result<Column, Failure> {
    let mut values = present(&shifted.floats(name)?, |value| value);
    for (row, value) in values.iter_mut().enumerate() {
        if row % 4 != 0 {
            *value = None;
        }
    }
    Ok(Column::Float(values))
}

fn present(values: &[f64], change: impl Fn(f64) -> f64) -> Vec<Option<f64>> {
    values.iter().map(|value| (!value.is_nan()).then(|| change(*value))).collect()
}

/// The same word as another system would write it.
fn spelt_otherwise(value: &str) -> String {
    let upper = value.to_uppercase();
    if upper == value { format!("{value}_") } else { upper }
}

fn moved_column(shifted: &Table, all: &Table, name: &str) -> Result<Column, Failure> {
    let values = all.floats(name)?;
    let finite: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    let count = finite.len().max(1) as f64;
    let mean = finite.iter().sum::<f64>() / count;
    let deviation = (finite.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    let column = match shifted.column(name)? {
        Column::Int(values) => {
            let by = deviation.round().max(1.0) as i64;
            Column::Int(values.into_iter().map(|value| value.map(|value| value.saturating_add(by))).collect())
        }
        _ => Column::Float(present(&shifted.floats(name)?, |value| value + deviation)),
    };
    Ok(column)
}
