//! The port of runs: making, changing and reading single runs. Logging and searching have files of their own.

use std::collections::BTreeMap;

use async_trait::async_trait;
use lemnis_core::Millis;
use lemnis_tracking::{
    Batch, DatasetInput, Error, ExperimentId, History, Lifecycle, LoggedModelId, Metric, ModelOutput, NewRun,
    Page, RUN_NAME_TAG, Result, Run, RunChange, RunId, RunInfo, RunSearch, RunStatus, Runs, SampledMetrics,
    Tag, rules,
};

use super::point_queue::Points;
use super::{Done, below, experiments, history, inputs, log, run_search};
use crate::sql::{self, Columns, Connection, query, query_scalar};
use crate::{Store, points};

/// The columns of a run, in the order in which [`info`] reads them.
pub(super) const COLUMNS: &str = "r.id, r.run_id, r.name, r.experiment, r.user_id, r.status, r.start_time, r.end_time, \
                                  r.artifact_uri, r.lifecycle";

#[async_trait]
impl Runs for Store {
    async fn create(&self, new: &NewRun) -> Result<Run> {
        for (index, tag) in new.tags.iter().enumerate() {
            rules::tag(tag, &format!("tags[{index}]"))?;
        }
        let (name, tags) = new.named()?;
        let keys = self.numbers(tags.iter().map(|tag| tag.key.as_str())).await?;
        let (new, id) = (new.clone(), RunId::random());
        self.append::<_, Error, _>(move |connection| {
            Box::pin(async move { create(connection, &id, &new, &name, &tags, &keys).await })
        })
        .await
    }

    async fn get(&self, id: &RunId) -> Result<Option<Run>> {
        let id = id.clone();
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let Some((row, info)) = find(connection, &id).await? else { return Ok(None) };
                let mut runs = vec![(row, bare(info))];
                run_search::load(connection, &mut runs).await?;
                Ok(runs.pop().map(|(_, run)| run))
            })
        })
        .await
    }

    async fn info(&self, id: &RunId) -> Result<Option<RunInfo>> {
        let id = id.clone();
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move { Ok(find(connection, &id).await?.map(|(_, info)| info)) })
        })
        .await
    }

    async fn update(&self, id: &RunId, change: &RunChange) -> Result<RunInfo> {
        let (id, change) = (id.clone(), change.clone());
        let key = self.numbers([RUN_NAME_TAG].into_iter()).await?;
        self.append::<_, Error, _>(move |connection| {
            Box::pin(async move { update(connection, &key, &id, change).await })
        })
        .await
    }

    async fn set_lifecycle(&self, id: &RunId, to: Lifecycle, at_ms: Millis) -> Result<()> {
        let id = id.clone();
        self.append::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let moved = query("UPDATE run SET lifecycle = ?, deleted_time = ? WHERE run_id = ?")
                    .bind(to.as_str())
                    .bind((to == Lifecycle::Deleted).then_some(at_ms))
                    .bind(id.as_str())
                    .execute(connection)
                    .await?;
                if moved == 0 { Err(Error::no_run(&id).into()) } else { Ok(()) }
            })
        })
        .await
    }

    async fn log(&self, id: &RunId, batch: &Batch) -> Result<()> {
        rules::batch(batch)?;
        let metrics = self.numbers(batch.metrics.iter().map(|metric| metric.key.as_str())).await?;
        let only_metrics = batch.params.is_empty() && batch.tags.is_empty();
        if only_metrics && batch.metrics.iter().all(|metric| metric.model_id.is_none()) {
            let points = metrics.into_iter().zip(batch.metrics.iter().map(log::point)).collect();
            return self.points.log(Points { run: id.as_str().to_owned(), points }).await;
        }
        let keys = log::Keys {
            metrics,
            params: self.numbers(batch.params.iter().map(|param| param.key.as_str())).await?,
            tags: self.numbers(batch.tags.iter().map(|tag| tag.key.as_str())).await?,
        };
        let (id, batch) = (id.clone(), batch.clone());
        self.append::<_, Error, _>(move |connection| {
            Box::pin(async move { log::log(connection, &id, &batch, &keys).await })
        })
        .await
    }

    async fn delete_tag(&self, id: &RunId, key: &str) -> Result<()> {
        let (id, key) = (id.clone(), key.to_owned());
        self.append::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let run = writable(connection, &id).await?;
                let gone =
                    query("DELETE FROM tag WHERE run = ? AND key = (SELECT id FROM key_name WHERE text = ?)")
                        .bind(run)
                        .bind(&key)
                        .execute(connection)
                        .await?;
                if gone == 0 {
                    return Err(Error::missing(format!("No tag with name: {key} in run with id {id}")).into());
                }
                Ok(())
            })
        })
        .await
    }

    async fn search(&self, search: &RunSearch) -> Result<Page<Run>> {
        let search = search.clone();
        self.read::<_, Error, _>(move |connection| Box::pin(run_search::search(connection, search))).await
    }

    async fn count(&self, search: &RunSearch) -> Result<u64> {
        let search = search.clone();
        self.read::<_, Error, _>(move |connection| Box::pin(run_search::count(connection, search))).await
    }

    async fn history(&self, id: &RunId, history: &History) -> Result<Page<Metric>> {
        let (id, history) = (id.clone(), history.clone());
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move { history::history(connection, &id, history).await })
        })
        .await
    }

    async fn sampled(&self, sample: &SampledMetrics) -> Result<Vec<(RunId, Metric)>> {
        let sample = sample.clone();
        self.read::<_, Error, _>(move |connection| Box::pin(history::sampled(connection, sample))).await
    }

    async fn log_inputs(
        &self,
        id: &RunId,
        datasets: &[DatasetInput],
        models: &[LoggedModelId],
    ) -> Result<()> {
        rules::dataset_inputs(datasets)?;
        let (id, datasets, models) = (id.clone(), datasets.to_vec(), models.to_vec());
        self.append::<_, Error, _>(move |connection| {
            Box::pin(async move { inputs::log_inputs(connection, &id, &datasets, &models).await })
        })
        .await
    }

    async fn log_outputs(&self, id: &RunId, models: &[ModelOutput]) -> Result<()> {
        let (id, models) = (id.clone(), models.to_vec());
        self.append::<_, Error, _>(move |connection| {
            Box::pin(async move { inputs::log_outputs(connection, &id, &models).await })
        })
        .await
    }
}

