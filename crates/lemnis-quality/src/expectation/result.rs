//! Results in the shape that Great Expectations 1.x writes.

use serde::Serialize;
use serde_json::{Value, json};

use super::suite::Expectation;

/// What a suite said of a table.
#[derive(Clone, Debug, Serialize)]
pub struct ValidationResult {
    /// Whether every expectation held.
    pub success: bool,
    /// The expectations, in the suite's order.
    pub results: Vec<ExpectationResult>,
    /// The suite's name.
    pub suite_name: String,
    /// Always empty here.
    pub suite_parameters: Value,
    /// How many held.
    pub statistics: Statistics,
    /// Always empty here.
    pub meta: Value,
}

/// How many expectations held.
#[derive(Clone, Debug, Serialize)]
pub struct Statistics {
    /// All.
    pub evaluated_expectations: usize,
    /// Those that held.
    pub successful_expectations: usize,
    /// Those that did not.
    pub unsuccessful_expectations: usize,
    /// The share that held, in percent; nothing without expectations.
    pub success_percent: Option<f64>,
}

/// What one expectation said.
#[derive(Clone, Debug, Serialize)]
pub struct ExpectationResult {
    /// Whether it held.
    pub success: bool,
    /// The expectation.
    pub expectation_config: Expectation,
    /// The figures.
    pub result: Value,
    /// Always empty here.
    pub meta: Value,
    /// Whether it could not be checked, and why.
    pub exception_info: Value,
}

impl ValidationResult {
    pub(super) fn of(name: &str, results: Vec<ExpectationResult>) -> Self {
        let evaluated = results.len();
        let held = results.iter().filter(|result| result.success).count();
        Self {
            success: held == evaluated,
            results,
            suite_name: name.to_owned(),
            suite_parameters: json!({}),
            statistics: Statistics {
                evaluated_expectations: evaluated,
                successful_expectations: held,
                unsuccessful_expectations: evaluated - held,
                success_percent: (evaluated > 0).then(|| held as f64 / evaluated as f64 * 100.0),
            },
            meta: json!({}),
        }
    }
}

impl ExpectationResult {
    pub(super) fn new(expectation: &Expectation, success: bool, result: Value) -> Self {
        Self {
            success,
            expectation_config: expectation.clone(),
            result,
            meta: json!({}),
            exception_info: json!({
                "raised_exception": false,
                "exception_message": null,
                "exception_traceback": null,
            }),
        }
    }

    /// An expectation that could not be checked.
    pub(super) fn raised(expectation: &Expectation, message: &str) -> Self {
        let mut result = Self::new(expectation, false, json!({}));
        result.exception_info["raised_exception"] = true.into();
        result.exception_info["exception_message"] = message.into();
        result
    }
}
