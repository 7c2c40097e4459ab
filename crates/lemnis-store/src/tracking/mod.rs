//! The ports of experiment tracking and of the model registry.

mod assessments;
mod clause;
mod evaluation;
mod experiments;
mod history;
mod inputs;
mod issues;
mod log;
mod logged_models;
mod logged_search;
mod models;
mod point_queue;
mod registry;
mod run_rank;
mod run_search;
mod runs;
mod scorers;
mod served;
mod traces;
mod versions;
mod webhooks;
pub(crate) mod whole;

use lemnis_tracking::{Error, Tag};

use crate::Fail;
use crate::sql::{self, Columns};
pub(crate) use log::put_points;
pub(crate) use point_queue::PointQueue;

/// How a job on a connection ends.
pub(crate) type Done<T> = Result<T, Fail<Error>>;

/// `limit + 1` as SQL takes it: the row too many says that there is a next page.
fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

fn offset(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

/// A tag from the columns after `first`: key, value.
fn tag(row: &impl Columns, first: usize) -> Result<Tag, sql::Error> {
    Ok(Tag { key: row.try_get(first)?, value: row.try_get(first + 1)? })
}

/// What is kept for a metric's value: a finite number and whether it stands for NaN.
pub(crate) fn kept(value: f64) -> (f64, bool) {
    if value.is_nan() { (0.0, true) } else { (lemnis_tracking::rules::finite(value), false) }
}

/// The value that was kept as (`value`, `is_nan`).
fn shown(value: f64, is_nan: bool) -> f64 {
    if is_nan { f64::NAN } else { value }
}

/// The URI `base` with `parts` added to its path; a query stays behind the path.
fn below(base: &str, parts: &[&str]) -> String {
    let (path, query) = match base.split_once('?') {
        Some((path, query)) => (path, format!("?{query}")),
        None => (base, String::new()),
    };
    format!("{}/{}{query}", path.trim_end_matches('/'), parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uris_query_stays_behind_its_path() {
        assert_eq!(below("mlflow-artifacts:/1", &["r", "artifacts"]), "mlflow-artifacts:/1/r/artifacts");
        assert_eq!(below("s3://b/x/?region=eu", &["r"]), "s3://b/x/r?region=eu");
    }
}
