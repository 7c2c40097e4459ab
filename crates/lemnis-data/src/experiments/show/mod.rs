//! `exp show`: parameters and metrics of the workspace, of commits and of their experiments, as DVC's JSON and as a
//! table. What cannot be read stands there with its error instead of hiding the rest.

mod number;
mod table;

pub(crate) use number::rounded;
pub use table::{Style, TableOptions};

use crate::error::{Error, Result};
use crate::experiments::queue::{QueueTask, TaskState, process_note, queue_tasks};
use crate::experiments::{Baselines, Experiment, baselines, experiments};
use crate::hash::Recorded;
use crate::imports::external;
use crate::index::Index;
use crate::repo::Repo;
use crate::revision::{git, no_git};
use crate::stage::OutKind;
use crate::values::{self, Values, WORKSPACE, Wanted};
use crate::yaml::{Key, Map, Value};
use crate::{pyjson, yaml};

/// What to show.
#[derive(Clone, Debug, Default)]
pub struct ShowExperiments {
    /// The commits, with the experiments that started from them.
    pub from: Baselines,
    /// Only parameters that stages depend on.
    pub param_deps: bool,
    /// Commits without the names of branches and tags.
    pub sha_only: bool,
    /// Leave out the workspace.
    pub hide_workspace: bool,
    /// Leave out what failed in the queue.
    pub hide_failed: bool,
    /// Leave out what waits in the queue.
    pub hide_queued: bool,
}

/// What is known about the workspace, commits and experiments.
#[derive(Clone, Debug)]
pub struct ExperimentTable {
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    state: State,
    experiments: Vec<State>,
}

#[derive(Clone, Debug)]
struct State {
    rev: String,
    name: Option<String>,
    data: Option<Data>,
    error: Option<Fault>,
    executor: Option<Executor>,
}

#[derive(Clone, Debug)]
struct Data {
    timestamp: Option<String>,
    params: Values,
    metrics: Values,
    deps: Map,
    outs: Map,
}

/// Why there is nothing to show, with DVC's name of the kind.
#[derive(Clone, Debug)]
struct Fault {
    message: String,
    kind: &'static str,
}

/// Who has or had a task of the queue.
#[derive(Clone, Debug)]
struct Executor {
    state: TaskState,
    local: Value,
}

impl Executor {
    fn of(repo: &Repo, task: &QueueTask) -> Result<Self> {
        let mut entries = vec![
            ("root", Value::Null),
            ("log", Value::Null),
            ("pid", Value::Null),
            ("returncode", Value::Null),
            ("task_id", task.rev.as_str().into()),
        ];
        let known = match task.state {
            TaskState::Queued => true,
            _ => match process_note(repo, &task.rev)? {
                Some(note) => {
                    entries[1].1 = note.log.as_deref().map_or(Value::Null, Value::from);
                    entries[2].1 = note.pid.map_or(Value::Null, |pid| Value::from(u64::from(pid)));
                    entries[3].1 = note.returncode.map_or(Value::Null, |code| Value::Int(code.into()));
                    true
                }
                None => false,
            },
        };
        Ok(Self { state: task.state, local: if known { object(entries) } else { Value::Null } })
    }

    fn name(&self) -> Option<&'static str> {
        (self.state != TaskState::Failed).then_some("dvc-task")
    }

    fn to_value(&self) -> Value {
        object(vec![
            ("state", self.state.to_string().to_lowercase().as_str().into()),
            ("name", self.name().map_or(Value::Null, Value::from)),
            ("local", self.local.clone()),
        ])
    }
}

/// Gathers the workspace and the commits with their experiments: what runs, what is done, what waits, what failed, the
/// newest of each kind first.
pub fn show_experiments(repo: &Repo, what: &ShowExperiments) -> Result<ExperimentTable> {
    if repo.has_no_commits()? {
        return Ok(ExperimentTable { rows: Vec::new() });
    }
    let deps_only = what.param_deps;
    let mut rows = Vec::new();
    if !what.hide_workspace {
        rows.push(Row { state: workspace(repo, deps_only)?, experiments: Vec::new() });
    }
    let all = experiments(repo)?;
    let tasks = queue_tasks(repo)?;
    for (commit, name) in baselines(repo, &what.from)? {
        let mut kinds = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
        for task in tasks.iter().filter(|task| task.baseline == commit) {
            let kind = match task.state {
                TaskState::Success => continue,
                TaskState::Queued if what.hide_queued => continue,
                TaskState::Failed if what.hide_failed => continue,
                TaskState::Running => 0,
                TaskState::Queued => 2,
                TaskState::Failed => 3,
            };
            kinds[kind].push(of_task(repo, task, deps_only)?);
        }
        for one in all.iter().filter(|one| one.baseline == commit) {
            kinds[1].push(of_experiment(repo, one, &tasks, deps_only)?);
        }
        for states in &mut kinds {
            let age = |state: &State| {
                let timestamp = state.data.as_ref().and_then(|data| data.timestamp.clone());
                timestamp.map(|timestamp| (timestamp, state.rev.clone()))
            };
            states.sort_by_key(|state| std::cmp::Reverse(age(state)));
        }
        let name = (!name.is_empty() && !what.sha_only).then_some(name);
        // DVC shows all parameters of the commits themselves, also with --param-deps
        let state = State { name, ..at_commit(repo, &commit, false)? };
        rows.push(Row { state, experiments: kinds.into_iter().flatten().collect() });
    }
    Ok(ExperimentTable { rows })
}

