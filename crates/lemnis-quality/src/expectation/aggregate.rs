//! Expectations on one figure of a column.

use std::collections::HashSet;

use lemnis_table::Table;
use serde_json::{Value, json};

use super::cell::{Cell, cells};
use super::map::Bounds;
use super::run::{Checked, text};
use super::suite::Expectation;
use crate::drift::{quantile, sort};

/// Checks an expectation on a figure; nothing when `kind` is none.
pub(super) fn run(kind: &str, expectation: &Expectation, table: &Table) -> Option<Checked> {
    let figure = kind.strip_prefix("expect_column_")?.strip_suffix("_to_be_between")?;
    let known = [
        "min",
        "max",
        "mean",
        "median",
        "stdev",
        "sum",
        "unique_value_count",
        "proportion_of_unique_values",
        "proportion_of_non_null_values",
    ];
    known.contains(&figure).then(|| check(figure, expectation, table))
}

fn check(figure: &str, expectation: &Expectation, table: &Table) -> Checked {
    let column = text(expectation, "column")?;
    if !table.has(column) {
        return Err(format!("the column {column:?} does not exist"));
    }
    let values = cells(table, column).map_err(|error| error.to_string())?;
    let present: Vec<&Cell> = values.iter().flatten().collect();
    let bounds = Bounds::of(expectation)?;
    let observed = observe(figure, &values, &present)?;
    let success = observed.as_ref().is_some_and(|value| bounds.hold(value));
    Ok((success, json!({ "observed_value": observed.map_or(Value::Null, |value| value.to_json()) })))
}

fn observe(figure: &str, values: &[Option<Cell>], present: &[&Cell]) -> Result<Option<Cell>, String> {
    let distinct = || present.iter().map(|value| value.key()).collect::<HashSet<_>>().len();
    let share = |part: usize, whole: usize| {
        if whole == 0 { None } else { Some(Cell::Float(part as f64 / whole as f64)) }
    };
    match figure {
        "unique_value_count" => return Ok(Some(Cell::Int(distinct() as i64))),
        "proportion_of_unique_values" => return Ok(share(distinct(), present.len())),
        "proportion_of_non_null_values" => return Ok(share(present.len(), values.len())),
        "min" | "max" => {
            let mut best: Option<&Cell> = None;
            for value in present {
                let better = best.is_none_or(|best| {
                    let order = value.order(&best.to_json());
                    order
                        == Some(if figure == "min" {
                            std::cmp::Ordering::Less
                        } else {
                            std::cmp::Ordering::Greater
                        })
                });
                if better {
                    best = Some(value);
                }
            }
            return Ok(best.cloned());
        }
        _ => {}
    }
    let mut numbers = Vec::with_capacity(present.len());
    for value in present {
        match value {
            Cell::Int(value) => numbers.push(*value as f64),
            Cell::Float(value) => numbers.push(*value),
            Cell::Bool(value) => numbers.push(f64::from(u8::from(*value))),
            Cell::Text(_) => return Err(format!("{figure} needs numbers, and the column holds text")),
        }
    }
    if numbers.is_empty() {
        return Ok(None);
    }
    let count = numbers.len() as f64;
    let sum: f64 = numbers.iter().sum();
    let mean = sum / count;
    Ok(Some(Cell::Float(match figure {
        "mean" => mean,
        "sum" if present.iter().all(|value| matches!(value, Cell::Int(_))) => {
            let exact: i128 = present
                .iter()
                .map(|value| if let Cell::Int(value) = value { i128::from(*value) } else { 0 })
                .sum();
            return Ok(Some(i64::try_from(exact).map_or(Cell::Float(sum), Cell::Int)));
        }
        "sum" => sum,
        "median" => {
            sort(&mut numbers);
            quantile(&numbers, 0.5)
        }
        _ if numbers.len() < 2 => return Ok(None),
        _ => (numbers.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt(),
    })))
}
