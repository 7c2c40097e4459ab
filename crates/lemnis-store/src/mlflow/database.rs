//! MLflow's database as an end of a transfer.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use lemnis_core::Millis;
use lemnis_tracking::transfer::{Archive, Kind, Receipt, Record, Target};
use lemnis_tracking::{Error, Experiment, ExperimentId, Result};

use super::schema::Schema;
use super::side::Side;
use super::{models, read, runs, traces, write};
use crate::sql::Connection;
use crate::{Fail, Pending};

pub(super) struct MlflowDatabase {
    side: Side,
    schema: Arc<Schema>,
}

impl MlflowDatabase {
    pub(super) async fn file(path: &Path, writable: bool) -> Result<Self> {
        Self::over(Side::sqlite(path, writable)?).await
    }

    pub(super) async fn server(url: &str) -> Result<Self> {
        Self::over(Side::postgres(url).await?).await
    }

    async fn over(side: Side) -> Result<Self> {
        let schema = side.read(|connection| Box::pin(Schema::read(connection))).await?;
        Ok(Self { side, schema: Arc::new(schema) })
    }

    async fn read<T, F>(&self, job: F) -> Result<T>
    where
        F: for<'c> FnOnce(&'c mut Connection, Arc<Schema>) -> Pending<'c, Result<T, Fail<Error>>>
            + Clone
            + Send
            + Sync
            + 'static,
        T: Send + 'static,
    {
        let schema = self.schema.clone();
        self.side.read(move |connection| job(connection, schema)).await
    }
}

#[async_trait]
impl Archive for MlflowDatabase {
    async fn experiments(&self) -> Result<Vec<Experiment>> {
        self.read(|connection, schema| Box::pin(async move { read::experiments(connection, &schema).await }))
            .await
    }

    async fn ids(&self, kind: Kind, experiment: Option<ExperimentId>) -> Result<Vec<String>> {
        self.read(move |connection, schema| {
            Box::pin(async move { read::ids(connection, &schema, kind, experiment).await })
        })
        .await
    }

    async fn records(&self, kind: Kind, ids: &[String]) -> Result<Vec<Record>> {
        let ids = ids.to_vec();
        self.read(move |connection, schema| {
            Box::pin(async move {
                match kind {
                    Kind::Run => runs::read(connection, &schema, ids).await,
                    Kind::LoggedModel if schema.has_table("logged_models") => {
                        models::logged(connection, ids).await
                    }
                    Kind::Trace if schema.has_table("trace_info") => {
                        traces::read(connection, &schema, ids).await
                    }
                    Kind::Model if schema.has_table("registered_models") => {
                        models::registered(connection, &schema, ids).await
                    }
                    _ => Ok(Vec::new()),
                }
            })
        })
        .await
    }

    async fn left_out(&self) -> Result<Vec<(String, u64)>> {
        self.read(|connection, schema| Box::pin(async move { read::left_out(connection, &schema).await }))
            .await
    }

    async fn schema(&self) -> Result<String> {
        Ok(self.schema.head.clone())
    }
}

#[async_trait]
impl Target for MlflowDatabase {
    fn largest_experiment(&self) -> ExperimentId {
        ExperimentId(i64::from(i32::MAX))
    }

    async fn put_experiment(&self, experiment: &Experiment) -> Result<()> {
        let (experiment, schema) = (experiment.clone(), self.schema.clone());
        self.side
            .write(move |connection| {
                Box::pin(async move { write::experiment(connection, &schema, &experiment).await })
            })
            .await
    }

    async fn put(&self, records: &[Record], at_ms: Millis) -> Result<()> {
        let (records, schema) = (Arc::new(records.to_vec()), self.schema.clone());
        self.side
            .write(move |connection| {
                Box::pin(async move { write::records(connection, &schema, &records, at_ms).await })
            })
            .await
    }

    /// MLflow's database has no place for receipts.
    async fn receipts(&self, _kind: &str, _ids: &[String]) -> Result<HashMap<String, String>> {
        Ok(HashMap::new())
    }

    async fn note(&self, _receipts: &[Receipt], _at_ms: Millis) -> Result<()> {
        Ok(())
    }
}
