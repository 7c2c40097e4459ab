//! Hyperparameter search in an experiment: the next points to try, and which params its metric depended on.
//!
//! The runs are all there is to know: they come from any MLflow client, and two servers on one database see the same.

use indexmap::IndexMap;
use lemnis_core::{Action, Principal};
use lemnis_tracking::suggest::{self, Direction, Importance, Method, Objective, Outcome, Space, text_of};
use lemnis_tracking::{Batch, Experiment, ExperimentId, Lifecycle, NewRun, Param, Run, RunId, RunSearch};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{App, Context, Error, authorise, blocking};

/// The experiment's tag that may hold its search space, as JSON.
pub const SPACE_TAG: &str = "lemnis.space";
/// The tag of a run that a suggestion made.
pub const SUGGESTED_TAG: &str = "lemnis.suggested";
/// Runs that are looked at, the newest first.
const MAX_RUNS: usize = 2_000;
/// Runs whose params a metric is explained by; a tree's work grows with their square.
const MAX_EXPLAINED: usize = 500;
/// Points in one answer.
const MAX_COUNT: usize = 100;

/// What is searched in an experiment, as `lemnis.yaml` declares it.
#[derive(Clone, Debug, Default, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchSettings {
    /// The metric to improve.
    #[serde(default)]
    pub metric: Option<String>,
    /// `maximize` or `minimize`.
    #[serde(default)]
    pub direction: Option<Direction>,
    /// What each param may be: `1e-5..1e-1:log`, `2..12:int`, or a list of values.
    #[serde(default)]
    pub space: IndexMap<String, Value>,
}

impl SearchSettings {
    /// What is wrong with the space, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.space().map(drop).map_err(|error| error.to_string())
    }

    fn space(&self) -> Result<Space, lemnis_tracking::Error> {
        Space::from_json(&self.space.clone().into_iter().collect())
    }
}

/// Asks for the next points of an experiment.
#[derive(Clone, Debug, Default, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suggest {
    /// The experiment's name or id.
    pub experiment: String,
    /// The metric to improve (default: `lemnis.yaml`'s).
    #[serde(default)]
    pub metric: Option<String>,
    /// Which way it improves (default: `lemnis.yaml`'s).
    #[serde(default)]
    pub direction: Option<Direction>,
    /// What each param may be (default: the experiment's tag, `lemnis.yaml`, or what past runs span).
    #[serde(default)]
    pub space: Option<Map<String, Value>>,
    /// How many points.
    #[serde(default)]
    pub count: Option<usize>,
    /// What the answer's chance is drawn from; the same seed and runs give the same answer.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Trials before it is learned from them.
    #[serde(default)]
    pub startup: Option<usize>,
    /// Whether a run is begun for each point, with its params logged.
    #[serde(default)]
    pub start: bool,
}

/// Where a search space came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SpaceFrom {
    /// The caller gave it.
    Request,
    /// The experiment's tag holds it.
    ExperimentTag,
    /// `lemnis.yaml` declares it.
    Settings,
    /// The params of past runs span it: nothing outside what was tried is proposed.
    PastRuns,
}

/// What is known of the experiment's runs.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Known {
    /// Runs with a value.
    pub finished: usize,
    /// Runs that have not ended.
    pub running: usize,
    /// Runs that failed or have no value.
    pub failed: usize,
    /// Runs outside the space.
    pub elsewhere: usize,
}

/// One point to try.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Point {
    /// A value for each param.
    pub params: Map<String, Value>,
    /// How it was found.
    pub method: Method,
    /// The run that was begun for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
}

/// The best run so far.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Best {
    /// The run.
    pub run_id: RunId,
    /// Its value.
    pub value: f64,
}

/// The next points of an experiment.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Suggestions {
    /// The experiment.
    pub experiment_id: ExperimentId,
    /// Its name.
    pub experiment: String,
    /// The metric to improve.
    pub metric: String,
    /// Which way it improves.
    pub direction: Direction,
    /// The space that was searched, in a form that may be asked with again.
    pub space: Map<String, Value>,
    /// Where the space came from.
    pub space_from: SpaceFrom,
    /// The seed that gives the same answer again.
    pub seed: u64,
    /// What the runs say.
    pub runs: Known,
    /// The best run so far, if any ended with a value.
    pub best: Option<Best>,
    /// The points.
    pub suggestions: Vec<Point>,
}

