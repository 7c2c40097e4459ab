//! Results of expectation suites in words.

use lemnis_quality::{Outcome, Verdict};
use serde_json::Value;

use super::plain;
use crate::view::{ExpectationRow, Moment, Validation};

/// Values that break an expectation and are shown.
const UNEXPECTED: usize = 6;
/// Members of a set that are named.
const MEMBERS: usize = 8;

/// A validation verdict as a page shows it, broken expectations first.
pub(super) fn validation(verdict: &Verdict) -> Validation {
    let report = &verdict.report;
    let mut results: Vec<ExpectationRow> =
        report["results"].as_array().into_iter().flatten().map(row).collect();
    results.sort_by_key(|row| row.passed);
    let count = |name: &str| report["statistics"][name].as_u64().unwrap_or_default() as usize;
    let suite = plain(&verdict.inputs["suite"]);
    Validation {
        verdict: verdict.id.clone(),
        at: Moment(verdict.at_ms),
        passed: verdict.outcome == Outcome::Pass,
        summary: verdict.summary.clone(),
        suite: if suite.is_empty() { plain(&report["suite_name"]) } else { suite },
        held: count("successful_expectations"),
        total: count("evaluated_expectations"),
        results,
    }
}

fn row(result: &Value) -> ExpectationRow {
    let config = &result["expectation_config"];
    let kwargs = &config["kwargs"];
    let column = kwargs["column"].as_str().map(str::to_owned);
    let found = &result["result"];
    let unexpected = found["partial_unexpected_list"].as_array().into_iter().flatten();
    ExpectationRow {
        passed: result["success"] == true,
        column,
        sentence: sentence(config["type"].as_str().unwrap_or_default(), kwargs),
        observed: observed(result, found),
        unexpected: unexpected.take(UNEXPECTED).map(plain).collect(),
    }
}

/// An expectation in words; one without words of its own reads as its name.
fn sentence(kind: &str, kwargs: &Value) -> String {
    let set = || members(&kwargs["value_set"]);
    let mut text = match kind {
        "expect_column_to_exist" => "the column is there".to_owned(),
        "expect_column_values_to_not_be_null" => "never missing".to_owned(),
        "expect_column_values_to_be_null" => "always missing".to_owned(),
        "expect_column_values_to_be_unique" => "each value only once".to_owned(),
        "expect_column_values_to_be_in_set" => format!("values among {}", set()),
        "expect_column_values_to_not_be_in_set" => format!("no value among {}", set()),
        "expect_column_distinct_values_to_be_in_set" => format!("distinct values among {}", set()),
        "expect_column_distinct_values_to_equal_set" => format!("distinct values are {}", set()),
        "expect_column_distinct_values_to_contain_set" => format!("distinct values contain {}", set()),
        "expect_column_values_to_be_of_type" => format!("type {}", plain(&kwargs["type_"])),
        "expect_column_values_to_be_in_type_list" => format!("type among {}", members(&kwargs["type_list"])),
        "expect_column_values_to_match_regex" => format!("values match {}", plain(&kwargs["regex"])),
        "expect_table_columns_to_match_ordered_list" => {
            format!("columns {}", members(&kwargs["column_list"]))
        }
        "expect_table_columns_to_match_set" => format!("columns {}", members(&kwargs["column_set"])),
        "expect_table_row_count_to_equal" => format!("{} rows", plain(&kwargs["value"])),
        "expect_table_column_count_to_equal" => format!("{} columns", plain(&kwargs["value"])),
        _ => match kind.strip_suffix("_to_be_between") {
            Some(stem) => {
                let what = stem.trim_start_matches("expect_").trim_start_matches("column_").replace('_', " ");
                format!("{what} {}", bounds(kwargs))
            }
            None => kind.trim_start_matches("expect_").trim_start_matches("column_").replace('_', " "),
        },
    };
    if let Some(mostly) = kwargs["mostly"].as_f64().filter(|mostly| *mostly < 1.0) {
        text.push_str(&format!(", at least {} % of the time", super::trimmed(mostly * 100.0)));
    }
    text
}

fn bounds(kwargs: &Value) -> String {
    let (low, high) = (plain(&kwargs["min_value"]), plain(&kwargs["max_value"]));
    match (low.is_empty(), high.is_empty()) {
        (false, false) => format!("between {low} and {high}"),
        (false, true) => format!("at least {low}"),
        (true, false) => format!("at most {high}"),
        (true, true) => "of any size".to_owned(),
    }
}

fn members(set: &Value) -> String {
    let Some(items) = set.as_array() else { return plain(set) };
    let named = items.iter().take(MEMBERS).map(plain).collect::<Vec<_>>().join(", ");
    match items.len().saturating_sub(MEMBERS) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

fn observed(result: &Value, found: &Value) -> String {
    if result["exception_info"]["raised_exception"] == true {
        let message = plain(&result["exception_info"]["exception_message"]);
        return if message.is_empty() { "could not be checked".to_owned() } else { message };
    }
    if let Some(count) = found["unexpected_count"].as_u64() {
        return match found["element_count"].as_u64() {
            _ if count == 0 => String::new(),
            Some(all) => {
                let share = count as f64 / all.max(1) as f64 * 100.0;
                format!("{count} of {all} values ({} %)", super::trimmed((share * 100.0).round() / 100.0))
            }
            None => format!("{count} values"),
        };
    }
    members(&found["observed_value"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn expectations_read_as_sentences() {
        let between = json!({ "column": "age", "min_value": 0, "max_value": 120, "mostly": 0.7 });
        assert_eq!(
            sentence("expect_column_values_to_be_between", &between),
            "values between 0 and 120, at least 70 % of the time"
        );
        let rows = json!({ "min_value": 10 });
        assert_eq!(sentence("expect_table_row_count_to_be_between", &rows), "table row count at least 10");
        let set = json!({ "value_set": (0..10).collect::<Vec<_>>() });
        assert!(sentence("expect_column_values_to_be_in_set", &set).ends_with("6, 7 and 2 more"));
        assert_eq!(sentence("expect_something_odd", &Value::Null), "something odd");
    }

    #[test]
    fn what_breaks_an_expectation_is_counted_and_shown() {
        let result = json!({
            "success": false,
            "expectation_config": { "type": "expect_column_values_to_not_be_null", "kwargs": { "column": "age" } },
            "result": { "element_count": 200, "unexpected_count": 3, "partial_unexpected_list": [null, "x", 4] },
            "exception_info": { "raised_exception": false },
        });
        let row = row(&result);
        assert_eq!(
            (row.observed.as_str(), row.sentence.as_str()),
            ("3 of 200 values (1.5 %)", "never missing")
        );
        assert_eq!(row.unexpected, ["", "x", "4"]);
        assert!(!row.passed);
    }
}
