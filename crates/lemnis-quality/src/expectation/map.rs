//! Expectations on each value of a column.

use std::cmp::Ordering;
use std::collections::HashMap;

use fancy_regex::Regex;
use lemnis_table::{Kind, Table};
use serde_json::{Map, Value, json};

use super::cell::{Cell, cells};
use super::run::{Checked, flag, list, text};
use super::suite::Expectation;

/// Examples that a result lists.
const PARTIAL: usize = 20;

/// Checks an expectation on values; nothing when `kind` is none.
pub(super) fn run(kind: &str, expectation: &Expectation, table: &Table) -> Option<Checked> {
    let known = matches!(
        kind,
        "expect_column_values_to_not_be_null"
            | "expect_column_values_to_be_null"
            | "expect_column_values_to_be_unique"
            | "expect_column_values_to_be_in_set"
            | "expect_column_values_to_not_be_in_set"
            | "expect_column_values_to_be_between"
            | "expect_column_values_to_match_regex"
            | "expect_column_values_to_not_match_regex"
            | "expect_column_value_lengths_to_be_between"
            | "expect_column_value_lengths_to_equal"
            | "expect_column_values_to_be_of_type"
            | "expect_column_values_to_be_in_type_list"
    );
    known.then(|| check(kind, expectation, table))
}

fn check(kind: &str, expectation: &Expectation, table: &Table) -> Checked {
    let column = text(expectation, "column")?;
    if !table.has(column) {
        return Err(format!("the column {column:?} does not exist"));
    }
    if kind.ends_with("of_type") || kind.ends_with("in_type_list") {
        return type_check(kind, expectation, table, column);
    }
    let values = cells(table, column).map_err(|error| error.to_string())?;
    match kind {
        "expect_column_values_to_not_be_null" => Ok(null_check(expectation, &values, true)),
        "expect_column_values_to_be_null" => Ok(null_check(expectation, &values, false)),
        "expect_column_values_to_be_unique" => {
            let mut counts: HashMap<String, usize> = HashMap::new();
            for value in values.iter().flatten() {
                *counts.entry(value.key()).or_default() += 1;
            }
            Ok(judge(expectation, &values, |value| counts.get(&value.key()) == Some(&1)))
        }
        "expect_column_values_to_be_in_set" | "expect_column_values_to_not_be_in_set" => {
            let set = list(expectation, "value_set")?;
            let wanted = !kind.contains("not_be");
            Ok(judge(expectation, &values, |value| set.iter().any(|one| value.equals(one)) == wanted))
        }
        "expect_column_values_to_be_between" => {
            let bounds = Bounds::of(expectation)?;
            Ok(judge(expectation, &values, |value| bounds.hold(value)))
        }
        "expect_column_values_to_match_regex" | "expect_column_values_to_not_match_regex" => {
            let pattern = text(expectation, "regex")?;
            let regex = Regex::new(pattern)
                .map_err(|error| format!("the pattern {pattern:?} is not valid: {error}"))?;
            let wanted = !kind.contains("not_match");
            Ok(judge(expectation, &values, |value| {
                let shown = value.text().map_or_else(|| plain(value), str::to_owned);
                regex.is_match(&shown).unwrap_or(false) == wanted
            }))
        }
        "expect_column_value_lengths_to_be_between" => {
            let bounds = Bounds::of(expectation)?;
            Ok(judge(expectation, &values, |value| bounds.hold(&length(value))))
        }
        _ => {
            let wanted = expectation
                .argument("value")
                .and_then(Value::as_i64)
                .ok_or("the argument value is missing")?;
            Ok(judge(
                expectation,
                &values,
                |value| matches!(length(value), Cell::Int(found) if found == wanted),
            ))
        }
    }
}

fn length(value: &Cell) -> Cell {
    let shown = value.text().map_or_else(|| plain(value), str::to_owned);
    Cell::Int(shown.chars().count() as i64)
}

