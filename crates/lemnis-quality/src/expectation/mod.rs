//! Expectations in Great Expectations' words: suites are its JSON or YAML, results have its shape.

mod aggregate;
mod cell;
mod infer;
mod map;
mod result;
mod run;
mod suite;
mod table;

pub use result::{ExpectationResult, Statistics, ValidationResult};
pub use suite::{Expectation, Suite};
