//! What a quickstart has done so far, so that an interrupted one goes on where it was.
//!
//! The file is written before the first file of the project and after each step, by rename. A step that was cut off is
//! done again; every step is written so that doing it again changes nothing that it had already achieved.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lemnis_app::scaffold::Plan;
use lemnis_core::ErrorKind;
use serde::{Deserialize, Serialize};

use super::display::Outcome;
use crate::output::{Failure, io_failure};

const FILE: &str = ".lemnis/quickstart.json";

/// The record of one quickstart.
#[derive(Debug, Serialize, Deserialize)]
pub struct Journal {
    #[serde(skip)]
    path: PathBuf,
    /// What is being made.
    pub plan: Plan,
    /// SHA-256 of the data that it was started with.
    pub data_digest: String,
    /// Finished steps and what they said.
    steps: BTreeMap<String, Done>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Done {
    results: Vec<String>,
    commands: Vec<String>,
    #[serde(default)]
    facts: serde_json::Value,
}

impl Journal {
    /// The journal in `dir`, if a quickstart was started there.
    pub fn read(dir: &Path) -> Result<Option<Self>, Failure> {
        let path = dir.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_failure(format!("reading {}", path.display()))(error)),
        };
        let mut journal: Self = serde_json::from_str(&text).map_err(|error| {
            Failure::new(ErrorKind::Conflict, format!("{} is not readable: {error}", path.display()))
                .with_hint("remove the directory and start again")
        })?;
        journal.path = path;
        Ok(Some(journal))
    }

    /// Starts a journal in `dir`.
    pub fn start(dir: &Path, plan: Plan, data_digest: String) -> Result<Self, Failure> {
        let path = dir.join(FILE);
        let journal = Self { path, plan, data_digest, steps: BTreeMap::new() };
        journal.write()?;
        Ok(journal)
    }

    /// What the finished step `name` said.
    pub fn done(&self, name: &str) -> Option<Outcome> {
        self.steps.get(name).map(|done| Outcome {
            results: done.results.clone(),
            commands: done.commands.clone(),
            resumed: true,
        })
    }

    /// What the finished step `name` left for later steps.
    pub fn facts(&self, name: &str) -> serde_json::Value {
        self.steps.get(name).map(|done| done.facts.clone()).unwrap_or_default()
    }

    /// Records that `name` is done.
    pub fn finish(&mut self, name: &str, outcome: &Outcome, facts: serde_json::Value) -> Result<(), Failure> {
        let done = Done { results: outcome.results.clone(), commands: outcome.commands.clone(), facts };
        self.steps.insert(name.to_owned(), done);
        self.write()
    }

    fn write(&self) -> Result<(), Failure> {
        let what = || format!("writing {}", self.path.display());
        if let Some(parent) = self.path.parent() {
            std::fs::create_dir_all(parent).map_err(io_failure(what()))?;
        }
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Failure::new(ErrorKind::Internal, error.to_string()))?;
        lemnis_core::write_whole(&self.path, |out| out.write_all(text.as_bytes())).map_err(io_failure(what()))
    }
}
