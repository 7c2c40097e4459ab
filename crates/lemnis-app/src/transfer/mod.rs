//! Moving a whole tracking store: everything from one end to the other, again and again.
//!
//! Ids are kept. A record is written with all that belongs to it in one transaction, after its artifacts, and only where
//! it is new or changed in the source alone; what both sides changed is a conflict and stays as it is. So a transfer that
//! was killed is finished by starting it again, and one that was finished finds nothing to do.

mod artifacts;
mod copy;
mod experiments;
mod moves;
mod report;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use lemnis_core::{Action, Clock, Event, EventLog, Principal};
use lemnis_tracking::transfer::{Archive, Target};
use object_store::ObjectStore;
use object_store::path::Path;

pub use report::{ArtifactCounts, Conflict, Counts, ExperimentMove, Report};

use crate::app::authorise;
use crate::{Context as _, Error};

/// Where the artifacts below a URI lie.
#[derive(Clone)]
pub struct Place {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// The folder in it.
    pub path: Path,
}

/// Opens artifacts by their URI.
#[async_trait]
pub trait Places: Send + Sync {
    /// The place of `uri`, or why it cannot be reached. A folder that is not there is an empty one.
    async fn open(&self, uri: &str) -> Result<Place, String>;
}

/// Hears how far a transfer is.
pub trait Progress: Send + Sync {
    /// `total` of `what` are to be looked at.
    fn begin(&self, what: &str, total: u64);

    /// That many more are done.
    fn advance(&self, count: u64);
}

/// One transfer.
pub struct Transfer {
    /// Where records come from.
    pub from: Arc<dyn Archive>,
    /// Its name in reports and receipts.
    pub from_name: String,
    /// Where its artifacts lie.
    pub from_places: Arc<dyn Places>,
    /// Where records go.
    pub to: Arc<dyn Target>,
    /// Its name in reports.
    pub to_name: String,
    /// Where its artifacts lie.
    pub to_places: Arc<dyn Places>,
    /// The URI below which the artifacts of new experiments go, each in a folder of its id.
    pub artifact_base: String,
    /// Where it is recorded.
    pub events: Arc<dyn EventLog>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The act, in the past tense: `store.imported` or `store.exported`.
    pub act: &'static str,
    /// What to do and what to leave.
    pub options: Options,
}

/// What to do and what to leave.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only experiments with these names, and the registered models that come from them.
    pub experiments: BTreeSet<String>,
    /// Look, and change nothing.
    pub dry_run: bool,
    /// Take an experiment of the same name for the same one.
    pub merge: bool,
    /// Replace what differs, whoever changed it.
    pub overwrite: bool,
    /// Leave artifacts where they are.
    pub without_artifacts: bool,
}

/// Moves everything, verifies it and records that it was done.
///
/// Fails where an end cannot be read or written; what stands in conflict is told in the report.
pub async fn run(who: &Principal, transfer: &Transfer, progress: &dyn Progress) -> Result<Report, Error> {
    authorise(who, Action::Write)?;
    let report = copy::everything(transfer, progress).await?;
    if !transfer.options.dry_run {
        let event = Event {
            id: uuid::Uuid::new_v4().to_string(),
            at_ms: transfer.clock.now_ms(),
            actor: who.name.clone(),
            kind: transfer.act.to_owned(),
            subject: "store/mlflow".to_owned(),
            data: serde_json::json!({
                "source": report.source,
                "target": report.target,
                "records": report.records,
                "artifacts": report.artifacts,
                "ok": report.ok,
            }),
        };
        transfer.events.append(&event).await.context("recording the transfer")?;
    }
    Ok(report)
}
