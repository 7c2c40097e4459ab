//! `exp diff`: how parameters and metrics differ between two experiments, commits or the workspace.

use crate::compare::{ValueTable, ValuesDiff, difference};
use crate::error::Result;
use crate::experiments::show::{params_and_metrics, rounded};
use crate::pyjson;
use crate::repo::Repo;
use crate::yaml::{Key, Value};

/// What to compare.
#[derive(Clone, Debug)]
pub struct DiffExperiments {
    /// The older experiment or commit.
    pub old: String,
    /// The newer one, or `workspace`.
    pub new: String,
    /// Values that did not change as well.
    pub all: bool,
    /// Only parameters that stages depend on.
    pub param_deps: bool,
}

/// How metrics and parameters differ.
#[derive(Clone, Debug)]
pub struct ExperimentsDiff {
    names: (String, String),
    metrics: ValuesDiff,
    params: ValuesDiff,
}

/// How two experiments, commits or the workspace differ. What cannot be read counts as empty.
pub fn diff_experiments(repo: &Repo, what: &DiffExperiments) -> Result<ExperimentsDiff> {
    let DiffExperiments { old, new, all, param_deps } = what;
    let (before, after) =
        (params_and_metrics(repo, old, *param_deps)?, params_and_metrics(repo, new, *param_deps)?);
    Ok(ExperimentsDiff {
        names: (old.clone(), new.clone()),
        metrics: difference(&before.1, &after.1, *all),
        params: difference(&before.0, &after.0, *all),
    })
}

impl ExperimentsDiff {
    /// DVC's JSON.
    pub fn json(&self) -> String {
        let parts = [("metrics", &self.metrics), ("params", &self.params)];
        let parts = parts.into_iter().map(|(name, diff)| (Key::from(name), diff.to_value()));
        pyjson::text(&Value::Map(parts.collect()))
    }

    /// The tables of metrics, with that many significant digits, and of parameters.
    pub fn tables(&self, precision: usize, no_path: bool) -> [ValueTable; 2] {
        [
            self.table(&self.metrics, "Metric", Some(precision), no_path),
            self.table(&self.params, "Param", None, no_path),
        ]
    }

    fn table(&self, diff: &ValuesDiff, title: &str, precision: Option<usize>, no_path: bool) -> ValueTable {
        let headings = ["Path", title, self.names.0.as_str(), self.names.1.as_str(), "Change"];
        let cell = |value: &Value| match value {
            Value::Null => "-".to_owned(),
            value => rounded(value, precision),
        };
        let mut rows: Vec<Vec<String>> = Vec::new();
        for (path, key, old, new, change) in diff.entries() {
            let change = change.map_or_else(|| "diff not supported".to_owned(), cell);
            rows.push(vec![path.to_owned(), key.to_owned(), cell(old), cell(new), change]);
        }
        let without = usize::from(no_path);
        rows.iter_mut().for_each(|row| drop(row.drain(..without)));
        ValueTable { headings: headings[without..].iter().map(|name| (*name).to_owned()).collect(), rows }
    }
}