fn plain(value: &Cell) -> String {
    match value.to_json() {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// `min_value`, `max_value`, `strict_min`, `strict_max`.
pub(super) struct Bounds<'a> {
    min: Option<&'a Value>,
    max: Option<&'a Value>,
    strict_min: bool,
    strict_max: bool,
}

impl<'a> Bounds<'a> {
    pub(super) fn of(expectation: &'a Expectation) -> Result<Self, String> {
        let bounds = Self {
            min: expectation.argument("min_value"),
            max: expectation.argument("max_value"),
            strict_min: flag(expectation, "strict_min"),
            strict_max: flag(expectation, "strict_max"),
        };
        Ok(bounds)
    }

    pub(super) fn hold(&self, value: &Cell) -> bool {
        let above = self.min.is_none_or(|min| match value.order(min) {
            Some(Ordering::Greater) => true,
            Some(Ordering::Equal) => !self.strict_min,
            _ => false,
        });
        let below = self.max.is_none_or(|max| match value.order(max) {
            Some(Ordering::Less) => true,
            Some(Ordering::Equal) => !self.strict_max,
            _ => false,
        });
        above && below
    }
}

fn mostly(expectation: &Expectation) -> f64 {
    expectation.argument("mostly").and_then(Value::as_f64).unwrap_or(1.0)
}

/// Judges the present values; missing ones are counted and do not matter.
fn judge(expectation: &Expectation, values: &[Option<Cell>], holds: impl Fn(&Cell) -> bool) -> (bool, Value) {
    let missing = values.iter().filter(|value| value.is_none()).count();
    let unexpected: Vec<(usize, &Cell)> = values
        .iter()
        .enumerate()
        .filter_map(|(row, value)| value.as_ref().map(|value| (row, value)))
        .filter(|(_, value)| !holds(value))
        .collect();
    let present = values.len() - missing;
    let success = present == 0 || (present - unexpected.len()) as f64 / present as f64 >= mostly(expectation);
    let percent = |part: usize, whole: usize| {
        if whole == 0 { Value::Null } else { json!(part as f64 / whole as f64 * 100.0) }
    };
    let mut figures = Map::new();
    figures.insert("element_count".into(), values.len().into());
    figures.insert("unexpected_count".into(), unexpected.len().into());
    figures.insert("unexpected_percent".into(), percent(unexpected.len(), present));
    figures.insert(
        "partial_unexpected_list".into(),
        unexpected.iter().take(PARTIAL).map(|(_, value)| value.to_json()).collect(),
    );
    figures.insert("missing_count".into(), missing.into());
    figures.insert("missing_percent".into(), percent(missing, values.len()));
    figures.insert("unexpected_percent_total".into(), percent(unexpected.len(), values.len()));
    figures.insert("unexpected_percent_nonmissing".into(), percent(unexpected.len(), present));
    figures.insert("partial_unexpected_counts".into(), counts(&unexpected));
    figures.insert(
        "partial_unexpected_index_list".into(),
        unexpected.iter().take(PARTIAL).map(|(row, _)| Value::from(*row)).collect(),
    );
    (success, Value::Object(figures))
}

/// The most frequent unexpected values with their true counts.
fn counts(unexpected: &[(usize, &Cell)]) -> Value {
    let mut counts: HashMap<String, (Value, usize)> = HashMap::new();
    for (_, value) in unexpected {
        counts.entry(value.key()).or_insert_with(|| (value.to_json(), 0)).1 += 1;
    }
    let mut counts: Vec<(Value, usize)> = counts.into_values().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.to_string().cmp(&b.0.to_string())));
    counts.into_iter().take(PARTIAL).map(|(value, count)| json!({ "value": value, "count": count })).collect()
}

fn null_check(expectation: &Expectation, values: &[Option<Cell>], wants_values: bool) -> (bool, Value) {
    let unexpected: Vec<usize> =
        (0..values.len()).filter(|row| values[*row].is_none() == wants_values).collect();
    let rows = values.len();
    let share = if rows == 0 { 1.0 } else { (rows - unexpected.len()) as f64 / rows as f64 };
    let percent = if rows == 0 { Value::Null } else { json!(unexpected.len() as f64 / rows as f64 * 100.0) };
    let shown = |row: &usize| values[*row].as_ref().map_or(Value::Null, Cell::to_json);
    let figures = json!({
        "element_count": rows,
        "unexpected_count": unexpected.len(),
        "unexpected_percent": percent,
        "partial_unexpected_list": unexpected.iter().take(PARTIAL).map(shown).collect::<Vec<_>>(),
        "partial_unexpected_index_list": unexpected.iter().take(PARTIAL).collect::<Vec<_>>(),
    });
    (share >= mostly(expectation), figures)
}

/// Types by pandas' names, Arrow's and Python's own.
fn type_check(kind: &str, expectation: &Expectation, table: &Table, column: &str) -> Checked {
    let found = table.kind(column).map_err(|error| error.to_string())?;
    let names: &[&str] = match found {
        Kind::Bool => &["bool", "boolean", "BOOLEAN"],
        Kind::Int => &["int64", "int", "INTEGER", "BIGINT", "Int64"],
        Kind::Float => &["float64", "float", "double", "DOUBLE", "FLOAT", "Float64"],
        Kind::Text => &["object", "str", "string", "VARCHAR", "TEXT", "Utf8"],
        Kind::Date => &["date", "DATE", "Date32", "object"],
        Kind::Timestamp => &["datetime64[us]", "datetime64[ns]", "datetime64", "TIMESTAMP", "Timestamp"],
    };
    let holds = if kind.ends_with("in_type_list") {
        list(expectation, "type_list")?.iter().filter_map(Value::as_str).any(|name| names.contains(&name))
    } else {
        names.contains(&text(expectation, "type_")?)
    };
    Ok((holds, json!({ "observed_value": names[0] })))
}
