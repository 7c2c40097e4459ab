//! `exp show` and `exp diff`: parameters and metrics of the workspace, of commits and of their experiments.

use indexmap::IndexMap;

use crate::compare::{difference, flatten, python_str};
use crate::error::Result;
use crate::experiments::queue::{QueueTask, TaskState, queue_tasks};
use crate::experiments::{Experiment, baselines, experiments};
use crate::hash::Recorded;
use crate::index::Index;
use crate::repo::Repo;
use crate::revision::{git, no_git};
use crate::values::{self, FileValues, RevisionScope, Values, WORKSPACE, Wanted};
use crate::yaml::{Key, Map, Value};
use crate::{ValueTable, pyjson};

/// What is known about the workspace, commits and experiments.
#[derive(Clone, Debug)]
pub struct ExperimentTable {
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    state: State,
    experiments: Option<Vec<State>>,
}

#[derive(Clone, Debug)]
struct State {
    /// The task that it comes from, where it is no experiment yet.
    task: Option<TaskState>,
    rev: String,
    name: Option<String>,
    timestamp: Option<String>,
    params: Values,
    metrics: Values,
    deps: Value,
    outs: Value,
}

/// Gathers the workspace and the commits of the scope (the present one when it is empty) with their experiments.
pub fn show_experiments(repo: &Repo, scope: RevisionScope, revs: &[String]) -> Result<ExperimentTable> {
    let mut rows = vec![Row { state: state(repo, WORKSPACE, None, None)?, experiments: None }];
    let all = experiments(repo)?;
    let tasks = queue_tasks(repo)?;
    for (commit, name) in baselines(repo, scope, revs)? {
        let own: Vec<&Experiment> = all.iter().filter(|one| one.baseline == commit).collect();
        let mut states = Vec::new();
        for task in tasks.iter().filter(|task| task.baseline == commit) {
            if task.state != TaskState::Success {
                states.push(waiting(repo, task)?);
            }
        }
        for one in own {
            states.push(at_commit(repo, &one.commit, Some(one.name.clone()))?);
        }
        let name = (!name.is_empty()).then_some(name);
        let experiments = (!states.is_empty()).then_some(states);
        rows.push(Row { state: at_commit(repo, &commit, name)?, experiments });
    }
    Ok(ExperimentTable { rows })
}

fn at_commit(repo: &Repo, commit: &str, name: Option<String>) -> Result<State> {
    let git_root = repo.git_root().ok_or_else(no_git)?;
    let format = ["show", "--no-patch", "--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%S", commit];
    let time = git(git_root, &format)?.trim().to_owned();
    match repo.at_commit(commit)? {
        Some(then) => state(&then, commit, name, Some(time)),
        None => Ok(State {
            task: None,
            rev: commit.to_owned(),
            name,
            timestamp: Some(time),
            params: Values::default(),
            metrics: Values::default(),
            deps: Value::Map(Map::new()),
            outs: Value::Map(Map::new()),
        }),
    }
}

/// A task of the queue: its parameters are known, the rest is of the commit that it starts from.
fn waiting(repo: &Repo, task: &QueueTask) -> Result<State> {
    let mut state = at_commit(repo, &task.rev, Some(task.name.clone()))?;
    state.metrics = Values::default();
    state.task = Some(task.state);
    Ok(state)
}

fn state(repo: &Repo, rev: &str, name: Option<String>, timestamp: Option<String>) -> Result<State> {
    let index = Index::load(repo)?;
    let wanted = Wanted::default();
    let (mut deps, mut outs) = (Map::new(), Map::new());
    for stage in &index.stages {
        for dep in stage.deps.iter().filter(|_| !stage.import) {
            deps.insert(Key::from(repo.in_repo(&dep.path)), Value::Map(hash_of(dep.recorded.as_ref())));
        }
        for out in &stage.outs {
            let mut entry = hash_of(out.recorded.as_ref());
            entry.insert("use_cache".into(), out.cache.into());
            entry.insert("is_data_source".into(), (stage.cmd.is_none() && stage.name.is_none()).into());
            outs.insert(Key::from(repo.in_repo(&out.path)), Value::Map(entry));
        }
    }
    Ok(State {
        task: None,
        rev: rev.to_owned(),
        name,
        timestamp,
        params: values::params(repo, &index, &wanted)?,
        metrics: values::metrics(repo, &index, &wanted)?,
        deps: Value::Map(deps),
        outs: Value::Map(outs),
    })
}

fn hash_of(recorded: Option<&Recorded>) -> Map {
    let number = |number: Option<u64>| number.map_or(Value::Null, Value::from);
    let mut map = Map::new();
    map.insert("hash".into(), recorded.map_or(Value::Null, |recorded| recorded.md5.as_str().into()));
    map.insert("size".into(), number(recorded.and_then(|recorded| recorded.size)));
    map.insert("nfiles".into(), number(recorded.and_then(|recorded| recorded.nfiles)));
    map
}

fn object(entries: Vec<(&str, Value)>) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (Key::from(key), value)).collect())
}

fn text(value: Option<&String>) -> Value {
    value.map_or(Value::Null, |text| Value::from(text.as_str()))
}

impl State {
    fn to_value(&self, experiments: Value) -> Value {
        let data = object(vec![
            ("rev", self.rev.as_str().into()),
            ("timestamp", text(self.timestamp.as_ref())),
            ("params", self.params.to_value()),
            ("metrics", self.metrics.to_value()),
            ("deps", self.deps.clone()),
            ("outs", self.outs.clone()),
            ("meta", Value::Map(Map::new())),
        ]);
        let error = match self.task {
            Some(TaskState::Failed) => {
                object(vec![("msg", "Experiment run failed".into()), ("type", "".into())])
            }
            _ => Value::Null,
        };
        object(vec![
            ("rev", self.rev.as_str().into()),
            ("name", text(self.name.as_ref())),
            ("data", data),
            ("error", error),
            ("experiments", experiments),
        ])
    }

