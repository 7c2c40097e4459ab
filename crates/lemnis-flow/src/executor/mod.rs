//! Executors: what turns a leased run into work. Another place to run is another file here.

mod orphan;
mod process;

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::FlowRun;

pub use process::ProcessExecutor;

/// How a command came to its end.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// It did what it should; what it left behind.
    Well(Value),
    /// It failed, and why in one line.
    Badly(String),
    /// It was stopped through the token.
    Stopped,
}

/// Runs commands somewhere.
#[async_trait]
pub trait Executor: Send + Sync {
    /// Where the output of `run` goes.
    fn log_path(&self, run: &FlowRun) -> PathBuf;

    /// Runs the command and appends its output to `log`. Once `stop` is cancelled it ends everything that the command
    /// started and returns [`Ended::Stopped`].
    async fn run(&self, run: &FlowRun, log: &Path, stop: CancellationToken) -> Ended;
}
