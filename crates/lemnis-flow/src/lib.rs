//! Durable runs: a queue with leases, a worker that takes from it, and executors that do the work.
//!
//! A run is executed at least once and finished exactly once: whoever holds the lease may finish it, and a lease that
//! is not renewed passes to the next worker. The rules are pure functions of [`FlowRun`]; the [`Queue`] port keeps it.

mod error;
mod executor;
mod queue;
mod retry;
mod run;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod worker;

pub use error::{Error, Result};
pub use executor::{Ended, Executor, ProcessExecutor};
pub use queue::{Beat, Queue};
pub use retry::backoff_ms;
pub use run::{FlowRun, FlowState, New, Outcome};
pub use worker::Worker;
