//! A suite from a profile: what is plainly so becomes an expectation, with slack where the next data may differ.

use serde_json::{Value, json};

use super::suite::{Expectation, Suite};
use crate::profile::{ColumnProfile, NumberProfile, Profile};

/// A text column with at most this many values gets the set of them.
const MAX_SET: usize = 20;

pub(super) fn suite(profile: &Profile, target: Option<&str>) -> Suite {
    let mut expectations = Vec::new();
    let names: Vec<&str> = profile.columns.iter().map(|column| column.name.as_str()).collect();
    expectations.push(noted(
        "expect_table_columns_to_match_set",
        json!({ "column_set": names, "exact_match": false }),
        "Every column that the pipeline reads is there; others may join.".to_owned(),
    ));
    expectations.push(noted(
        "expect_table_row_count_to_be_between",
        json!({ "min_value": (profile.rows / 2).max(1) }),
        format!("There were {} rows; half of them are too few to be the same data.", profile.rows),
    ));
    for column in &profile.columns {
        one(column, profile.rows, target == Some(column.name.as_str()), &mut expectations);
    }
    Suite { name: "raw".to_owned(), expectations, meta: json!({}) }
}

fn one(column: &ColumnProfile, rows: usize, is_target: bool, expectations: &mut Vec<Expectation>) {
    let name = &column.name;
    let present = rows - column.nulls;
    if present == 0 {
        return;
    }
    if column.nulls == 0 {
        let note = if is_target { "The target is always known." } else { "No value was missing." };
        expectations.push(noted(
            "expect_column_values_to_not_be_null",
            json!({ "column": name }),
            note.to_owned(),
        ));
    } else {
        let share = present as f64 / rows as f64;
        // Twice as many missing values as now would be news.
        let mostly = floor_to((1.0 - 2.0 * (1.0 - share)).max(0.0), 100.0);
        if mostly > 0.0 {
            expectations.push(noted(
                "expect_column_values_to_not_be_null",
                json!({ "column": name, "mostly": mostly }),
                format!("{:.1} % of the values were missing.", (1.0 - share) * 100.0),
            ));
        }
    }
    if column.kind == "text" && column.nulls == 0 && column.distinct == rows && rows > 20 {
        let note = "Every row has a value of its own: an identifier.".to_owned();
        expectations.push(noted("expect_column_values_to_be_unique", json!({ "column": name }), note));
        return;
    }
    if matches!(column.kind.as_str(), "text" | "bool")
        && column.distinct <= MAX_SET
        && column.distinct * 2 <= present
    {
        set(column, expectations);
    }
    if let Some(numbers) = &column.numbers {
        range(column, numbers, expectations);
    }
}

fn set(column: &ColumnProfile, expectations: &mut Vec<Expectation>) {
    let values: Vec<Value> = if column.kind == "bool" {
        column.top.iter().map(|(value, _)| Value::Bool(value == "true")).collect()
    } else {
        column.top.iter().map(|(value, _)| Value::from(value.as_str())).collect()
    };
    expectations.push(noted(
        "expect_column_values_to_be_in_set",
        json!({ "column": column.name, "value_set": values, "mostly": 0.99 }),
        format!("{} values were seen; one row in a hundred may bring another.", column.distinct),
    ));
}

fn range(column: &ColumnProfile, numbers: &NumberProfile, expectations: &mut Vec<Expectation>) {
    let width = numbers.max - numbers.min;
    if width == 0.0 || !width.is_finite() {
        return;
    }
    let slack = 0.1 * width;
    // What was never negative stays so.
    let low = if numbers.min >= 0.0 { (numbers.min - slack).max(0.0) } else { numbers.min - slack };
    let high = numbers.max + slack;
    let bound = |value: f64, up: bool| {
        if column.kind == "int" {
            return json!((if up { value.ceil() } else { value.floor() }) as i64);
        }
        let step = 10f64.powf((width.log10() - 3.0).floor());
        let rounded = (if up { (value / step).ceil() } else { (value / step).floor() }) * step;
        json!(if rounded.is_finite() { rounded } else { value })
    };
    expectations.push(noted(
        "expect_column_values_to_be_between",
        json!({ "column": column.name, "min_value": bound(low, false), "max_value": bound(high, true), "mostly": 0.99 }),
        format!("Seen from {} to {}; a tenth of the range is slack.", numbers.min, numbers.max),
    ));
}

fn noted(kind: &str, kwargs: Value, note: String) -> Expectation {
    let mut expectation = Expectation::new(kind, kwargs);
    expectation.meta = json!({ "notes": note });
    expectation
}

fn floor_to(value: f64, steps: f64) -> f64 {
    (value * steps).floor() / steps
}

#[cfg(test)]
mod tests {
    use lemnis_table::{Column, Table};

    use crate::expectation::Suite;
    use crate::profile::profile;

    fn table() -> Table {
        let rows = 200;
        Table::from_columns(vec![
            ("id".to_owned(), Column::Text((0..rows).map(|row| Some(format!("c{row}"))).collect())),
            (
                "x".to_owned(),
                Column::Float((0..rows).map(|row| (row % 10 != 0).then(|| row as f64 / 3.0)).collect()),
            ),
            ("n".to_owned(), Column::Int((0..rows).map(|row| Some(row % 5)).collect())),
            (
                "y".to_owned(),
                Column::Text((0..rows).map(|row| Some(["yes", "no"][row as usize % 2].into())).collect()),
            ),
        ])
        .unwrap()
    }

    #[test]
    fn an_inferred_suite_holds_on_its_own_data_and_survives_yaml() {
        let table = table();
        let suite = Suite::infer(&profile(&table).unwrap(), Some("y")).unwrap();
        let again = Suite::parse(&suite.to_yaml()).unwrap();
        assert_eq!(again.expectations.len(), suite.expectations.len());
        let result = again.validate(&table).unwrap();
        assert!(result.success, "{}", serde_json::to_string_pretty(&result).unwrap());
        assert!(result.statistics.evaluated_expectations >= 8);
    }

    #[test]
    fn changed_data_breaks_it() {
        let table = table();
        let suite = Suite::infer(&profile(&table).unwrap(), Some("y")).unwrap();
        let wrong = table.with_column("n", Column::Int(vec![Some(900); 200])).unwrap();
        let result = suite.validate(&wrong).unwrap();
        assert!(!result.success);
        assert!(!suite.validate(&table.drop(&["x"]).unwrap()).unwrap().success);
    }

    #[test]
    fn an_unknown_expectation_is_unsupported_not_passed() {
        let text = "name: s\nexpectations:\n  - type: expect_the_moon\n    kwargs: {}\n";
        let result = Suite::parse(text).unwrap().validate(&table()).unwrap();
        assert!(!result.success);
        assert_eq!(result.results[0].exception_info["exception_message"], "unsupported: expect_the_moon");
    }
}
