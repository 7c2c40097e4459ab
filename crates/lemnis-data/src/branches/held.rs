//! What a revision holds: its tracked outputs by digest.

use lemnis_core::Digest;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::index::Index;
use crate::repo::Repo;

/// A tracked output as a revision records it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldOutput {
    /// Relative to the repository's root.
    pub path: String,
    /// The `.dvc` file or `dvc.lock` that records it, relative to the repository's root.
    pub file: String,
    /// Its content; nothing for an output of a stage that has not run.
    pub digest: Option<Digest>,
    /// Bytes of all its files.
    pub size_bytes: Option<u64>,
    /// Number of files: one for a file.
    pub files: Option<u64>,
}

/// The cached outputs that `revision` records, by path. Nothing is checked out.
pub fn held_at(repo: &Repo, revision: &str) -> Result<Vec<HeldOutput>> {
    let commit = repo.resolve(revision)?;
    match repo.at_commit(&commit)? {
        Some(at) => held(&at),
        None => Ok(Vec::new()),
    }
}

/// The cached outputs of `repo`, which may be looked at through a commit.
pub(super) fn held(repo: &Repo) -> Result<Vec<HeldOutput>> {
    let index = Index::load(repo)?;
    let mut outputs = Vec::new();
    for stage in &index.stages {
        let file = if stage.name.is_some() { stage.lock_path() } else { stage.file.clone() };
        for out in stage.outs.iter().filter(|out| out.cache && out.path.starts_with(repo.root())) {
            let recorded = out.recorded.as_ref();
            outputs.push(HeldOutput {
                path: repo.in_repo(&out.path),
                file: repo.in_repo(&file),
                digest: recorded.map(|recorded| Digest::md5(&recorded.md5)),
                size_bytes: recorded.and_then(|recorded| recorded.size),
                files: recorded
                    .and_then(|recorded| if recorded.is_dir() { recorded.nfiles } else { Some(1) }),
            });
        }
    }
    outputs.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(outputs)
}
