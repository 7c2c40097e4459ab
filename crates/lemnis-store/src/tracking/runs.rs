//! The port of runs: making, changing and reading single runs. Logging and searching have files of their own.

use async_trait::async_trait;
use lemnis_core::Millis;
use lemnis_tracking::{
    Batch, DatasetInput, Error, ExperimentId, History, Lifecycle, LoggedModelId, Metric, ModelOutput, NewRun,
    Page, RUN_NAME_TAG, Result, Run, RunChange, RunId, RunInfo, RunSearch, RunStatus, Runs, SampledMetrics,
    rules,
};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::{Done, below, experiments, inputs, log, run_search};
use crate::{Names, Store};

/// The columns of a run, in the order in which [`info`] reads them.
pub(super) const COLUMNS: &str = "r.id, r.run_id, r.name, r.experiment, r.user_id, r.status, r.start_time, r.end_time, \
                                  r.artifact_uri, r.lifecycle";

#[async_trait]
impl Runs for Store {
    async fn create(&self, new: &NewRun) -> Result<Run> {
        for (index, tag) in new.tags.iter().enumerate() {
            rules::tag(tag, &format!("tags[{index}]"))?;
        }
        let (new, names) = (new.clone(), self.names.clone());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move { create(connection, &names, new).await })
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
        let (id, change, names) = (id.clone(), change.clone(), self.names.clone());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move { update(connection, &names, &id, change).await })
        })
        .await
    }

    async fn set_lifecycle(&self, id: &RunId, to: Lifecycle, at_ms: Millis) -> Result<()> {
        let id = id.clone();
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let moved = sqlx::query("UPDATE run SET lifecycle = ?, deleted_time = ? WHERE run_id = ?")
                    .bind(to.as_str())
                    .bind((to == Lifecycle::Deleted).then_some(at_ms))
                    .bind(id.as_str())
                    .execute(connection)
                    .await?;
                if moved.rows_affected() == 0 { Err(Error::no_run(&id).into()) } else { Ok(()) }
            })
        })
        .await
    }

    async fn log(&self, id: &RunId, batch: &Batch) -> Result<()> {
        rules::batch(batch)?;
        let (id, batch, names) = (id.clone(), batch.clone(), self.names.clone());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move { log::log(connection, &names, &id, &batch).await })
        })
        .await
    }

    async fn delete_tag(&self, id: &RunId, key: &str) -> Result<()> {
        let (id, key) = (id.clone(), key.to_owned());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let run = writable(connection, &id).await?;
                let gone = sqlx::query(
                    "DELETE FROM tag WHERE run = ? AND key = (SELECT id FROM key_name WHERE text = ?)",
                )
                .bind(run)
                .bind(&key)
                .execute(connection)
                .await?;
                if gone.rows_affected() == 0 {
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

    async fn history(&self, id: &RunId, history: &History) -> Result<Page<Metric>> {
        let (id, history) = (id.clone(), history.clone());
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move { log::history(connection, &id, history).await })
        })
        .await
    }

    async fn sampled(&self, sample: &SampledMetrics) -> Result<Vec<(RunId, Metric)>> {
        let sample = sample.clone();
        self.read::<_, Error, _>(move |connection| Box::pin(log::sampled(connection, sample))).await
    }

    async fn log_inputs(
        &self,
        id: &RunId,
        datasets: &[DatasetInput],
        models: &[LoggedModelId],
    ) -> Result<()> {
        rules::dataset_inputs(datasets)?;
        let (id, datasets, models) = (id.clone(), datasets.to_vec(), models.to_vec());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move { inputs::log_inputs(connection, &id, &datasets, &models).await })
        })
        .await
    }

    async fn log_outputs(&self, id: &RunId, models: &[ModelOutput]) -> Result<()> {
        let (id, models) = (id.clone(), models.to_vec());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move { inputs::log_outputs(connection, &id, &models).await })
        })
        .await
    }
}

/// The row number of a run that may be written to.
pub(super) async fn writable(connection: &mut SqliteConnection, id: &RunId) -> Done<i64> {
    let row = sqlx::query("SELECT id, lifecycle FROM run WHERE run_id = ?")
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Err(Error::no_run(id).into()) };
    match row.try_get::<&str, _>(1)? {
        "active" => Ok(row.try_get(0)?),
        other => Err(Error::invalid(format!(
            "The run {id} must be in the 'active' state. Current state is {other}."
        ))
        .into()),
    }
}

pub(super) fn info(row: &SqliteRow) -> Result<(i64, RunInfo), sqlx::Error> {
    let info = RunInfo {
        run_id: row.try_get::<String, _>(1)?.into(),
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

async fn find(connection: &mut SqliteConnection, id: &RunId) -> Done<Option<(i64, RunInfo)>> {
    let row = sqlx::query(
        "SELECT r.id, r.run_id, r.name, r.experiment, r.user_id, r.status, r.start_time, r.end_time, \
         r.artifact_uri, r.lifecycle FROM run r WHERE r.run_id = ?",
    )
    .bind(id.as_str())
    .fetch_optional(connection)
    .await?;
    Ok(row.as_ref().map(info).transpose()?)
}

async fn create(connection: &mut SqliteConnection, names: &Names, new: NewRun) -> Done<Run> {
    experiments::active(connection, new.experiment_id).await?;
    let location = experiments::location(connection, new.experiment_id).await?;
    let (name, tags) = new.named()?;
    let id = RunId::random();
    let row = sqlx::query(
        "INSERT INTO run (run_id, experiment, name, user_id, status, start_time, artifact_uri) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(id.as_str())
    .bind(new.experiment_id.0)
    .bind(&name)
    .bind(&new.user_id)
    .bind(RunStatus::Running.as_str())
    .bind(new.start_time)
    .bind(below(&location, &[id.as_str(), "artifacts"]))
    .execute(&mut *connection)
    .await?
    .last_insert_rowid();
    for tag in &tags {
        log::put_tag(connection, names, row, tag).await?;
    }
    let Some((row, info)) = find(connection, &id).await? else { return Err(Error::no_run(&id).into()) };
    let mut runs = vec![(row, bare(info))];
    run_search::load(connection, &mut runs).await?;
    Ok(runs.pop().map(|(_, run)| run).ok_or_else(|| Error::no_run(&id))?)
}

async fn update(
    connection: &mut SqliteConnection,
    names: &Names,
    id: &RunId,
    change: RunChange,
) -> Done<RunInfo> {
    let row = writable(connection, id).await?;
    let name = change.run_name.filter(|name| !name.is_empty());
    sqlx::query(
        "UPDATE run SET status = COALESCE(?, status), end_time = COALESCE(?, end_time), name = COALESCE(?, name) \
         WHERE id = ?",
    )
    .bind(change.status.map(RunStatus::as_str))
    .bind(change.end_time)
    .bind(&name)
    .bind(row)
    .execute(&mut *connection)
    .await?;
    if let Some(name) = name {
        log::put_tag(connection, names, row, &lemnis_tracking::Tag::new(RUN_NAME_TAG, name)).await?;
    }
    Ok(find(connection, id).await?.map(|(_, info)| info).ok_or_else(|| Error::no_run(id))?)
}
