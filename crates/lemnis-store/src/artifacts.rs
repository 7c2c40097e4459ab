//! Artifacts as files below one folder, or as objects below one URL.

use std::path::Path;
use std::sync::Arc;

use lemnis_tracking::direct::DirectTransfers;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;

use crate::remotes::open_signing;
use crate::{CloudEnvironment, Error, Result};

/// Where artifacts lie.
#[derive(Clone)]
pub struct Artifacts {
    /// Their bytes.
    pub store: Arc<dyn ObjectStore>,
    /// How clients reach them past the server, where an object store can sign URLs.
    pub direct: Option<Arc<dyn DirectTransfers>>,
}

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
pub fn artifacts_at(url: &str, environment: &CloudEnvironment) -> Result<Artifacts> {
    let opened = open_signing(url, &Default::default(), environment)?;
    let store = match opened.prefix.is_empty() {
        true => opened.store,
        false => Arc::new(PrefixStore::new(opened.store, opened.prefix)),
    };
    Ok(Artifacts { store, direct: opened.direct })
}