/// The next points of `cmd.experiment`; with `cmd.start` a run is begun for each, so that whoever asks next knows of it.
pub async fn suggest(app: &App, who: &Principal, cmd: &Suggest) -> Result<Suggestions, Error> {
    authorise(who, if cmd.start { Action::Write } else { Action::Read })?;
    let count = cmd.count.unwrap_or(1);
    if !(1..=MAX_COUNT).contains(&count) {
        return Err(Error::invalid(format!("count must be between 1 and {MAX_COUNT}")));
    }
    let experiment = experiment(app, &cmd.experiment).await?;
    let settings = declared(app, &experiment)?;
    let objective = objective(cmd.metric.clone(), cmd.direction, &settings)?;
    // Two that begin runs at once must each see the other's.
    let _alone = if cmd.start { Some(app.suggesting.lock().await) } else { None };
    let runs = runs(app, &experiment, MAX_RUNS).await?;
    let (space, space_from) = space(cmd, &experiment, &settings, &runs)?;
    // A number that JSON's readers keep whole.
    let seed = cmd.seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u128() as u64 >> 11);
    let startup = cmd.startup.unwrap_or(10);
    let (trials, points) = blocking(move || {
        let trials = suggest::trials(&space, &objective, &runs);
        let points = suggest::suggest(&space, &objective, &trials, count, startup, seed)
            .context("looking for the next point")?;
        Ok(((trials, space, objective), points))
    })
    .await?;
    let (trials, space, objective) = trials;
    let best = trials.best(&objective).map(|(run_id, value)| Best { run_id: run_id.clone(), value });
    let mut suggestions = Vec::with_capacity(points.len());
    for point in points {
        let run_id = if cmd.start { Some(begin(app, who, &experiment, &point.params).await?) } else { None };
        suggestions.push(Point { params: point.params, method: point.method, run_id });
    }
    Ok(Suggestions {
        experiment_id: experiment.experiment_id,
        experiment: experiment.name,
        metric: objective.metric,
        direction: objective.direction,
        space: space.to_json(),
        space_from,
        seed,
        runs: Known {
            finished: trials.count(|outcome| matches!(outcome, Outcome::Value(_))),
            running: trials.count(|outcome| *outcome == Outcome::Pending),
            failed: trials.count(|outcome| *outcome == Outcome::Failed),
            elsewhere: trials.elsewhere,
        },
        best,
        suggestions,
    })
}

/// Begins a run with these params.
async fn begin(
    app: &App,
    who: &Principal,
    experiment: &Experiment,
    params: &Map<String, Value>,
) -> Result<RunId, Error> {
    let mut new = NewRun::new(experiment.experiment_id, app.clock.now_ms());
    new.user_id = who.name.clone();
    new.tags.push(lemnis_tracking::Tag::new(SUGGESTED_TAG, "true"));
    let run = app.runs.create(&new).await.context("beginning a run")?;
    let params = params.iter().map(|(name, value)| Param::new(name, text_of(value))).collect();
    let batch = Batch { params, ..Batch::default() };
    app.runs.log(&run.info.run_id, &batch).await.context("logging the suggested params")?;
    Ok(run.info.run_id)
}

/// Asks what a metric depended on.
#[derive(Clone, Debug, Default, JsonSchema, Deserialize)]
pub struct Explain {
    /// The experiment's name or id.
    #[serde(default)]
    pub experiment: String,
    /// The metric (default: `lemnis.yaml`'s, else the one that most runs have).
    #[serde(default)]
    pub metric: Option<String>,
}

/// One run's place in the picture of a param.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Seen {
    /// The run.
    pub run_id: RunId,
    /// The params that differ, by name.
    pub params: IndexMap<String, String>,
    /// The metric's value.
    pub value: f64,
}

/// What a metric depended on in an experiment.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Explained {
    /// The experiment.
    pub experiment_id: ExperimentId,
    /// Its name.
    pub experiment: String,
    /// The metric that is explained.
    pub metric: String,
    /// All metrics of its runs.
    pub metrics: Vec<String>,
    /// The shares; none where the runs cannot say.
    pub importance: Option<Importance>,
    /// Why there are none.
    pub problem: Option<String>,
    /// The runs that were looked at, the newest first.
    pub seen: Vec<Seen>,
}

