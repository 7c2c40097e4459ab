//! Brings objects and earlier results that the cache lacks from the default remote.
//!
//! What the remote does not hold stays missing: the caller looks again.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::fsx::{self, Stat};
use crate::hash::{HashName, Recorded, parse_tree};
use crate::workspace::Workspace;

/// Fetches `wanted` and the files of directories.
pub(crate) fn fetch(workspace: &mut Workspace<'_>, wanted: &[Recorded]) -> Result<()> {
    let Some(remote) = workspace.repo.config().remote_dir.clone() else { return Ok(()) };
    for recorded in wanted.iter().filter(|recorded| recorded.name == HashName::Md5) {
        if workspace.cache.missing(recorded)? == 0 {
            continue;
        }
        let mut names = vec![recorded.md5.clone()];
        if recorded.is_dir() {
            let bytes = match fs::read(object(&remote, &recorded.md5)) {
                Ok(bytes) => Some(bytes),
                Err(_) => fs::read(workspace.cache.object_path(HashName::Md5, &recorded.md5)).ok(),
            };
            let tree = bytes.and_then(|bytes| parse_tree(&bytes)).unwrap_or_default();
            names.extend(tree.into_iter().map(|file| file.md5));
        }
        let mut batch = workspace.cache.batch();
        for name in names {
            let path = object(&remote, &name);
            if let Some(meta) = fsx::metadata(&path)? {
                batch.add_file(&path, &name, &Stat::of(&meta))?;
            }
        }
        batch.commit()?;
    }
    Ok(())
}

/// Fetches what earlier runs made, without their objects.
pub(crate) fn fetch_runs(workspace: &mut Workspace<'_>) -> Result<()> {
    let Some(remote) = workspace.repo.config().remote_dir.clone() else { return Ok(()) };
    let runs = remote.join("runs");
    for shard in names(&runs)? {
        for key in names(&runs.join(&shard))? {
            let from = runs.join(&shard).join(&key);
            let into = workspace.cache.runs_dir().join(&shard).join(&key);
            for value in names(&from)? {
                let path = into.join(&value);
                if !path.exists() {
                    workspace.cache.make_dirs(&into)?;
                    let text = fsx::read_text(&from.join(&value))?.unwrap_or_default();
                    fsx::write_text(&path, &text)?;
                }
            }
        }
    }
    Ok(())
}

fn object(remote: &Path, md5: &str) -> PathBuf {
    remote.join("files/md5").join(&md5[..2]).join(&md5[2..])
}

fn names(dir: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", dir)(error)),
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|name| !name.starts_with('.')).collect())
}
