//! The three-way merge of paths with their content: what either side did since the base is done.
//!
//! One rule serves the Git merge driver and merges of branches. Several bases (criss-cross merges) must agree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::fsx;
use crate::hash::{self, HashName, Recorded, TreeFile};
use crate::repo::Repo;

/// One of the two states that are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The branch that is merged into.
    Ours,
    /// The branch that is merged.
    Theirs,
}

/// Path in a directory → MD5 of its content.
pub(crate) type Files = BTreeMap<String, String>;

/// What came of a merge by path.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    pub(crate) files: Files,
    /// Paths that both sides changed, each in its own way.
    pub(crate) conflicts: Vec<String>,
}

/// What remains of one value; an error when both sides changed it.
pub(crate) fn choose<V: PartialEq + Clone>(
    bases: &[Option<&V>],
    ours: Option<&V>,
    theirs: Option<&V>,
) -> Result<Option<V>, ()> {
    if ours == theirs {
        Ok(ours.cloned())
    } else if bases.iter().all(|base| *base == ours) {
        Ok(theirs.cloned())
    } else if bases.iter().all(|base| *base == theirs) {
        Ok(ours.cloned())
    } else {
        Err(())
    }
}

/// What both sides did to the bases, path by path. A conflict is settled by `prefer`, where it is given. A path that is
/// a file on one side and a directory on the other is always a conflict. Without a base both sides are new.
pub(crate) fn by_path(bases: &[&Files], ours: &Files, theirs: &Files, prefer: Option<Side>) -> Merged {
    let empty = Files::new();
    let bases = if bases.is_empty() { &[&empty][..] } else { bases };
    let mut merged = Merged::default();
    let names: BTreeSet<&String> =
        bases.iter().flat_map(|base| base.keys()).chain(ours.keys()).chain(theirs.keys()).collect();
    for name in names {
        let old: Vec<Option<&String>> = bases.iter().map(|base| base.get(name)).collect();
        let kept = match (choose(&old, ours.get(name), theirs.get(name)), prefer) {
            (Ok(kept), _) => kept,
            (Err(()), Some(Side::Ours)) => ours.get(name).cloned(),
            (Err(()), Some(Side::Theirs)) => theirs.get(name).cloned(),
            (Err(()), None) => {
                merged.conflicts.push(name.clone());
                continue;
            }
        };
        merged.files.extend(kept.map(|md5| (name.clone(), md5)));
    }
    let clash = |name: &&String| {
        let mut above = name.match_indices('/').map(|(at, _)| &name[..at]);
        above.any(|dir| merged.files.contains_key(dir))
    };
    let clashes: Vec<String> = merged.files.keys().filter(clash).cloned().collect();
    merged.conflicts.extend(clashes);
    merged
}

/// The files of a recorded directory, which `shown` names in errors.
pub(crate) fn files_of(cache: &Cache, shown: &str, recorded: &Recorded) -> Result<Files> {
    if recorded.name != HashName::Md5 {
        return Err(Error::hinted(
            format!("cannot merge: the record of '{shown}' was made by DVC 2"),
            "bring it up to date first: lemnis cache migrate --dvc-files",
        ));
    }
    let tree = cache.tree(recorded.name, &recorded.md5)?;
    let tree = tree.ok_or_else(|| Error::NotInCache { path: shown.to_owned(), missing: 1 })?;
    Ok(tree.into_iter().map(|file| (file.relpath, file.md5)).collect())
}

/// The directory that `files` make, with the bytes of its object. All of them must be in the cache.
pub(crate) fn directory(cache: &Cache, shown: &str, files: &Files) -> Result<(Recorded, Vec<u8>)> {
    let mut tree: Vec<TreeFile> =
        files.iter().map(|(relpath, md5)| TreeFile { relpath: relpath.clone(), md5: md5.clone() }).collect();
    let bytes = hash::tree_bytes(&mut tree);
    let (mut size, mut missing) = (0, 0);
    for file in &tree {
        match fsx::metadata(&cache.object_path(HashName::Md5, &file.md5))? {
            Some(meta) => size += meta.len(),
            None => missing += 1,
        }
    }
    if missing > 0 {
        return Err(Error::NotInCache { path: shown.to_owned(), missing });
    }
    let (md5, nfiles) = (hash::tree_md5(&bytes), Some(tree.len() as u64));
    Ok((Recorded { name: HashName::Md5, md5, size: Some(size), nfiles, isexec: false }, bytes))
}

/// `path` as conflicts name it: relative to the repository's root.
pub(crate) fn shown(repo: &Repo, path: &Path) -> String {
    repo.in_repo(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> Files {
        let pair = |pair: &str| pair.split_once('=').map(|(name, md5)| (name.to_owned(), md5.to_owned()));
        text.split_whitespace().filter_map(pair).collect()
    }

    fn merge(base: &str, ours: &str, theirs: &str) -> Merged {
        by_path(&[&files(base)], &files(ours), &files(theirs), None)
    }

    #[test]
    fn changes_of_both_sides_come_together() {
        let merged = merge("a=1 b=1 c=1 z=1", "a=2 b=1 c=1 d=1", "a=1 c=1 e=1 d=1");
        assert_eq!((merged.files, merged.conflicts.len()), (files("a=2 c=1 d=1 e=1"), 0));
    }

    #[test]
    fn a_file_that_both_changed_is_a_conflict_that_a_strategy_settles() {
        assert_eq!(merge("a=1", "a=2", "a=3").conflicts, ["a"]);
        assert_eq!(merge("a=1 b=1", "a=2 b=1", "b=1").conflicts, ["a"]);
        let [base, ours, theirs] = ["a=1", "a=2", ""].map(files);
        assert_eq!(by_path(&[&base], &ours, &theirs, Some(Side::Ours)).files, ours);
        assert_eq!(by_path(&[&base], &ours, &theirs, Some(Side::Theirs)).files, theirs);
    }

    #[test]
    fn a_file_and_a_directory_of_one_name_conflict_whatever_the_strategy() {
        let [ours, theirs] = ["a=1", "a/b=1"].map(files);
        assert_eq!(by_path(&[], &ours, &theirs, Some(Side::Ours)).conflicts, ["a/b"]);
    }

    #[test]
    fn bases_that_disagree_make_a_conflict() {
        let [one, two, ours, theirs] = ["a=1", "a=2", "a=1", "a=2"].map(files);
        assert_eq!(by_path(&[&one, &two], &ours, &theirs, None).conflicts, ["a"]);
    }
}
