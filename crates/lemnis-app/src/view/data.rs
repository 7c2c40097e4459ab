//! Versioned data, the pipeline that works on it, and what the checks said.

use serde::Serialize;

use super::{Moment, State};

/// All datasets and stages.
#[derive(Clone, Debug, Serialize)]
pub struct DataList {
    /// The data, raw first.
    pub datasets: Vec<Dataset>,
    /// The stages of `dvc.yaml`, in topological order.
    pub stages: Vec<StageRow>,
}

/// One versioned file or folder.
#[derive(Clone, Debug, Serialize)]
pub struct Dataset {
    /// The path in the project.
    pub path: String,
    /// Its digest as DVC tracks it.
    pub digest: Option<String>,
    /// Its size.
    pub size_bytes: Option<u64>,
    /// The number of files in a folder.
    pub files: Option<u64>,
    /// The stage that makes it; `None` for data that was added.
    pub stage: Option<String>,
    /// How it stands.
    pub state: State,
    /// Results of its checks, newest first.
    pub validations: Vec<Validation>,
}

/// One result of an expectation suite.
#[derive(Clone, Debug, Serialize)]
pub struct Validation {
    /// The verdict's id.
    pub verdict: String,
    /// When.
    pub at: Moment,
    /// Whether every expectation held.
    pub passed: bool,
    /// One sentence.
    pub summary: String,
    /// The suite's name or path.
    pub suite: String,
    /// Expectations that held.
    pub held: usize,
    /// Expectations in all.
    pub total: usize,
    /// The expectations, broken ones first.
    pub results: Vec<ExpectationRow>,
}

/// What one expectation found.
#[derive(Clone, Debug, Serialize)]
pub struct ExpectationRow {
    /// Whether it held.
    pub passed: bool,
    /// The column, where it is about one.
    pub column: Option<String>,
    /// The expectation in words, such as `values between 0 and 120`.
    pub sentence: String,
    /// What was observed, in words.
    pub observed: String,
    /// A few values that break it.
    pub unexpected: Vec<String>,
}

/// One stage of the pipeline.
#[derive(Clone, Debug, Serialize)]
pub struct StageRow {
    /// Its name.
    pub name: String,
    /// The command.
    pub command: String,
    /// The files it reads.
    pub deps: Vec<String>,
    /// The files it writes.
    pub outs: Vec<String>,
    /// The params it reads.
    pub params: Vec<String>,
    /// Whether its outputs are as its inputs want them.
    pub state: State,
    /// What changed, where something did.
    pub changed: Vec<String>,
}
