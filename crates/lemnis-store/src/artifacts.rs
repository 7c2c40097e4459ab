//! Artifacts as files below one folder, or as objects below one URL.

use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;

use crate::{CloudEnvironment, Error, Result, open_remote};

/// The artifacts below `root`, which is made if it is missing. No path leads out of it.
pub fn artifacts(root: &Path) -> Result<Arc<dyn ObjectStore>> {
    let cannot =
        |source: Box<dyn std::error::Error + Send + Sync>| Error::Artifacts { path: root.to_owned(), source };
    std::fs::create_dir_all(root).map_err(|error| cannot(error.into()))?;
    let files = LocalFileSystem::new_with_prefix(root).map_err(|error| cannot(error.into()))?;
    Ok(Arc::new(files.with_automatic_cleanup(true)))
}

/// The artifacts below `url`: `s3://bucket/path`, `gs://bucket/path`, `azure://container/path`. Credentials and endpoints
/// come from the environment, by the names that the clouds' own tools use.
/// Must be called inside a Tokio runtime's context, but not from async code.
pub fn artifacts_at(url: &str, environment: &CloudEnvironment) -> Result<Arc<dyn ObjectStore>> {
    let (store, prefix) = open_remote(url, &Default::default(), environment)?;
    Ok(if prefix.is_empty() { store } else { Arc::new(PrefixStore::new(store, prefix)) })
}
