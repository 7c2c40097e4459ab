//! The worker: takes a run, has it executed, keeps its lease alive, reports how it ended.
//!
//! A worker that dies reports nothing; its lease runs out and the next one takes the run. A worker that is told to stop
//! ends its command and puts the run back.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lemnis_core::{Clock, Millis};
use tokio_util::sync::CancellationToken;

use crate::{Beat, Ended, Executor, FlowRun, Outcome, ProcessExecutor, Queue};

/// How long a claim holds without being renewed.
const LEASE_MS: Millis = 15_000;
/// How often a claim is renewed and a request to cancel is seen.
const BEAT: Duration = Duration::from_secs(1);
/// How often an idle worker looks for work.
const POLL: Duration = Duration::from_millis(50);
/// How long a worker waits after the queue failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Executes the runs of a queue, one at a time.
pub struct Worker {
    name: String,
    queue: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
    executor: Arc<dyn Executor>,
    lease_ms: Millis,
    beat: Duration,
}

impl Worker {
    /// A worker that runs commands as local processes in `directory`, with `environment` on top of its own; their
    /// output goes to `logs`.
    pub fn new(
        queue: Arc<dyn Queue>,
        clock: Arc<dyn Clock>,
        directory: PathBuf,
        logs: PathBuf,
        environment: Vec<(String, String)>,
    ) -> Self {
        Self::with_executor(queue, clock, Arc::new(ProcessExecutor::new(directory, logs, environment)))
    }

    /// A worker that runs commands through `executor`.
    pub fn with_executor(queue: Arc<dyn Queue>, clock: Arc<dyn Clock>, executor: Arc<dyn Executor>) -> Self {
        let name = format!("worker-{}", uuid::Uuid::new_v4().simple());
        Self { name, queue, clock, executor, lease_ms: LEASE_MS, beat: BEAT }
    }

    /// The same worker with another lease and heartbeat.
    #[must_use]
    pub fn with_lease(mut self, lease_ms: Millis, beat: Duration) -> Self {
        self.lease_ms = lease_ms;
        self.beat = beat;
        self
    }

    /// Works until `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let pause = match self.once(&stop).await {
                Ok(true) => continue,
                Ok(false) => POLL,
                Err(error) => {
                    tracing::error!(%error, "the worker cannot use its queue");
                    AFTER_FAILURE
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Takes and executes one run; `false` when none is due.
    pub async fn once(&self, stop: &CancellationToken) -> crate::Result<bool> {
        let Some(run) = self.queue.lease(&self.name, self.clock.now_ms(), self.lease_ms).await? else {
            return Ok(false);
        };
        tracing::info!(flow = run.flow, run = run.id, attempt = run.attempt, "a flow run starts");
        let Some(outcome) = self.execute(&run, stop).await else {
            tracing::warn!(run = run.id, attempt = run.attempt, "the lease was lost");
            return Ok(true);
        };
        let now = self.clock.now_ms();
        let taken = self.queue.finish(&run.id, &self.name, run.attempt, outcome.clone(), now).await?;
        match outcome {
            Outcome::Failed { error } => tracing::warn!(run = run.id, error, "a flow run's attempt failed"),
            _ => tracing::info!(run = run.id, taken, "a flow run's attempt ended"),
        }
        Ok(true)
    }

    /// Executes `run` under a living lease; `None` if the lease was lost on the way.
    async fn execute(&self, run: &FlowRun, stop: &CancellationToken) -> Option<Outcome> {
        let log = self.executor.log_path(run);
        let end = stop.child_token();
        let mut work = std::pin::pin!(self.executor.run(run, &log, end.clone()));
        let mut beats = tokio::time::interval(self.beat);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut cancelled = false;
        let ended = loop {
            tokio::select! {
                ended = &mut work => break ended,
                _ = beats.tick() => {
                    let until = self.clock.now_ms().saturating_add(self.lease_ms);
                    match self.queue.heartbeat(&run.id, &self.name, run.attempt, until, Some(&log)).await {
                        Ok(Beat::Held) => {}
                        Ok(Beat::CancelRequested) => {
                            cancelled = true;
                            end.cancel();
                        }
                        Ok(Beat::Lost) => {
                            end.cancel();
                            work.await;
                            return None;
                        }
                        Err(error) => tracing::warn!(%error, run = run.id, "a heartbeat failed"),
                    }
                }
            }
        };
        Some(match ended {
            Ended::Well(result) => Outcome::Succeeded { result },
            Ended::Badly(error) => Outcome::Failed { error },
            Ended::Stopped if cancelled => Outcome::Cancelled,
            Ended::Stopped => Outcome::Interrupted,
        })
    }
}
