//! Our own store as an end of a transfer: whole records out of it, and into it with their receipts.

mod read;
mod write;
mod write_models;
mod write_runs;

use std::collections::HashMap;

use async_trait::async_trait;
use lemnis_core::Millis;
use lemnis_tracking::transfer::{Archive, Kind, Receipt, Record, Target};
use lemnis_tracking::{Error, Experiment, ExperimentId, Result};

use crate::Store;
use crate::sql::{Columns as _, List, query};

#[async_trait]
impl Archive for Store {
    async fn experiments(&self) -> Result<Vec<Experiment>> {
        self.read::<_, Error, _>(|connection| Box::pin(read::experiments(connection))).await
    }

    async fn ids(&self, kind: Kind, experiment: Option<ExperimentId>) -> Result<Vec<String>> {
        self.read::<_, Error, _>(move |connection| Box::pin(read::ids(connection, kind, experiment))).await
    }

    async fn records(&self, kind: Kind, ids: &[String]) -> Result<Vec<Record>> {
        let ids = ids.to_vec();
        let records = self
            .read::<_, Error, _>(move |connection| Box::pin(read::records(connection, kind, ids)))
            .await?;
        Ok(records.into_iter().map(Record::sorted).collect())
    }

    async fn left_out(&self) -> Result<Vec<(String, u64)>> {
        self.read::<_, Error, _>(|connection| Box::pin(read::left_out(connection))).await
    }

    async fn schema(&self) -> Result<String> {
        Ok("lemnis".to_owned())
    }
}

#[async_trait]
impl Target for Store {
    async fn put_experiment(&self, experiment: &Experiment) -> Result<()> {
        let experiment = experiment.clone();
        self.write::<_, Error, _>(move |connection| Box::pin(write::experiment(connection, experiment))).await
    }

    async fn put(&self, records: &[Record], at_ms: Millis) -> Result<()> {
        let texts = records.iter().filter_map(|record| match record {
            Record::Run(run) => Some(run),
            _ => None,
        });
        let texts = texts.flat_map(|run| {
            let metrics = run.metrics.iter().map(|one| one.key.as_str());
            let params = run.params.iter().map(|one| one.key.as_str());
            metrics.chain(params).chain(run.tags.iter().map(|one| one.key.as_str()))
        });
        let mut texts: Vec<&str> = texts.collect();
        texts.sort_unstable();
        texts.dedup();
        let numbers = self.numbers(texts.iter().copied()).await?;
        let numbers: HashMap<String, i64> = texts.into_iter().map(str::to_owned).zip(numbers).collect();
        let (records, numbers) = (std::sync::Arc::new(records.to_vec()), std::sync::Arc::new(numbers));
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move { write::records(connection, &records, &numbers, at_ms).await })
        })
        .await
    }

    async fn receipts(&self, kind: &str, ids: &[String]) -> Result<HashMap<String, String>> {
        let (kind, ids) = (kind.to_owned(), List(ids.to_vec()));
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let mut found = HashMap::new();
                query(
                    "SELECT id, digest FROM import_receipt \
                     WHERE kind = ? AND id IN (SELECT value FROM json_each(?))",
                )
                .bind(kind)
                .bind(ids)
                .each(connection, |row| {
                    found.insert(row.try_get(0)?, row.try_get(1)?);
                    Ok(())
                })
                .await?;
                Ok(found)
            })
        })
        .await
    }

    async fn note(&self, receipts: &[Receipt], at_ms: Millis) -> Result<()> {
        let receipts = receipts.to_vec();
        self.append::<_, Error, _>(move |connection| {
            Box::pin(async move { write::receipts(connection, &receipts, at_ms).await })
        })
        .await
    }
}
