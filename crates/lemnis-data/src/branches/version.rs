//! One version of one tracked file: where its bytes lie, without a checkout.

use std::path::{Path, PathBuf};

use lemnis_core::Digest;

use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::fsx;
use crate::hash::Recorded;
use crate::index::Index;
use crate::repo::Repo;
use crate::revision;

/// The bytes of a file at a revision.
#[derive(Clone, Debug)]
pub struct FileVersion {
    /// Where they lie: an object of the cache, or the file in the workspace.
    pub place: PathBuf,
    /// Their digest, where a record says it.
    pub digest: Option<Digest>,
    /// How many bytes.
    pub size_bytes: u64,
}

/// Whether `name` is a revision of Git or the name of an experiment.
pub fn is_revision(repo: &Repo, name: &str) -> Result<bool> {
    let Some(root) = repo.git_root() else { return Ok(false) };
    Ok(revision::resolve(root, name)?.is_some() || repo.resolve(name).is_ok())
}

/// The tracked file `path`, a file inside a tracked directory included, as `revision` records it or, without one, as it
/// is in the workspace. Nothing where that revision has no such file.
pub fn file_version(repo: &Repo, revision: Option<&str>, path: &str) -> Result<Option<FileVersion>> {
    let full = fsx::normalize(repo.cwd(), Path::new(path));
    let Some(revision) = revision else {
        let size = fsx::metadata(&full)?.filter(std::fs::Metadata::is_file).map(|meta| meta.len());
        return Ok(size.map(|size_bytes| FileVersion { place: full, digest: None, size_bytes }));
    };
    let commit = repo.resolve(revision)?;
    let Some(at) = repo.at_commit(&commit)? else { return Ok(None) };
    let index = Index::load(&at)?;
    let cache = Cache::new(repo.config(), repo.scratch_dir());
    let mut outs = index.stages.iter().flat_map(|stage| &stage.outs).filter(|out| out.cache);
    let Some(out) = outs.find(|out| full.starts_with(&out.path)) else { return Ok(None) };
    let Some(recorded) = &out.recorded else { return Ok(None) };
    let missing = || Error::NotInCache { path: repo.in_repo(&out.path), missing: 1 };
    let md5 = match (recorded.is_dir(), full == out.path) {
        (false, true) => recorded.md5.clone(),
        (true, false) => {
            let inner = fsx::relative(&full, &out.path);
            let files = cache.tree(recorded.name, &recorded.md5)?.ok_or_else(missing)?;
            let Some(file) = files.into_iter().find(|file| file.relpath == inner) else { return Ok(None) };
            file.md5
        }
        _ => return Ok(None),
    };
    object(&cache, recorded, &md5).map(|found| found.ok_or_else(missing))?.map(Some)
}

fn object(cache: &Cache, recorded: &Recorded, md5: &str) -> Result<Option<FileVersion>> {
    if !cache.has(recorded.name, md5)? {
        return Ok(None);
    }
    let place = cache.object_path(recorded.name, md5);
    let size_bytes = fsx::metadata(&place)?.map_or(0, |meta| meta.len());
    Ok(Some(FileVersion { place, digest: Some(Digest::md5(md5)), size_bytes }))
}