/// The row number of a run that may be written to.
pub(super) async fn writable(connection: &mut Connection, id: &RunId) -> Done<i64> {
    let row = query("SELECT id, lifecycle FROM run WHERE run_id = ?")
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Err(Error::no_run(id).into()) };
    match row.try_get::<&str>(1)? {
        "active" => Ok(row.try_get(0)?),
        other => Err(not_active(id, other).into()),
    }
}

pub(super) fn not_active(id: &RunId, stage: &str) -> Error {
    Error::invalid(format!("The run {id} must be in the 'active' state. Current state is {stage}."))
}

pub(super) fn info(row: &impl Columns) -> Result<(i64, RunInfo), sql::Error> {
    let info = RunInfo {
        run_id: row.try_get::<String>(1)?.into(),
        run_name: row.try_get(2)?,
        experiment_id: ExperimentId(row.try_get(3)?),
        user_id: row.try_get(4)?,
        status: RunStatus::parse(row.try_get(5)?).unwrap_or_default(),
        start_time: row.try_get(6)?,
        end_time: row.try_get(7)?,
        artifact_uri: row.try_get(8)?,
        lifecycle_stage: Lifecycle::parse(row.try_get(9)?),
    };
    Ok((row.try_get(0)?, info))
}

pub(super) fn bare(info: RunInfo) -> Run {
    Run {
        info,
        metrics: Vec::new(),
        params: Vec::new(),
        tags: Vec::new(),
        dataset_inputs: Vec::new(),
        model_inputs: Vec::new(),
        model_outputs: Vec::new(),
    }
}

async fn find(connection: &mut Connection, id: &RunId) -> Done<Option<(i64, RunInfo)>> {
    let row = query(
        "SELECT r.id, r.run_id, r.name, r.experiment, r.user_id, r.status, r.start_time, r.end_time, \
         r.artifact_uri, r.lifecycle FROM run r WHERE r.run_id = ?",
    )
    .bind(id.as_str())
    .fetch_optional(connection)
    .await?;
    Ok(row.as_ref().map(info).transpose()?)
}

async fn create(
    connection: &mut Connection,
    id: &RunId,
    new: &NewRun,
    name: &str,
    tags: &[Tag],
    keys: &[i64],
) -> Done<Run> {
    let location = experiments::active_location(connection, new.experiment_id).await?;
    let name = rules::cut(name, rules::TAG_VALUE_LENGTH);
    let info = RunInfo {
        run_id: id.clone(),
        run_name: name.to_owned(),
        experiment_id: new.experiment_id,
        user_id: new.user_id.clone(),
        status: RunStatus::Running,
        start_time: new.start_time,
        end_time: None,
        artifact_uri: below(&location, &[id.as_str(), "artifacts"]),
        lifecycle_stage: Lifecycle::Active,
    };
    let row: i64 = query_scalar(
        "INSERT INTO run (run_id, experiment, name, user_id, status, start_time, artifact_uri) \
         VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
    )
    .bind(id.as_str())
    .bind(info.experiment_id.0)
    .bind(name)
    .bind(&info.user_id)
    .bind(info.status.as_str())
    .bind(info.start_time)
    .bind(&info.artifact_uri)
    .fetch_one(connection)
    .await?;
    log::insert_tags(connection, row, tags, keys).await?;
    // As it would be read: each tag once, the last of its key, sorted.
    let kept: BTreeMap<&str, &str> = tags.iter().map(|tag| (tag.key.as_str(), log::kept_tag(tag))).collect();
    let tags = kept.into_iter().map(|(key, value)| Tag::new(key, value)).collect();
    Ok(Run { tags, ..bare(info) })
}

async fn update(
    connection: &mut Connection,
    name_key: &[i64],
    id: &RunId,
    change: RunChange,
) -> Done<RunInfo> {
    let name = change.run_name.filter(|name| !name.is_empty());
    let updated = query(
        "UPDATE run SET status = COALESCE(?, status), end_time = COALESCE(?, end_time), name = COALESCE(?, name) \
         WHERE run_id = ? AND lifecycle = 'active' \
         RETURNING id, run_id, name, experiment, user_id, status, start_time, end_time, artifact_uri, lifecycle",
    )
    .bind(change.status.map(RunStatus::as_str))
    .bind(change.end_time)
    .bind(&name)
    .bind(id.as_str())
    .fetch_optional(connection)
    .await?;
    let Some((row, info)) = updated.as_ref().map(info).transpose()? else {
        // It says why there is none.
        writable(connection, id).await?;
        return Err(Error::no_run(id).into());
    };
    if let Some(name) = name {
        log::put_tags(connection, row, &[Tag::new(RUN_NAME_TAG, name)], name_key).await?;
    }
    if change.status.is_some_and(|status| status != RunStatus::Running) {
        points::pack_run(connection, row).await?;
    }
    Ok(info)
}
