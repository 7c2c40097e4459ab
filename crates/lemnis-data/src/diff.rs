//! Which tracked data was added, changed, moved or deleted between two revisions, or since one.

use std::path::PathBuf;

use serde::Serialize;

use crate::cache::Cache;
use crate::datatree::{self, Change, DataTree, Entry, Kind, Scope};
use crate::error::{Error, Result};
use crate::index::Index;
use crate::members::Members;
use crate::remote::OpenStore;
use crate::repo::Repo;
use crate::workspace::Workspace;

/// Paths by what became of them. Directories end in `/`, each list is sorted by path.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Diff {
    /// Only in the newer state.
    pub added: Vec<DiffEntry>,
    /// Only in the older state.
    pub deleted: Vec<DiffEntry>,
    /// Other content.
    pub modified: Vec<DiffEntry>,
    /// The same content at another path.
    pub renamed: Vec<DiffEntry>,
    /// Recorded by the older state and not in the cache; absent between two revisions.
    #[serde(rename = "not in cache", skip_serializing_if = "Option::is_none")]
    pub not_in_cache: Option<Vec<DiffEntry>>,
}

/// One path.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DiffEntry {
    /// Relative to the repository's root.
    pub path: Revised,
    /// MD5 in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<Revised>,
}

/// A text, or the texts before and after.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Revised {
    /// The same on both sides, or there is only one.
    One(Option<String>),
    /// It changed.
    Both {
        /// Before.
        old: Option<String>,
        /// After.
        new: Option<String>,
    },
}

impl Diff {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        let lists = [&self.added, &self.deleted, &self.modified, &self.renamed];
        lists.iter().all(|list| list.is_empty()) && self.not_in_cache.as_ref().is_none_or(Vec::is_empty)
    }

    /// Leaves the hashes out.
    pub fn without_hashes(mut self) -> Self {
        let lists = [&mut self.added, &mut self.deleted, &mut self.modified, &mut self.renamed];
        for entry in lists.into_iter().flatten().chain(self.not_in_cache.iter_mut().flatten()) {
            entry.hash = None;
        }
        self
    }
}

/// Compares revision `old` with revision `new` or, without one, with the workspace.
pub fn diff(
    repo: &Repo,
    old: &str,
    new: Option<&str>,
    targets: &[String],
    stores: &dyn OpenStore,
) -> Result<Diff> {
    if repo.has_no_commits()? {
        return Ok(Diff::default());
    }
    let commit = repo.resolve(old)?;
    let new_commit = new.filter(|new| *new != "workspace").map(|new| repo.resolve(new)).transpose()?;
    if new_commit.as_ref() == Some(&commit) {
        return Ok(Diff::default());
    }
    let mut workspace = Workspace::open(repo)?;
    let cache = Cache::new(repo.config(), repo.scratch_dir());
    let members = Members::new(repo, &cache, stores);
    let old_repo = repo.at_commit(&commit)?;
    let new_repo = new_commit.as_ref().map(|commit| repo.at_commit(commit)).transpose()?.flatten();
    let old_index = old_repo.as_ref().map(Index::load).transpose()?;
    let new_index = match (&new_commit, &new_repo) {
        (None, _) => Some(Index::load_locked(&workspace)?),
        (Some(_), Some(repo)) => Some(Index::load(repo)?),
        (Some(_), None) => None,
    };
    let indices: Vec<&Index> = old_index.iter().chain(&new_index).collect();
    let scope = Scope { within: within(repo, &indices, targets)?, granular: true };
    let before = match (&old_repo, &old_index) {
        (Some(repo), Some(index)) => DataTree::recorded(repo, index, &members, &scope)?,
        _ => DataTree::default(),
    };
    let after = match (&new_commit, &new_index) {
        (None, Some(index)) => DataTree::present(&mut workspace, index, &scope)?,
        (Some(_), Some(index)) => DataTree::recorded(repo, index, &members, &scope)?,
        (_, None) => DataTree::default(),
    };
    let changes = datatree::compare(repo, &before, &after, &scope, false);
    let diff = sort(changes, new_commit.is_none().then_some(&cache));
    workspace.close()?;
    Ok(diff)
}

/// The paths of the targets on either side; a target that neither knows is an error.
fn within(repo: &Repo, indices: &[&Index], targets: &[String]) -> Result<Option<Vec<PathBuf>>> {
    if targets.is_empty() {
        return Ok(None);
    }
    let mut paths = Vec::new();
    let mut unknown: Vec<String> = targets.to_vec();
    for index in indices {
        let (found, missing) = datatree::targets(repo, index, targets)?;
        paths.extend(found);
        unknown.retain(|target| missing.contains(target));
    }
    match unknown.into_iter().next() {
        Some(target) => Err(Error::NoSuchTarget { target }),
        None => Ok(Some(paths)),
    }
}

fn sort(changes: Vec<Change>, missing_from: Option<&Cache>) -> Diff {
    let mut diff = Diff { not_in_cache: missing_from.map(|_| Vec::new()), ..Diff::default() };
    let hash = |entry: &Entry| entry.hash.as_ref().map(|(_, md5)| md5.clone());
    let one = |(path, entry): &(String, Entry)| DiffEntry {
        path: Revised::One(Some(entry.show(path))),
        hash: Some(Revised::One(hash(entry))),
    };
    for change in &changes {
        match (change.kind, &change.old, &change.new) {
            (Kind::Added, _, Some(new)) => diff.added.push(one(new)),
            (Kind::Deleted, Some(old), _) => diff.deleted.push(one(old)),
            (Kind::Modified, Some((path, old)), Some((_, new))) => diff.modified.push(DiffEntry {
                path: Revised::One(Some(old.show(path))),
                hash: Some(Revised::Both { old: hash(old), new: hash(new) }),
            }),
            (Kind::Renamed, Some((from, old)), Some((to, new))) => diff.renamed.push(DiffEntry {
                path: Revised::Both { old: Some(old.show(from)), new: Some(new.show(to)) },
                hash: Some(Revised::One(hash(old))),
            }),
            _ => {}
        }
        if let (Some(cache), Some(old), Some(list)) = (missing_from, &change.old, &mut diff.not_in_cache)
            && let Some((name, md5)) = &old.1.hash
            && !cache.object_path(*name, md5).exists()
        {
            list.push(one(old));
        }
    }
    let by_old = |entry: &DiffEntry| match &entry.path {
        Revised::One(path) | Revised::Both { old: path, .. } => path.clone(),
    };
    diff.modified.sort_by_key(by_old);
    diff.renamed.sort_by_key(by_old);
    for list in [&mut diff.added, &mut diff.deleted].into_iter().chain(&mut diff.not_in_cache) {
        list.sort_by_key(by_old);
    }
    diff
}
