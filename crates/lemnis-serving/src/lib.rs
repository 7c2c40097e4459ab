//! The data plane: endpoints with champion and canary, rollouts, the prediction log and the scoring protocols.
//!
//! A request never waits for a lock that another one holds across an await, for the log, or for the store: arms are
//! swapped behind a pointer, statistics are atomics, and rows go to the log through a bounded channel that drops.

mod endpoint;
mod error;
mod live;
mod log;
pub mod mlflow_scoring;
pub mod oip;
mod request;
pub mod rollout;
mod rollouts;
mod stats;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use endpoint::EndpointState;
pub use error::{Error, Result};
pub use live::{ArmName, ArmView, Endpoint, EndpointView, Endpoints, Input, Prediction, Refused};
pub use log::{PredictionLog, Retention, feature_column, output_column};
pub use request::RequestMeta;
pub use rollout::Fault;
pub use rollouts::{Rollouts, Truth};
pub use stats::ArmStats;
