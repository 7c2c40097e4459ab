//! Logged models and registered models of an `mlruns/` folder.

use std::path::Path;

use lemnis_tracking::transfer::{ModelFamily, Record};
use lemnis_tracking::{
    Alias, Error, ExperimentId, Lifecycle, LoggedMetric, LoggedModel, LoggedModelId, LoggedModelStatus,
    ModelVersion, Param, RegisteredModel, Result, RunId, Stage,
};
use serde::Deserialize;

use super::super::models::DELETED;
use super::runs;
use super::yaml::{self, Whole};

#[derive(Deserialize)]
struct LoggedMeta {
    model_id: String,
    experiment_id: Whole,
    name: String,
    artifact_location: String,
    creation_timestamp: Whole,
    last_updated_timestamp: Whole,
    status: String,
    lifecycle_stage: Option<String>,
    model_type: Option<String>,
    source_run_id: Option<String>,
}

pub(super) fn logged(folder: &Path) -> Result<Record> {
    let meta: LoggedMeta = yaml::read(folder, yaml::META)?;
    let mut model = LoggedModel {
        model_id: meta.model_id.into(),
        experiment_id: ExperimentId(meta.experiment_id.0),
        name: meta.name,
        artifact_uri: meta.artifact_location,
        creation_timestamp: meta.creation_timestamp.0,
        last_updated_timestamp: meta.last_updated_timestamp.0,
        status: LoggedModelStatus::parse(&meta.status).unwrap_or_default(),
        lifecycle_stage: Lifecycle::parse(meta.lifecycle_stage.as_deref().unwrap_or_default()),
        model_type: meta.model_type.filter(|kind| !kind.is_empty()),
        source_run_id: meta.source_run_id.map(RunId::from),
        tags: yaml::texts(&folder.join("tags"))?,
        params: yaml::texts(&folder.join("params"))?
            .into_iter()
            .map(|text| Param::new(text.key, text.value))
            .collect(),
        metrics: Vec::new(),
    };
    for (key, path) in yaml::keys(&folder.join("metrics"))? {
        for point in runs::points(&key, &path)? {
            let metric = point.metric;
            let run_id = point.run_id.map(RunId::from).or_else(|| model.source_run_id.clone());
            model.metrics.push(LoggedMetric {
                key: metric.key,
                value: metric.value,
                timestamp: metric.timestamp,
                step: metric.step,
                run_id: run_id.unwrap_or_else(|| RunId::from("")),
                dataset_name: metric.dataset_name,
                dataset_digest: metric.dataset_digest,
            });
        }
    }
    Ok(Record::LoggedModel(Box::new(model)))
}

#[derive(Deserialize)]
struct ModelMeta {
    name: String,
    creation_timestamp: Option<Whole>,
    last_updated_timestamp: Option<Whole>,
    description: Option<String>,
}

#[derive(Deserialize)]
struct VersionMeta {
    version: Whole,
    creation_timestamp: Option<Whole>,
    last_updated_timestamp: Option<Whole>,
    current_stage: Option<String>,
    description: Option<String>,
    user_id: Option<String>,
    source: Option<String>,
    storage_location: Option<String>,
    run_id: Option<String>,
    run_link: Option<String>,
    model_id: Option<String>,
}

pub(super) fn registered(folder: &Path) -> Result<Record> {
    let meta: ModelMeta = yaml::read(folder, yaml::META)?;
    let mut aliases = Vec::new();
    for text in yaml::texts(&folder.join("aliases"))? {
        let version = text.value.trim().parse().map_err(|_| {
            Error::invalid(format!("{}: alias {} names no version", folder.display(), text.key))
        })?;
        aliases.push(Alias { alias: text.key, version });
    }
    let created = meta.creation_timestamp.unwrap_or_default().0;
    let model = RegisteredModel {
        name: meta.name,
        creation_timestamp: created,
        last_updated_timestamp: meta.last_updated_timestamp.map_or(created, |time| time.0),
        description: meta.description.filter(|text| !text.is_empty()),
        latest_versions: Vec::new(),
        tags: yaml::texts(&folder.join("tags"))?,
        aliases,
    };
    let mut family = ModelFamily { model, versions: Vec::new(), deleted: Vec::new() };
    for (name, path) in yaml::folders(folder)? {
        if name.starts_with("version-") && path.join(yaml::META).is_file() {
            version(&path, &mut family)?;
        }
    }
    Ok(Record::Model(Box::new(family)))
}

fn version(folder: &Path, family: &mut ModelFamily) -> Result<()> {
    let meta: VersionMeta = yaml::read(folder, yaml::META)?;
    let number = u32::try_from(meta.version.0)
        .map_err(|_| Error::invalid(format!("{}: {} is no version", folder.display(), meta.version.0)))?;
    let stage = meta.current_stage.unwrap_or_default();
    if stage == DELETED {
        family.deleted.push(number);
        return Ok(());
    }
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let source = meta.source.unwrap_or_default();
    // As in a database, where the source alone says it.
    let of_source = source.strip_prefix("models:/").filter(|id| id.starts_with("m-")).map(str::to_owned);
    let created = meta.creation_timestamp.unwrap_or_default().0;
    family.versions.push(ModelVersion {
        name: family.model.name.clone(),
        version: number,
        creation_timestamp: created,
        last_updated_timestamp: meta.last_updated_timestamp.map_or(created, |time| time.0),
        description: filled(meta.description),
        user_id: filled(meta.user_id),
        current_stage: Stage::parse(&stage).unwrap_or_default(),
        storage_location: filled(meta.storage_location).filter(|location| *location != source),
        source,
        run_id: filled(meta.run_id).map(RunId::from),
        run_link: filled(meta.run_link),
        model_id: filled(meta.model_id).or(of_source).map(LoggedModelId::from),
        tags: yaml::texts(&folder.join("tags"))?,
        aliases: Vec::new(),
        model_params: Vec::new(),
        model_metrics: Vec::new(),
    });
    Ok(())
}
