//! Artifacts as files below one folder.

use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

use crate::{Error, Result};

/// The artifacts below `root`, which is made if it is missing. No path leads out of it.
pub fn artifacts(root: &Path) -> Result<Arc<dyn ObjectStore>> {
    let cannot =
        |source: Box<dyn std::error::Error + Send + Sync>| Error::Artifacts { path: root.to_owned(), source };
    std::fs::create_dir_all(root).map_err(|error| cannot(error.into()))?;
    let files = LocalFileSystem::new_with_prefix(root).map_err(|error| cannot(error.into()))?;
    Ok(Arc::new(files.with_automatic_cleanup(true)))
}
