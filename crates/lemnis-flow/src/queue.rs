//! The port that keeps flow runs.

use std::path::Path;

use async_trait::async_trait;
use lemnis_core::Millis;

use crate::{FlowRun, New, Outcome, Result};

/// What a worker learns when it renews its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Go on.
    Held,
    /// Go on holding, but stop the command: somebody asked for the run's end.
    CancelRequested,
    /// The lease passed to another worker or the run has ended: stop the command and report nothing.
    Lost,
}

/// A durable queue. Each method is one transaction and applies the rules of [`FlowRun`].
#[async_trait]
pub trait Queue: Send + Sync {
    /// Queues a run. With an idempotency key that is already there it returns that run, whatever its state.
    async fn enqueue(&self, new: New) -> Result<FlowRun>;

    /// Takes the oldest run that is due, its earlier worker's lease included if that ran out.
    ///
    /// Runs that are due but may not be tried again are ended on the way.
    async fn lease(&self, worker: &str, now: Millis, lease_ms: Millis) -> Result<Option<FlowRun>>;

    /// Renews the lease of `attempt` and notes where the log is.
    async fn heartbeat(
        &self,
        id: &str,
        worker: &str,
        attempt: u32,
        lease_until_ms: Millis,
        log_path: Option<&Path>,
    ) -> Result<Beat>;

    /// Reports how `attempt` ended. `false` and no change if `worker` does not hold its lease any more.
    async fn finish(
        &self,
        id: &str,
        worker: &str,
        attempt: u32,
        outcome: Outcome,
        now: Millis,
    ) -> Result<bool>;

    /// Asks for a run's end and returns the run; `None` where there is no such run.
    async fn cancel(&self, id: &str, now: Millis) -> Result<Option<FlowRun>>;

    /// Ends every lease at `now`, for a process that knows itself to be the only one: what ran before it started
    /// cannot be running any more. Returns how many.
    async fn expire_leases(&self, now: Millis) -> Result<u64>;

    /// The run with `id`.
    async fn get(&self, id: &str) -> Result<Option<FlowRun>>;

    /// The newest `limit` runs, newest first.
    async fn list(&self, limit: usize) -> Result<Vec<FlowRun>>;
}
