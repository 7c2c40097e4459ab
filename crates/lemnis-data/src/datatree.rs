//! Tracked data as a flat list of paths with hashes, as a revision records it or as the workspace holds it,
//! and the comparison of two such lists.
//!
//! A directory stands for itself and for each of its files. Where the content of a directory is not known,
//! because its object is neither in the cache nor on the remote, what the other side holds there is neither added nor deleted.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::fsx;
use crate::hash::{HashName, Recorded};
use crate::index::Index;
use crate::members::Members;
use crate::repo::Repo;
use crate::stage::{Out, Stage};
use crate::workspace::Workspace;

/// One tracked path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) hash: Option<(HashName, String)>,
    pub(crate) is_dir: bool,
    pub(crate) size: Option<u64>,
    pub(crate) is_exec: bool,
}

/// Paths relative to the repository's root.
#[derive(Clone, Debug, Default)]
pub(crate) struct DataTree {
    pub(crate) entries: BTreeMap<String, Entry>,
    /// Directories whose files are not known.
    unknown: Vec<String>,
}

/// What to look at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// Only these paths and what is below them; none means everything.
    pub(crate) within: Option<Vec<PathBuf>>,
    /// Single files of directories as well.
    pub(crate) granular: bool,
}

impl Scope {
    /// Whether `out`, or something below it, is looked at.
    pub(crate) fn touches(&self, out: &Path) -> bool {
        self.within
            .as_ref()
            .is_none_or(|paths| paths.iter().any(|path| path.starts_with(out) || out.starts_with(path)))
    }

    /// Whether `path` itself is looked at.
    pub(crate) fn takes(&self, path: &Path) -> bool {
        self.within.as_ref().is_none_or(|within| within.iter().any(|base| path.starts_with(base)))
    }
}

/// How an entry differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Added,
    Deleted,
    Modified,
    Renamed,
    Unchanged,
    Unknown,
}

/// A path on both sides.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) kind: Kind,
    pub(crate) old: Option<(String, Entry)>,
    pub(crate) new: Option<(String, Entry)>,
}

impl DataTree {
    /// What the stages of `index` record about their cached outputs.
    pub(crate) fn recorded(repo: &Repo, index: &Index, members: &Members<'_>, scope: &Scope) -> Result<Self> {
        let mut data = Self::default();
        if scope.granular {
            members.learn(outs(repo, index, scope))?;
        }
        for (stage, out) in outs(repo, index, scope) {
            let path = repo.in_repo(&out.path);
            let Some(recorded) = &stage.content(out) else {
                let entry = Entry { hash: None, is_dir: false, size: None, is_exec: false };
                data.entries.insert(path, entry);
                continue;
            };
            if recorded.is_dir() && scope.granular {
                match members.of(stage, out)? {
                    Some(files) => {
                        for file in files.iter() {
                            let entry = Entry::file(recorded.name, file.md5.clone());
                            data.entries.insert(format!("{path}/{}", file.relpath), entry);
                        }
                    }
                    None => data.unknown.push(path.clone()),
                }
            }
            data.entries.insert(path, Entry::of(recorded));
        }
        Ok(data)
    }

    /// What stands in the workspace where the stages of `index` have their cached outputs.
    pub(crate) fn present(workspace: &mut Workspace<'_>, index: &Index, scope: &Scope) -> Result<Self> {
        let repo = workspace.repo;
        let mut data = Self::default();
        for (_, out) in outs(repo, index, scope) {
            let name = out.recorded.as_ref().map_or(HashName::Md5, |recorded| recorded.name);
            let Some(now) = workspace.snapshot(&out.path, name)? else { continue };
            let path = repo.in_repo(&out.path);
            if now.recorded.is_dir() && scope.granular {
                let files = workspace.walk(&out.path)?;
                let key = workspace.key(&out.path);
                for file in workspace.hash_files(&key, &files, name)? {
                    data.entries
                        .insert(format!("{path}/{}", file.relpath), Entry::file(name, Some(file.md5)));
                }
            }
            data.entries.insert(path, Entry::of(&now.recorded));
        }
        Ok(data)
    }

    fn is_unknown(&self, path: &str) -> bool {
        let inside = |dir: &String| path.len() > dir.len() && path.starts_with(dir.as_str());
        self.unknown.iter().any(|dir| inside(dir) && path.as_bytes()[dir.len()] == b'/')
    }
}

impl Entry {
    pub(crate) fn of(recorded: &Recorded) -> Self {
        Self {
            hash: Some((recorded.name, recorded.md5.clone())),
            is_dir: recorded.is_dir(),
            size: recorded.size,
            is_exec: recorded.isexec,
        }
    }

    fn file(name: HashName, md5: Option<String>) -> Self {
        Self { hash: md5.map(|md5| (name, md5)), is_dir: false, size: None, is_exec: false }
    }

    /// The path as people read it: directories end in `/`.
    pub(crate) fn show(&self, path: &str) -> String {
        if self.is_dir { format!("{path}/") } else { path.to_owned() }
    }
}

