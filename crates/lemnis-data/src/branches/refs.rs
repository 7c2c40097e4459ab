//! Whether a branch may have moved, by stats alone: no process, no object is read.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What identifies the state of a branch on disk: equal stamps mean that neither the branch nor HEAD moved.
///
/// Git replaces `HEAD`, loose refs, `packed-refs` and a reftable's list by rename, so that their inode, size or time
/// changes with every move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefStamp(Vec<Option<(u64, i64, i64, u64)>>);

impl RefStamp {
    /// The stamp of `branch` in the repository whose work tree is at or above `dir`; nothing outside Git.
    pub fn read(dir: &Path, branch: &str) -> Option<Self> {
        let place = dir.ancestors().map(|at| at.join(".git")).find(|at| at.exists())?;
        let git_dir = if place.is_dir() { place } else { linked(&place)? };
        let common = match fs::read_to_string(git_dir.join("commondir")) {
            Ok(text) => git_dir.join(text.trim()),
            Err(_) => git_dir.clone(),
        };
        let stat = |path: PathBuf| {
            let meta = fs::metadata(path).ok()?;
            Some((meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len()))
        };
        Some(Self(vec![
            stat(git_dir.join("HEAD")),
            stat(common.join("refs/heads").join(branch)),
            stat(common.join("packed-refs")),
            stat(common.join("reftable/tables.list")),
        ]))
    }
}

/// The directory that a `.git` file of a linked work tree names.
fn linked(file: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(file).ok()?;
    let name = text.strip_prefix("gitdir:")?.trim();
    Some(file.parent()?.join(name))
}
