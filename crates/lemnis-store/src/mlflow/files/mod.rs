//! MLflow's `mlruns/` folder: a directory for each experiment and run, a file for each metric, param and tag.
//!
//! Nothing in it is changed. Names of files are keys, so that a key with a slash is a file in a folder.

mod models;
mod runs;
mod traces;
mod yaml;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use lemnis_tracking::transfer::{Archive, Kind, Record};
use lemnis_tracking::{Error, Experiment, ExperimentId, Result};
use parking_lot::Mutex;

use crate::Fault as _;

/// Folders of an experiment that are no runs.
const RESERVED: [&str; 4] = ["tags", "datasets", "traces", "models"];
/// Where deleted experiments lie.
const TRASH: &str = ".trash";

/// An `mlruns/` folder. Clones share what was found in it.
#[derive(Clone)]
pub(super) struct MlflowFiles {
    root: PathBuf,
    /// Where each record lies that was listed.
    found: Arc<Mutex<HashMap<(Kind, String), PathBuf>>>,
}

impl MlflowFiles {
    /// The folder at `root`. Fails where it holds no experiment.
    pub(super) fn open(root: &Path) -> Result<Self> {
        let files = Self { root: root.to_owned(), found: Arc::default() };
        if files.experiment_folders()?.is_empty() {
            return Err(Error::invalid(format!(
                "{} is no mlruns folder: it holds no experiment",
                root.display()
            )));
        }
        Ok(files)
    }

    fn experiment_folders(&self) -> Result<Vec<(i64, PathBuf)>> {
        let mut folders = Vec::new();
        for parent in [self.root.clone(), self.root.join(TRASH)] {
            for (name, path) in yaml::folders(&parent)? {
                if let Some(id) = ExperimentId::parse(&name)
                    && path.join(yaml::META).is_file()
                {
                    folders.push((id.0, path));
                }
            }
        }
        folders.sort();
        Ok(folders)
    }

    fn list(&self, kind: Kind, experiment: Option<ExperimentId>) -> Result<Vec<String>> {
        let folder = match experiment {
            None => self.root.join("models"),
            Some(id) => {
                let folders = self.experiment_folders()?;
                let Some((_, folder)) = folders.into_iter().find(|(found, _)| *found == id.0) else {
                    return Ok(Vec::new());
                };
                match kind {
                    Kind::LoggedModel => folder.join("models"),
                    Kind::Trace => folder.join("traces"),
                    _ => folder,
                }
            }
        };
        if (kind == Kind::Model) != experiment.is_none() {
            return Ok(Vec::new());
        }
        let meta = if kind == Kind::Trace { traces::META } else { yaml::META };
        let mut ids = Vec::new();
        let mut found = self.found.lock();
        for (name, path) in yaml::folders(&folder)? {
            let reserved = kind == Kind::Run && RESERVED.contains(&name.as_str());
            if !reserved && path.join(meta).is_file() {
                found.insert((kind, name.clone()), path);
                ids.push(name);
            }
        }
        ids.sort();
        Ok(ids)
    }

    fn read(&self, kind: Kind, ids: &[String]) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        for id in ids {
            let path = self.found.lock().get(&(kind, id.clone())).cloned();
            let Some(path) = path else { continue };
            let record = match kind {
                Kind::Run => runs::read(&path)?,
                Kind::LoggedModel => models::logged(&path)?,
                Kind::Trace => traces::read(&path)?,
                Kind::Model => models::registered(&path)?,
            };
            records.push(record.sorted());
        }
        Ok(records)
    }
}

/// Runs `work`, which reads files, where it may wait.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Error::fault(crate::Error::Stopped)))
}

#[async_trait]
impl Archive for MlflowFiles {
    async fn experiments(&self) -> Result<Vec<Experiment>> {
        let files = self.clone();
        aside(move || files.experiment_folders()?.iter().map(|(_, path)| runs::experiment(path)).collect())
            .await
    }

    async fn ids(&self, kind: Kind, experiment: Option<ExperimentId>) -> Result<Vec<String>> {
        let files = self.clone();
        aside(move || files.list(kind, experiment)).await
    }

    async fn records(&self, kind: Kind, ids: &[String]) -> Result<Vec<Record>> {
        let (files, ids) = (self.clone(), ids.to_vec());
        aside(move || files.read(kind, &ids)).await
    }

    async fn left_out(&self) -> Result<Vec<(String, u64)>> {
        Ok(Vec::new())
    }

    async fn schema(&self) -> Result<String> {
        Ok("mlruns".to_owned())
    }
}