    fn values(&self, of: &Values) -> IndexMap<String, Value> {
        let mut out = IndexMap::new();
        for file in of.files.values() {
            if let FileValues::Data(Value::Map(map)) = file {
                flatten(map, "", &mut out);
            }
        }
        out
    }
}

/// Who has the experiment, for one that is not done.
fn executor(state: &State) -> Value {
    let Some(task) = state.task else { return Value::Null };
    let local = ["root", "log", "pid", "returncode"].map(|name| (name, Value::Null));
    let local = local.into_iter().chain([("task_id", state.rev.as_str().into())]).collect();
    object(vec![
        ("state", task.to_string().to_lowercase().as_str().into()),
        ("name", if task == TaskState::Failed { Value::Null } else { "dvc-task".into() }),
        ("local", object(local)),
    ])
}

impl ExperimentTable {
    /// DVC's JSON.
    pub fn json(&self) -> String {
        let row = |row: &Row| {
            let experiments = row.experiments.iter().flatten().map(|state| {
                object(vec![
                    ("revs", Value::Seq(vec![state.to_value(Value::Null)])),
                    ("executor", executor(state)),
                    ("name", text(state.name.as_ref())),
                ])
            });
            let experiments =
                row.experiments.as_ref().map_or(Value::Null, |_| Value::Seq(experiments.collect()));
            row.state.to_value(experiments)
        };
        pyjson::text(&Value::Seq(self.rows.iter().map(row).collect()))
    }

    /// One row a state; metrics, then parameters. `precision` counts significant digits.
    pub fn table(&self, precision: usize) -> ValueTable {
        let mut states = Vec::new();
        for row in &self.rows {
            let short = |state: &State| state.rev[..state.rev.len().min(7)].to_owned();
            let name = row.state.name.clone();
            states.push((
                name.unwrap_or_else(|| {
                    if row.state.timestamp.is_none() { WORKSPACE.into() } else { short(&row.state) }
                }),
                &row.state,
            ));
            let own = row.experiments.as_deref().unwrap_or_default();
            for (at, state) in own.iter().enumerate() {
                let branch = if at + 1 == own.len() { "└──" } else { "├──" };
                let name = state.name.as_deref().unwrap_or_default();
                states.push((format!("{branch} {} [{name}]", short(state)), state));
            }
        }
        let columns = |of: fn(&State) -> &Values| {
            let mut names: Vec<String> = Vec::new();
            for (_, state) in &states {
                for name in state.values(of(state)).into_keys() {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
            }
            names
        };
        let (metrics, params) = (columns(|state| &state.metrics), columns(|state| &state.params));
        let mut headings = vec!["Experiment".into(), "Created".into()];
        let tasks = states.iter().any(|(_, state)| state.task.is_some());
        if tasks {
            headings.push("State".into());
        }
        let mut table = ValueTable { headings, ..ValueTable::default() };
        table.headings.extend(metrics.iter().chain(&params).cloned());
        for (name, state) in &states {
            let mut row =
                vec![name.clone(), state.timestamp.clone().unwrap_or_else(|| "-".into()).replace('T', " ")];
            if tasks {
                row.push(state.task.map_or_else(|| "-".to_owned(), |task| task.to_string()));
            }
            for (names, values) in
                [(&metrics, state.values(&state.metrics)), (&params, state.values(&state.params))]
            {
                row.extend(names.iter().map(|name| match values.get(name) {
                    Some(Value::Float(number)) if number.is_finite() => significant(*number, precision),
                    Some(Value::Null) | None => "-".into(),
                    Some(other) => python_str(other),
                }));
            }
            table.rows.push(row);
        }
        table
    }
}

/// Python's `format(number, ".5g")`.
fn significant(number: f64, digits: usize) -> String {
    let digits = digits.max(1);
    if number == 0.0 {
        return "0".into();
    }
    let scientific = format!("{number:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if exponent < -4 || exponent >= digits as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim(mantissa), exponent.abs());
    }
    let after = (digits as i32 - 1 - exponent).max(0) as usize;
    trim(&format!("{number:.after$}"))
}

/// How parameters and metrics differ between two experiments, commits or the workspace, as DVC's JSON and as
/// tables of metrics and parameters.
pub fn diff_experiments(
    repo: &Repo,
    old: &str,
    new: &str,
    all: bool,
) -> Result<(String, ValueTable, ValueTable)> {
    let wanted = Wanted::default();
    let side = |name: &str| -> Result<(Values, Values)> {
        let params = values::at(repo, name, |repo, index| values::params(repo, index, &wanted))?;
        Ok((params, values::at(repo, name, |repo, index| values::metrics(repo, index, &wanted))?))
    };
    let (before, after) = (side(old)?, side(new)?);
    let params = difference(&before.0, &after.0, all);
    let metrics = difference(&before.1, &after.1, all);
    let json = pyjson::text(&object(vec![("metrics", metrics.to_value()), ("params", params.to_value())]));
    let names = (old, new);
    Ok((
        json,
        metrics.table("Metric", names, false, Some(5), true),
        params.table("Param", names, false, None, true),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_significant_digits_as_in_python() {
        let cases = [
            (0.256789, "0.25679"),
            (1e-7, "1e-07"),
            (12345678.9, "1.2346e+07"),
            (100.0, "100"),
            (0.5, "0.5"),
        ];
        for (number, text) in cases {
            assert_eq!(significant(number, 5), text);
        }
    }
}