fn of_experiment(repo: &Repo, one: &Experiment, tasks: &[QueueTask], deps_only: bool) -> Result<State> {
    let made = |task: &&QueueTask| {
        task.state == TaskState::Success && task.baseline == one.baseline && task.name == one.name
    };
    let executor = tasks.iter().find(made).map(|task| Executor::of(repo, task)).transpose()?;
    Ok(State { name: Some(one.name.clone()), executor, ..at_commit(repo, &one.commit, deps_only)? })
}

/// A task of the queue: its parameters are known, the rest is of the commit that it starts from.
fn of_task(repo: &Repo, task: &QueueTask, deps_only: bool) -> Result<State> {
    let mut state = at_commit(repo, &task.rev, deps_only)?;
    state.name = Some(task.name.clone());
    state.executor = Some(Executor::of(repo, task)?);
    match (task.state, &mut state.data) {
        (TaskState::Failed, _) => {
            state.error = Some(Fault { message: "Experiment run failed".into(), kind: "" });
        }
        (_, Some(data)) => data.metrics = Values::default(),
        _ => {}
    }
    Ok(state)
}

fn workspace(repo: &Repo, deps_only: bool) -> Result<State> {
    State::of(repo, WORKSPACE, data(repo, None, deps_only))
}

fn at_commit(repo: &Repo, commit: &str, deps_only: bool) -> Result<State> {
    let git_root = repo.git_root().ok_or_else(no_git)?;
    let format = ["show", "--no-patch", "--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%S", commit];
    let time = git(git_root, &format)?.trim().to_owned();
    match repo.at_commit(commit)? {
        Some(then) => State::of(&then, commit, data(&then, Some(time), deps_only)),
        None => State::of(
            repo,
            commit,
            Ok(Data {
                timestamp: Some(time),
                params: Values::default(),
                metrics: Values::default(),
                deps: Map::new(),
                outs: Map::new(),
            }),
        ),
    }
}

/// Parameters and metrics of the workspace or a commit; nothing where its definitions cannot be read.
pub(crate) fn params_and_metrics(repo: &Repo, rev: &str, deps_only: bool) -> Result<(Values, Values)> {
    let state = match rev {
        WORKSPACE => workspace(repo, deps_only)?,
        rev => at_commit(repo, &repo.resolve(rev)?, deps_only)?,
    };
    Ok(state.data.map(|data| (data.params, data.metrics)).unwrap_or_default())
}

fn data(repo: &Repo, timestamp: Option<String>, deps_only: bool) -> Result<Data> {
    let index = Index::load(repo)?;
    let (mut deps, mut outs) = (Map::new(), Map::new());
    for stage in &index.stages {
        for dep in stage.deps.iter().filter(|_| !stage.import) {
            deps.insert(Key::from(repo.in_repo(&dep.path)), Value::Map(hash_of(dep.recorded.as_ref())));
        }
        for one in &stage.external {
            let path = external::path(repo, one);
            deps.insert(Key::from(path), Value::Map(hash_there(one.recorded.as_ref())));
        }
        for out in stage.outs.iter().filter(|out| out.kind == OutKind::Out) {
            let mut entry = hash_of(out.recorded.as_ref());
            entry.insert("use_cache".into(), out.cache.into());
            entry.insert("is_data_source".into(), (stage.cmd.is_none() && stage.name.is_none()).into());
            outs.insert(Key::from(repo.in_repo(&out.path)), Value::Map(entry));
        }
    }
    let wanted = Wanted { stages_only: deps_only, ..Wanted::default() };
    let params = values::params(repo, &index, &wanted)?;
    let metrics = values::metrics(repo, &index, &Wanted::default())?;
    Ok(Data { timestamp, params, metrics, deps, outs })
}

