//! Writes the files of a commit out, for those who need them on the disk.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::error::{Error, Result};
use crate::fsx;

/// Writes the files of a commit to `tree` inside `into`.
pub(crate) fn export(git_dir: &Path, commit: &str, into: &TempDir) -> Result<PathBuf> {
    let tree = into.path().join("tree");
    fsx::create_dirs(&tree)?;
    let index = into.path().join("index");
    let prefix = format!("--prefix={}/", tree.display());
    for args in [&["read-tree", commit][..], &["checkout-index", "-a", "-f", &prefix][..]] {
        let failed = |message: String| Error::Git { command: args.join(" "), message };
        let output = Command::new("git")
            .arg("-C")
            .arg(git_dir)
            .args(args)
            .env("GIT_INDEX_FILE", &index)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ")));
        }
    }
    Ok(tree)
}
