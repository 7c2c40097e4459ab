//! Files as a repository holds them, at a revision or in the workspace: what Git or the disk has, else what
//! the cache has of tracked data.

use std::path::{Path, PathBuf};

use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::fsx;
use crate::hash::HashName;
use crate::index::Index;
use crate::repo::Repo;
use crate::revision::BlobKind;
use crate::stage::Out;

/// The largest file that is read whole: metrics and plots, not data.
const MAX_READ_BYTES: u64 = 256 << 20;

/// A repository's files.
pub(crate) struct Contents<'a> {
    pub(crate) repo: &'a Repo,
    pub(crate) index: &'a Index,
    pub(crate) cache: Cache,
}

impl<'a> Contents<'a> {
    pub(crate) fn new(repo: &'a Repo, index: &'a Index) -> Self {
        let cache = Cache::new(repo.config(), repo.scratch_dir());
        Self { repo, index, cache }
    }

    /// The bytes at `path`; `None` when neither disk, Git nor the cache has them.
    pub(crate) fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let found = match self.repo.revision() {
            Some(tree) => tree.read(path)?,
            None => read_file(path)?,
        };
        if found.is_some() {
            return Ok(found);
        }
        match self.object(path)? {
            Some((name, md5)) if !md5.ends_with(".dir") && self.cache.has(name, &md5)? => {
                read_file(&self.cache.object_path(name, &md5))
            }
            _ => Ok(None),
        }
    }

    /// The files at and below `path`: itself for a file, none when nothing is there.
    pub(crate) fn find(&self, path: &Path) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        match self.repo.revision() {
            Some(tree) if tree.file(path).is_some_and(|blob| blob.kind != BlobKind::Symlink) => {
                found.push(path.to_path_buf());
            }
            Some(tree) => found.extend(tree.below(path).map(|(path, _)| path.clone())),
            None => walk(path, &mut found)?,
        }
        for out in self.outs().filter(|out| path.starts_with(&out.path) || out.path.starts_with(path)) {
            let Some(recorded) = &out.recorded else { continue };
            if !recorded.is_dir() {
                found.push(out.path.clone());
                continue;
            }
            let files = self.cache.tree(recorded.name, &recorded.md5)?.unwrap_or_default();
            let files = files.into_iter().map(|file| out.path.join(file.relpath));
            found.extend(files.filter(|file| file.starts_with(path)));
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// The files that `path` stands for: those below a directory, apart from DVC's own, else itself.
    pub(crate) fn expand(&self, path: &Path) -> Result<Vec<PathBuf>> {
        let mut found = self.find(path)?;
        found.retain(|file| file == path || !is_dvc_file(file.strip_prefix(path).unwrap_or(file)));
        Ok(if found.is_empty() { vec![path.to_path_buf()] } else { found })
    }

    pub(crate) fn outs(&self) -> impl Iterator<Item = &Out> {
        self.index.stages.iter().flat_map(|stage| &stage.outs)
    }

    /// The recorded hash of a tracked path or of a file inside one.
    pub(crate) fn object(&self, path: &Path) -> Result<Option<(HashName, String)>> {
        let Some(out) = self.outs().find(|out| path.starts_with(&out.path)) else { return Ok(None) };
        let Some(recorded) = &out.recorded else { return Ok(None) };
        if out.path == path {
            return Ok(Some((recorded.name, recorded.md5.clone())));
        }
        let inner = fsx::relative(path, &out.path);
        let tree = self.cache.tree(recorded.name, &recorded.md5)?.unwrap_or_default();
        let file = tree.into_iter().find(|file| file.relpath == inner);
        Ok(file.map(|file| (recorded.name, file.md5)))
    }
}

/// Whether a directory's listing leaves the file out: definitions, and what is Git's or DVC's.
fn is_dvc_file(inside: &Path) -> bool {
    let hidden = |part: &std::ffi::OsStr| part == ".git" || part == ".dvc";
    let name = inside.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    inside.iter().any(hidden) || is_definition(name)
}

/// Whether a file of that name says what is data, and is none that anybody imports.
pub(crate) fn is_definition(name: &str) -> bool {
    name.ends_with(".dvc") || matches!(name, "dvc.yaml" | ".dvcignore")
}

fn read_file(path: &Path) -> Result<Option<Vec<u8>>> {
    let Some(meta) = fsx::metadata(path)?.filter(std::fs::Metadata::is_file) else { return Ok(None) };
    if meta.len() > MAX_READ_BYTES {
        return Err(Error::invalid(format!("{} is larger than 256 MiB", path.display())));
    }
    std::fs::read(path).map(Some).map_err(Error::io("read", path))
}

fn walk(path: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let Some(meta) = fsx::metadata(path)? else { return Ok(()) };
    if !meta.is_dir() {
        found.push(path.to_path_buf());
        return Ok(());
    }
    for entry in std::fs::read_dir(path).map_err(Error::io("list", path))? {
        let entry = entry.map_err(Error::io("list", path))?;
        let kind = entry.file_type().map_err(Error::io("look at", path))?;
        if kind.is_dir() {
            walk(&entry.path(), found)?;
        } else if entry.path().is_file() {
            found.push(entry.path());
        }
    }
    Ok(())
}
