//! Judgements with numbers: expectations on data, drift between tables, metrics of predictions, and the verdicts that
//! keep them.
//!
//! Statistics equal the reference implementations (scipy, scikit-learn, Great Expectations) within tolerances that
//! `cargo xtask goldens` lets anyone check.

pub mod bootstrap;
pub mod drift;
mod error;
pub mod expectation;
pub mod fairness;
pub mod metrics;
pub mod paired;
pub mod profile;
pub mod summary;
mod verdict;

pub use error::Error;
pub use verdict::{Outcome, Verdict, VerdictKind, Verdicts};

/// What every call of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;
