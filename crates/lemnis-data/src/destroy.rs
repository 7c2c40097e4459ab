//! Takes data versioning out of a directory: the data stays, everything that describes it goes.

use crate::error::Result;
use crate::fsx;
use crate::index::Index;
use crate::output::unprotect;
use crate::repo::Repo;
use crate::workspace::Workspace;

/// Removes every `.dvc` file, `dvc.yaml`, `dvc.lock`, `.dvcignore` and `.dvc` itself. Data that is linked to the
/// cache becomes independent of it first. Returns how many files that describe data were removed.
pub fn destroy(repo: Repo) -> Result<usize> {
    let mut removed = 0;
    let workspace = Workspace::open(&repo)?;
    let index = Index::load_locked(&workspace)?;
    // All data first: a destruction that is cut off must not leave links to a cache that is gone.
    for out in index.stages.iter().flat_map(|stage| &stage.outs) {
        if fsx::metadata(&out.path)?.is_some() {
            unprotect(&out.path, repo.config().shared)?;
        }
    }
    for stage in &index.stages {
        if !stage.file.exists() {
            continue;
        }
        if stage.name.is_some() {
            fsx::remove(&stage.file.with_extension("lock"))?;
        }
        fsx::remove(&stage.file)?;
        removed += 1;
    }
    fsx::remove(&repo.root().join(".dvcignore"))?;
    workspace.close()?;
    fsx::remove(&repo.root().join(".dvc"))?;
    Ok(removed)
}
