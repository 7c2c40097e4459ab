//! The rows that a version was trained on, as its run kept them.

use std::path::PathBuf;

use lemnis_core::{Classify, ErrorKind};
use lemnis_tracking::ModelVersion;

use crate::{App, Context, Error, artifact};

/// The file, within the folder that the run keeps.
const FILE: &str = "reference.parquet";
/// How a version without these rows gets them.
pub(super) const HOW: &str = "log a sample of its training rows as reference/reference.parquet to its run";

/// The file of the rows, fetched once, and where it is from; nothing where the run kept none.
pub(super) async fn of(app: &App, version: &ModelVersion) -> Result<Option<(PathBuf, String)>, Error> {
    let run = match &version.run_id {
        Some(run) => app.runs.get(run).await.context("reading the run")?,
        None => None,
    };
    let root = match run {
        Some(run) => run.info.artifact_uri,
        None => version.artifact_uri().trim_end_matches("/model").to_owned(),
    };
    let uri = format!("{}/reference", root.trim_end_matches('/'));
    let key = format!("reference-{}", lemnis_core::Digest::sha256(uri.as_bytes()).short());
    let folder = match artifact::local_copy(app, &uri, &key).await {
        Ok(folder) => folder,
        // Artifacts that another server keeps are as good as none.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Invalid) => return Ok(None),
        Err(error) => return Err(error),
    };
    let path = folder.join(FILE);
    Ok(path.is_file().then_some((path, uri)))
}