fn outs<'i>(
    repo: &'i Repo,
    index: &'i Index,
    scope: &'i Scope,
) -> impl Iterator<Item = (&'i Stage, &'i Out)> {
    index.outs().filter(|(_, out)| out.cache && out.path.starts_with(repo.root()) && scope.touches(&out.path))
}

/// Compares by hash and, unless `hash_only`, by presence. Unchanged entries are part of the answer.
pub(crate) fn compare(
    repo: &Repo,
    old: &DataTree,
    new: &DataTree,
    scope: &Scope,
    hash_only: bool,
) -> Vec<Change> {
    let wanted = |path: &str| scope.takes(&repo.root().join(path));
    let mut paths: Vec<&String> = old.entries.keys().collect();
    paths.extend(new.entries.keys().filter(|path| !old.entries.contains_key(*path)));
    paths.retain(|path| wanted(path));
    paths.sort();
    let mut changes = Vec::with_capacity(paths.len());
    for path in paths {
        let (a, b) = (old.entries.get(path), new.entries.get(path));
        let hash = |entry: Option<&Entry>| entry.and_then(|entry| entry.hash.clone());
        let kind = if old.is_unknown(path) || new.is_unknown(path) {
            Kind::Unknown
        } else {
            match (hash(a), hash(b)) {
                _ if !hash_only && a.is_none() => Kind::Added,
                _ if !hash_only && b.is_none() => Kind::Deleted,
                (None, Some(_)) if hash_only => Kind::Added,
                (Some(_), None) if hash_only => Kind::Deleted,
                (x, y) if x == y => Kind::Unchanged,
                _ => Kind::Modified,
            }
        };
        let side = |entry: Option<&Entry>| entry.map(|entry| (path.clone(), entry.clone()));
        changes.push(Change { kind, old: side(a), new: side(b) });
    }
    renames(changes)
}

/// Turns a deletion and an addition of the same content into one renaming.
fn renames(changes: Vec<Change>) -> Vec<Change> {
    let mut deleted: HashMap<(HashName, String), VecDeque<usize>> = HashMap::new();
    for (at, change) in changes.iter().enumerate().filter(|(_, change)| change.kind == Kind::Deleted) {
        if let Some(hash) = change.old.as_ref().and_then(|(_, entry)| entry.hash.clone()) {
            deleted.entry(hash).or_default().push_back(at);
        }
    }
    let mut from = HashMap::new();
    for (at, change) in changes.iter().enumerate().filter(|(_, change)| change.kind == Kind::Added) {
        let hash = change.new.as_ref().and_then(|(_, entry)| entry.hash.as_ref());
        if let Some(source) = hash.and_then(|hash| deleted.get_mut(hash)).and_then(VecDeque::pop_front) {
            from.insert(at, source);
        }
    }
    let taken: HashSet<usize> = from.values().copied().collect();
    let mut out = Vec::with_capacity(changes.len());
    for (at, change) in changes.iter().enumerate() {
        match from.get(&at) {
            Some(source) => out.push(Change {
                kind: Kind::Renamed,
                old: changes[*source].old.clone(),
                new: change.new.clone(),
            }),
            None if taken.contains(&at) => {}
            None => out.push(change.clone()),
        }
    }
    out
}

/// The paths that targets stand for: a path inside an output is itself, anything else its stage's outputs.
/// Targets that name nothing are returned beside them.
pub(crate) fn targets(repo: &Repo, index: &Index, targets: &[String]) -> Result<(Vec<PathBuf>, Vec<String>)> {
    let (mut paths, mut missing) = (Vec::new(), Vec::new());
    for target in targets {
        let Ok(found) = index.find(repo, target) else {
            missing.push(target.clone());
            continue;
        };
        let path = fsx::normalize(repo.cwd(), Path::new(target.trim_end_matches('/')));
        let outs: Vec<&PathBuf> =
            found.iter().flat_map(|at| &index.stages[*at].outs).map(|out| &out.path).collect();
        if outs.iter().any(|out| path.starts_with(out)) {
            paths.push(path);
        } else {
            paths.extend(outs.into_iter().cloned());
        }
    }
    Ok((paths, missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(kind: Kind, path: &str, hash: &str) -> Change {
        let side = Some((path.to_owned(), Entry::file(HashName::Md5, Some(hash.to_owned()))));
        match kind {
            Kind::Added => Change { kind, old: None, new: side },
            _ => Change { kind, old: side, new: None },
        }
    }

    #[test]
    fn same_content_at_another_path_is_a_renaming() {
        let changes = vec![
            change(Kind::Deleted, "a", "x"),
            change(Kind::Added, "b", "x"),
            change(Kind::Added, "c", "x"),
            change(Kind::Deleted, "d", "y"),
        ];
        let found: Vec<_> = renames(changes).into_iter().map(|change| change.kind).collect();
        assert_eq!(found, [Kind::Renamed, Kind::Added, Kind::Deleted]);
    }
}