fn hash_of(recorded: Option<&Recorded>) -> Map {
    let number = |number: Option<u64>| number.map_or(Value::Null, Value::from);
    let mut map = Map::new();
    map.insert("hash".into(), recorded.map_or(Value::Null, |recorded| recorded.md5.as_str().into()));
    map.insert("size".into(), number(recorded.and_then(|recorded| recorded.size)));
    map.insert("nfiles".into(), number(recorded.and_then(|recorded| recorded.nfiles)));
    map
}

/// The same of what a store said of a dependency.
fn hash_there(recorded: Option<&Map>) -> Map {
    let of = |keys: &[&str]| {
        let value = keys.iter().find_map(|key| recorded?.get(*key).cloned());
        value.unwrap_or(Value::Null)
    };
    let entries =
        [("hash", of(&["md5", "etag", "checksum"])), ("size", of(&["size"])), ("nfiles", of(&["nfiles"]))];
    entries.into_iter().map(|(key, value)| (Key::from(key), value)).collect()
}

fn object(entries: Vec<(&str, Value)>) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (Key::from(key), value)).collect())
}

fn text(value: Option<&String>) -> Value {
    value.map_or(Value::Null, |text| Value::from(text.as_str()))
}

impl Fault {
    fn of(repo: &Repo, error: &Error) -> Self {
        let kind = match error {
            Error::Malformed { file, message, .. } => kind_of(repo, file, message),
            Error::Missing { .. } => "MissingParamsFile",
            _ => "DvcException",
        };
        Self { message: error.to_string(), kind }
    }
}

/// DVC's name of what is wrong with a definition or a parameter file.
fn kind_of(repo: &Repo, file: &str, message: &str) -> &'static str {
    let is_definition = file.ends_with("dvc.yaml") || file.ends_with("dvc.lock") || file.ends_with(".dvc");
    if !is_definition {
        return match file.rsplit('.').next() {
            Some("json") => "JSONFileCorruptedError",
            Some("toml") => "TOMLFileCorruptedError",
            Some("py") => "PythonFileCorruptedError",
            _ => "YAMLFileCorruptedError",
        };
    }
    let text = repo.read_text(&repo.root().join(file)).ok().flatten().unwrap_or_default();
    if yaml::parse(&text, file).is_err() {
        "YAMLSyntaxError"
    } else if message.contains("${") || message.contains("not defined") {
        "ResolveError"
    } else {
        "YAMLValidationError"
    }
}

impl State {
    fn of(repo: &Repo, rev: &str, data: Result<Data>) -> Result<Self> {
        let (data, error) = match data {
            Ok(data) => (Some(data), None),
            Err(error @ Error::Interrupted { .. }) => return Err(error),
            Err(error) => (None, Some(Fault::of(repo, &error))),
        };
        Ok(Self { rev: rev.to_owned(), name: None, data, error, executor: None })
    }

    fn short(&self) -> &str {
        if self.rev == WORKSPACE { WORKSPACE } else { self.rev.get(..7).unwrap_or(&self.rev) }
    }

    fn to_value(&self, experiments: Value) -> Value {
        let data = self.data.as_ref().map_or(Value::Null, |data| {
            object(vec![
                ("rev", self.rev.as_str().into()),
                ("timestamp", text(data.timestamp.as_ref())),
                ("params", data.params.to_value()),
                ("metrics", data.metrics.to_value()),
                ("deps", Value::Map(data.deps.clone())),
                ("outs", Value::Map(data.outs.clone())),
                ("meta", Value::Map(Map::new())),
            ])
        });
        let error = self.error.as_ref().map_or(Value::Null, |fault| {
            object(vec![("msg", fault.message.as_str().into()), ("type", fault.kind.into())])
        });
        object(vec![
            ("rev", self.rev.as_str().into()),
            ("name", text(self.name.as_ref())),
            ("data", data),
            ("error", error),
            ("experiments", experiments),
        ])
    }
}

impl ExperimentTable {
    /// DVC's JSON.
    pub fn json(&self) -> String {
        let row = |row: &Row| {
            let experiments = row.experiments.iter().map(|state| {
                object(vec![
                    ("revs", Value::Seq(vec![state.to_value(Value::Null)])),
                    ("executor", state.executor.as_ref().map_or(Value::Null, Executor::to_value)),
                    ("name", text(state.name.as_ref())),
                ])
            });
            let experiments = match row.experiments.is_empty() {
                true => Value::Null,
                false => Value::Seq(experiments.collect()),
            };
            row.state.to_value(experiments)
        };
        pyjson::text(&Value::Seq(self.rows.iter().map(row).collect()))
    }
}
