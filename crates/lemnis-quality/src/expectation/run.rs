//! From an expectation's name to what checks it.

use lemnis_table::Table;

use super::result::ExpectationResult;
use super::suite::Expectation;
use super::{aggregate, map, table as whole};

/// Checks one expectation. What cannot be checked is reported, not passed over.
pub(super) fn run(expectation: &Expectation, table: &Table) -> ExpectationResult {
    if expectation.argument("row_condition").is_some() {
        return ExpectationResult::raised(expectation, "unsupported: row_condition");
    }
    let kind = expectation.kind.as_str();
    let checked = map::run(kind, expectation, table)
        .or_else(|| aggregate::run(kind, expectation, table))
        .or_else(|| whole::run(kind, expectation, table));
    match checked {
        Some(Ok((success, result))) => ExpectationResult::new(expectation, success, result),
        Some(Err(problem)) => ExpectationResult::raised(expectation, &problem),
        None => ExpectationResult::raised(expectation, &format!("unsupported: {kind}")),
    }
}

/// Whether an expectation held and its figures, or why it could not be checked.
pub(super) type Checked = Result<(bool, serde_json::Value), String>;

/// The argument `name` as text.
pub(super) fn text<'a>(expectation: &'a Expectation, name: &str) -> Result<&'a str, String> {
    expectation
        .argument(name)
        .and_then(|value| value.as_str())
        .ok_or_else(|| format!("the argument {name} is missing"))
}

/// The argument `name` as a list.
pub(super) fn list<'a>(expectation: &'a Expectation, name: &str) -> Result<&'a [serde_json::Value], String> {
    expectation
        .argument(name)
        .and_then(|value| value.as_array())
        .map(Vec::as_slice)
        .ok_or_else(|| format!("the argument {name} is missing"))
}

/// The argument `name` as a flag; false where it is not given.
pub(super) fn flag(expectation: &Expectation, name: &str) -> bool {
    expectation.argument(name).and_then(serde_json::Value::as_bool).unwrap_or(false)
}
