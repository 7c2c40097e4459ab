//! Expectations on the table as a whole.

use std::collections::HashMap;

use lemnis_table::Table;
use serde_json::{Value, json};

use super::cell::{Cell, cells};
use super::map::Bounds;
use super::run::{Checked, list, text};
use super::suite::Expectation;

/// Checks an expectation on the table; nothing when `kind` is none.
pub(super) fn run(kind: &str, expectation: &Expectation, table: &Table) -> Option<Checked> {
    Some(match kind {
        "expect_table_row_count_to_be_between" => between(expectation, table.rows()),
        "expect_table_row_count_to_equal" => equal(expectation, table.rows()),
        "expect_table_column_count_to_be_between" => between(expectation, table.names().len()),
        "expect_table_column_count_to_equal" => equal(expectation, table.names().len()),
        "expect_column_to_exist" => exists(expectation, table),
        "expect_table_columns_to_match_set" => match_set(expectation, table),
        "expect_table_columns_to_match_ordered_list" => match_list(expectation, table),
        "expect_compound_columns_to_be_unique" => compound(expectation, table),
        _ => return None,
    })
}

fn between(expectation: &Expectation, found: usize) -> Checked {
    let holds = Bounds::of(expectation)?.hold(&Cell::Int(found as i64));
    Ok((holds, json!({ "observed_value": found })))
}

fn equal(expectation: &Expectation, found: usize) -> Checked {
    let wanted =
        expectation.argument("value").and_then(Value::as_u64).ok_or("the argument value is missing")?;
    Ok((found as u64 == wanted, json!({ "observed_value": found })))
}

fn exists(expectation: &Expectation, table: &Table) -> Checked {
    let column = text(expectation, "column")?;
    let place = table.names().iter().position(|name| *name == column);
    let wanted = expectation.argument("column_index").and_then(Value::as_u64);
    let holds = place.is_some_and(|place| wanted.is_none_or(|wanted| wanted == place as u64));
    Ok((holds, json!({})))
}

fn match_set(expectation: &Expectation, table: &Table) -> Checked {
    let wanted: Vec<&str> = list(expectation, "column_set")?.iter().filter_map(Value::as_str).collect();
    let exact = expectation.argument("exact_match").and_then(Value::as_bool).unwrap_or(true);
    let found = table.names();
    let missing: Vec<&&str> = wanted.iter().filter(|name| !found.contains(name)).collect();
    let unexpected: Vec<&&str> = found.iter().filter(|name| !wanted.contains(name)).collect();
    let holds = missing.is_empty() && (!exact || unexpected.is_empty());
    let mismatched = json!({ "unexpected": unexpected, "missing": missing });
    Ok((holds, json!({ "observed_value": found, "details": { "mismatched": mismatched } })))
}

fn match_list(expectation: &Expectation, table: &Table) -> Checked {
    let wanted: Vec<&str> = list(expectation, "column_list")?.iter().filter_map(Value::as_str).collect();
    let found = table.names();
    Ok((found == wanted, json!({ "observed_value": found })))
}

fn compound(expectation: &Expectation, table: &Table) -> Checked {
    let names: Vec<&str> = list(expectation, "column_list")?.iter().filter_map(Value::as_str).collect();
    let mut columns = Vec::new();
    for name in &names {
        if !table.has(name) {
            return Err(format!("the column {name:?} does not exist"));
        }
        columns.push(cells(table, name).map_err(|error| error.to_string())?);
    }
    let key = |row: usize| -> Option<String> {
        let parts: Vec<Option<String>> =
            columns.iter().map(|column| column[row].as_ref().map(Cell::key)).collect();
        if parts.iter().all(Option::is_none) {
            return None;
        }
        Some(
            parts
                .into_iter()
                .map(|part| part.unwrap_or_else(|| "·".to_owned()))
                .collect::<Vec<_>>()
                .join("\u{1f}"),
        )
    };
    let keys: Vec<Option<String>> = (0..table.rows()).map(key).collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for key in keys.iter().flatten() {
        *counts.entry(key).or_default() += 1;
    }
    let unexpected = keys.iter().flatten().filter(|key| counts[key.as_str()] > 1).count();
    let present = keys.iter().flatten().count();
    let mostly = expectation.argument("mostly").and_then(Value::as_f64).unwrap_or(1.0);
    let holds = present == 0 || (present - unexpected) as f64 / present as f64 >= mostly;
    Ok((holds, json!({ "element_count": table.rows(), "unexpected_count": unexpected })))
}