/// Which params the metric of an experiment's runs depended on.
pub async fn importance(app: &App, who: &Principal, cmd: &Explain) -> Result<Explained, Error> {
    authorise(who, Action::Read)?;
    let experiment = experiment(app, &cmd.experiment).await?;
    let settings = declared(app, &experiment)?;
    let runs = runs(app, &experiment, MAX_EXPLAINED).await?;
    let metrics = metrics(&runs);
    let asked = cmd.metric.clone().filter(|metric| !metric.is_empty());
    let Some(metric) = asked.or(settings.metric).or_else(|| metrics.first().cloned()) else {
        return Err(Error::invalid_with(
            format!("no run of the experiment {:?} has a metric yet", experiment.name),
            "runs log metrics with mlflow.log_metric",
        ));
    };
    // Shares of a variance are the same whichever way is better.
    let objective = Objective { metric: metric.clone(), direction: Direction::Minimize };
    let (importance, runs) = blocking(move || {
        let found = suggest::importance(&runs, &objective, 0);
        Ok((found, runs))
    })
    .await?;
    let (importance, problem) = match importance {
        Ok(importance) => (Some(importance), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let names: Vec<String> =
        importance.iter().flat_map(|found| &found.effects).map(|effect| effect.param.clone()).collect();
    let seen = runs
        .iter()
        .filter_map(|run| {
            let value = run.metric(&metric).filter(|value| value.is_finite())?;
            let params =
                names.iter().filter_map(|name| Some((name.clone(), run.param(name)?.to_owned()))).collect();
            Some(Seen { run_id: run.info.run_id.clone(), params, value })
        })
        .collect();
    Ok(Explained {
        experiment_id: experiment.experiment_id,
        experiment: experiment.name,
        metric,
        metrics,
        importance,
        problem,
        seen,
    })
}

/// The metrics of the runs; what most of them have comes first.
fn metrics(runs: &[Run]) -> Vec<String> {
    let mut counts: IndexMap<&str, usize> = IndexMap::new();
    for metric in runs.iter().flat_map(|run| &run.metrics) {
        *counts.entry(&metric.key).or_default() += 1;
    }
    counts.sort_by(|one, a, other, b| b.cmp(a).then_with(|| one.cmp(other)));
    counts.into_keys().map(str::to_owned).collect()
}

/// The active experiment with this name or id; a name wins.
async fn experiment(app: &App, name: &str) -> Result<Experiment, Error> {
    let mut found = app.experiments.by_name(name).await.context("looking for the experiment")?;
    if found.is_none()
        && let Some(id) = ExperimentId::parse(name)
    {
        found = app.experiments.get(id).await.context("looking for the experiment")?;
    }
    found
        .filter(|experiment| experiment.lifecycle_stage == Lifecycle::Active)
        .ok_or_else(|| Error::Missing { what: "experiment", name: name.to_owned() })
}

fn declared(app: &App, experiment: &Experiment) -> Result<SearchSettings, Error> {
    let settings = app.project.settings_if_any()?;
    let found = settings.and_then(|mut settings| settings.experiments.shift_remove(&experiment.name));
    Ok(found.unwrap_or_default())
}

fn objective(
    metric: Option<String>,
    direction: Option<Direction>,
    settings: &SearchSettings,
) -> Result<Objective, Error> {
    let missing = |what: &str, hint: &str| Error::invalid_with(format!("{what} is not said"), hint);
    let metric = metric.or_else(|| settings.metric.clone()).ok_or_else(|| {
        missing("the metric to improve", "give `metric`, or declare it in lemnis.yaml below `experiments`")
    })?;
    let direction = direction.or(settings.direction).ok_or_else(|| {
        missing(
            &format!("whether more or less of {metric:?} is better"),
            "give `direction`: maximize or minimize",
        )
    })?;
    Ok(Objective { metric, direction })
}

fn space(
    cmd: &Suggest,
    experiment: &Experiment,
    settings: &SearchSettings,
    runs: &[Run],
) -> Result<(Space, SpaceFrom), Error> {
    let read = |fields: &Map<String, Value>| Space::from_json(fields).context("reading the search space");
    if let Some(fields) = cmd.space.as_ref().filter(|fields| !fields.is_empty()) {
        return Ok((read(fields)?, SpaceFrom::Request));
    }
    if let Some(tag) = experiment.tags.iter().find(|tag| tag.key == SPACE_TAG) {
        let fields = serde_json::from_str(&tag.value).map_err(|error| {
            Error::invalid(format!("the tag {SPACE_TAG} of the experiment is no JSON object: {error}"))
        })?;
        return Ok((read(&fields)?, SpaceFrom::ExperimentTag));
    }
    if !settings.space.is_empty() {
        return Ok((settings.space().context("reading the search space")?, SpaceFrom::Settings));
    }
    let inferred = Space::inferred(runs.iter().map(|run| run.params.as_slice()));
    if inferred.is_empty() {
        return Err(Error::invalid_with(
            format!("nothing says what may be searched in the experiment {:?}", experiment.name),
            "give `space`, such as {\"lr\": \"1e-5..1e-1:log\", \"opt\": [\"adam\", \"sgd\"]}",
        ));
    }
    Ok((inferred, SpaceFrom::PastRuns))
}

/// The newest active runs of the experiment.
async fn runs(app: &App, experiment: &Experiment, limit: usize) -> Result<Vec<Run>, Error> {
    let mut search = RunSearch::new(vec![experiment.experiment_id]);
    search.limit = limit;
    Ok(app.runs.search(&search).await.context("looking for runs")?.items)
}
