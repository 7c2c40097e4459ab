//! Experiments and runs of an `mlruns/` folder.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use lemnis_tracking::transfer::Record;
use lemnis_tracking::{
    Dataset, DatasetInput, Error, Experiment, ExperimentId, Lifecycle, Metric, ModelOutput, Param,
    RUN_NAME_TAG, Result, Run, RunInfo, RunStatus, Tag, rules,
};
use serde::Deserialize;

use super::yaml::{self, Whole};

#[derive(Deserialize)]
struct ExperimentMeta {
    experiment_id: Whole,
    name: String,
    artifact_location: Option<String>,
    lifecycle_stage: Option<String>,
    creation_time: Option<Whole>,
    last_update_time: Option<Whole>,
}

pub(super) fn experiment(folder: &Path) -> Result<Experiment> {
    let meta: ExperimentMeta = yaml::read(folder, yaml::META)?;
    let moment = |first: Option<Whole>, second: Option<Whole>| first.or(second).unwrap_or_default().0;
    Ok(Experiment {
        experiment_id: ExperimentId(meta.experiment_id.0),
        name: meta.name,
        artifact_location: meta.artifact_location.unwrap_or_default(),
        lifecycle_stage: Lifecycle::parse(meta.lifecycle_stage.as_deref().unwrap_or_default()),
        creation_time: moment(meta.creation_time, meta.last_update_time),
        last_update_time: moment(meta.last_update_time, meta.creation_time),
        tags: yaml::texts(&folder.join("tags"))?,
    })
}

#[derive(Deserialize)]
struct RunMeta {
    run_id: Option<String>,
    run_uuid: Option<String>,
    run_name: Option<String>,
    experiment_id: Whole,
    user_id: Option<String>,
    status: String,
    start_time: Option<Whole>,
    end_time: Option<Whole>,
    artifact_uri: Option<String>,
    lifecycle_stage: Option<String>,
}

/// A dataset or a logged model that a run read or made.
#[derive(Deserialize)]
struct Edge {
    source_type: String,
    source_id: String,
    #[serde(default)]
    destination_id: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    step: Option<Whole>,
}

#[derive(Deserialize)]
struct DatasetMeta {
    name: String,
    digest: String,
    source_type: String,
    source: String,
    schema: Option<String>,
    profile: Option<String>,
}

pub(super) fn read(folder: &Path) -> Result<Record> {
    let meta: RunMeta = yaml::read(folder, yaml::META)?;
    let id = meta.run_id.or(meta.run_uuid).unwrap_or_default();
    let tags = yaml::texts(&folder.join("tags"))?;
    let named = tags.iter().find(|tag| tag.key == RUN_NAME_TAG).map(|tag| tag.value.clone());
    let mut run = Run {
        info: RunInfo {
            run_id: id.into(),
            run_name: meta.run_name.filter(|name| !name.is_empty()).or(named).unwrap_or_default(),
            experiment_id: ExperimentId(meta.experiment_id.0),
            user_id: meta.user_id.unwrap_or_default(),
            status: status(&meta.status),
            start_time: meta.start_time.map(|time| time.0),
            end_time: meta.end_time.map(|time| time.0),
            artifact_uri: meta.artifact_uri.unwrap_or_default(),
            lifecycle_stage: Lifecycle::parse(meta.lifecycle_stage.as_deref().unwrap_or_default()),
        },
        metrics: Vec::new(),
        params: yaml::texts(&folder.join("params"))?
            .into_iter()
            .map(|text| Param::new(text.key, text.value))
            .collect(),
        tags,
        dataset_inputs: Vec::new(),
        model_inputs: Vec::new(),
        model_outputs: Vec::new(),
    };
    for (key, path) in yaml::keys(&folder.join("metrics"))? {
        // What a point was measured on belongs to the logged model that it describes.
        run.metrics.extend(points(&key, &path)?.into_iter().map(|point| Metric {
            dataset_name: None,
            dataset_digest: None,
            ..point.metric
        }));
    }
    edges(folder, &mut run)?;
    Ok(Record::Run(Box::new(run)))
}

/// The number of a status in MLflow's protocol; older folders hold its name.
fn status(text: &str) -> RunStatus {
    match text {
        "1" => RunStatus::Running,
        "2" => RunStatus::Scheduled,
        "3" => RunStatus::Finished,
        "4" => RunStatus::Failed,
        "5" => RunStatus::Killed,
        name => RunStatus::parse(name).unwrap_or(RunStatus::Finished),
    }
}

/// A line of a metric's file.
pub(super) struct LoggedPoint {
    pub(super) metric: Metric,
    /// The run that logged it, where the file is a logged model's.
    pub(super) run_id: Option<String>,
}

/// `time value step`, then what it was measured on; a logged model's lines name the run before that.
pub(super) fn points(key: &str, path: &Path) -> Result<Vec<LoggedPoint>> {
    let broken = |what: String| Error::invalid(format!("{}: {what}", path.display()));
    let file = std::fs::File::open(path).map_err(|error| broken(error.to_string()))?;
    let mut found = Vec::new();
    for line in BufReader::new(file).lines() {
        let line = line.map_err(|error| broken(error.to_string()))?;
        let parts: Vec<&str> = line.split_whitespace().collect();
        let (Some(time), Some(value)) = (parts.first(), parts.get(1)) else { continue };
        let number =
            |text: &str| text.parse::<i64>().map_err(|_| broken(format!("{text:?} is no whole number")));
        let value: f64 = value.parse().map_err(|_| broken(format!("{value:?} is no number")))?;
        let step = parts.get(2).map(|text| number(text)).transpose()?.unwrap_or_default();
        let mut metric = Metric::new(key, rules::finite(value), number(time)?).at_step(step);
        let by_run = matches!(parts.len(), 4 | 6);
        let run_id = parts.get(3).filter(|_| by_run).map(|id| (*id).to_owned());
        let dataset = if by_run { 4 } else { 3 };
        metric.dataset_name = parts.get(dataset).map(|name| (*name).to_owned());
        metric.dataset_digest = parts.get(dataset + 1).map(|digest| (*digest).to_owned());
        found.push(LoggedPoint { metric, run_id });
    }
    Ok(found)
}

fn edges(folder: &Path, run: &mut Run) -> Result<()> {
    let datasets = folder.parent().unwrap_or(folder).join("datasets");
    for (_, path) in yaml::folders(&folder.join("inputs"))? {
        let edge: Edge = yaml::read(&path, yaml::META)?;
        if edge.source_type != "DATASET" {
            let model = if edge.destination_id.is_empty() { edge.source_id } else { edge.destination_id };
            run.model_inputs.push(model.into());
            continue;
        }
        // The name of a folder: nothing that leads elsewhere.
        let place = datasets.join(edge.source_id.replace(['/', '\\'], "_"));
        if !place.join(yaml::META).is_file() {
            continue;
        }
        let meta: DatasetMeta = yaml::read(&place, yaml::META)?;
        let dataset = Dataset {
            name: meta.name,
            digest: meta.digest,
            source_type: meta.source_type,
            source: meta.source,
            schema: meta.schema,
            profile: meta.profile,
        };
        let tags = edge.tags.into_iter().map(|(key, value)| Tag::new(key, value)).collect();
        run.dataset_inputs.push(DatasetInput { dataset, tags });
    }
    for (name, path) in yaml::folders(&folder.join("outputs"))? {
        let edge: Edge = yaml::read(&path, yaml::META)?;
        let step = edge.step.unwrap_or_default().0;
        run.model_outputs.push(ModelOutput { model_id: name.into(), step });
    }
    Ok(())
}
