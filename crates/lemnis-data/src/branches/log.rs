//! The history of one tracked path: every commit that gave it other content.
//!
//! Git lists the commits that touched the `.dvc` file or `dvc.lock`; one that left the path's digest as it was (another
//! stage ran, a comment changed, a merge that took one side) is no change.

use std::path::{Path, PathBuf};

use lemnis_core::Digest;
use serde::{Deserialize, Serialize};

use super::git::{git, root, texts};
use super::held::{HeldOutput, held};
use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::hash::{HashName, Recorded};
use crate::repo::Repo;
use crate::{dvcfile, fsx, lockfile};

/// How many commits are looked at in one go.
const CHUNK: usize = 64;

/// A commit that changed a tracked path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The commit.
    pub commit: String,
    /// When it was made, in ISO 8601.
    pub committed: String,
    /// By whom.
    pub author: String,
    /// The first line of its message.
    pub subject: String,
    /// What it did.
    pub kind: ChangeKind,
    /// The content from then on.
    pub digest: Option<Digest>,
    /// Bytes of all files; nothing for a file inside a directory whose object is not in the cache.
    pub size_bytes: Option<u64>,
    /// Number of files: one for a file.
    pub files: Option<u64>,
}

/// What a commit did to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It came.
    Added,
    /// It got other content.
    Modified,
    /// It went.
    Deleted,
    /// The directory that holds it changed, and its object is not in the cache.
    Unknown,
}

/// Where a tracked path is recorded.
struct Place {
    /// The `.dvc` file or `dvc.lock`.
    file: PathBuf,
    /// The output, relative to the repository's root.
    out: String,
    /// The path inside that output, if it is not the output itself.
    inner: Option<String>,
}

/// What a commit says of a path.
#[derive(Clone, PartialEq)]
enum Found {
    Nothing,
    Content(Recorded),
    /// Inside this directory, whose files are not known.
    Inside(String),
}

/// The commits up to `revision` that changed `path`, newest first, `limit` at most.
pub fn log_of(repo: &Repo, revision: &str, path: &str, limit: usize) -> Result<Vec<Change>> {
    let commit = repo.resolve(revision)?;
    let place = place(repo, &commit, path)?;
    let mut changes = Vec::new();
    walk(repo, &commit, &place, |change| {
        changes.push(change);
        changes.len() < limit
    })?;
    if changes.is_empty() {
        return Err(Error::NoSuchTarget { target: path.to_owned() });
    }
    Ok(changes)
}

/// The newest change of an output that the commit holds.
pub(super) fn last_change(repo: &Repo, commit: &str, output: &HeldOutput) -> Result<Option<Change>> {
    let place = Place { file: repo.root().join(&output.file), out: output.path.clone(), inner: None };
    let mut newest = None;
    walk(repo, commit, &place, |change| {
        newest = Some(change);
        false
    })?;
    Ok(newest)
}

/// Where `path` is recorded at the commit or, when it is gone by then, where `add` would have recorded it.
fn place(repo: &Repo, commit: &str, path: &str) -> Result<Place> {
    let typed = fsx::normalize(repo.cwd(), Path::new(path.trim_end_matches('/')));
    let data = match path.strip_suffix(".dvc") {
        Some(data) => fsx::normalize(repo.cwd(), Path::new(data)),
        None => typed,
    };
    let outputs = repo.at_commit(commit)?.map_or_else(|| Ok(Vec::new()), |at| held(&at))?;
    let inside = |out: &Path| {
        let inner = data.strip_prefix(out).ok()?.to_string_lossy().into_owned();
        Some((!inner.is_empty()).then_some(inner))
    };
    for output in outputs {
        let (out, file) = (repo.root().join(&output.path), repo.root().join(&output.file));
        if let Some(inner) = inside(&out).or((data == file).then_some(None)) {
            return Ok(Place { file, out: output.path, inner });
        }
    }
    let root = root(repo)?;
    for out in data.ancestors().take_while(|at| at.starts_with(repo.root()) && *at != repo.root()) {
        let file = with_dvc(out);
        let name = fsx::relative(&file, root);
        let known = git(root, &["log", "-1", "--format=%H", commit, "--", &name])?.text()?;
        if !known.is_empty() {
            let inner = inside(out).flatten();
            return Ok(Place { file, out: repo.in_repo(out), inner });
        }
    }
    Err(Error::NoSuchTarget { target: path.to_owned() })
}

fn with_dvc(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".dvc");
    PathBuf::from(name)
}

/// Calls `tell` with every change, newest first, until it says no.
fn walk(repo: &Repo, tip: &str, place: &Place, mut tell: impl FnMut(Change) -> bool) -> Result<()> {
    let root = root(repo)?;
    let file = fsx::relative(&place.file, root);
    let format = "--format=%H%x00%P%x00%cI%x00%an%x00%s";
    let listed = git(root, &["log", "-z", format, tip, "--", &file])?.text()?;
    // Records end with a NUL as well: five fields each.
    let fields: Vec<&str> = listed.strip_suffix('\0').unwrap_or(&listed).split('\0').collect();
    let cache = Cache::new(repo.config(), repo.scratch_dir());
    for commits in fields.chunks(5 * CHUNK) {
        let mut names = Vec::new();
        let commits: Vec<&[&str]> = commits.chunks_exact(5).collect();
        for commit in &commits {
            names.push(format!("{}:{file}", commit[0]));
            names.extend(commit[1].split_whitespace().map(|parent| format!("{parent}:{file}")));
        }
        let mut texts = texts(root, &names)?.into_iter();
        for commit in commits {
            let [id, parents, committed, author, subject] = commit[..] else { continue };
            let now = found(repo, &cache, place, texts.next().flatten().as_deref());
            let before: Vec<Found> = (0..parents.split_whitespace().count())
                .map(|_| found(repo, &cache, place, texts.next().flatten().as_deref()))
                .collect();
            let before = if before.is_empty() { vec![Found::Nothing] } else { before };
            if before.contains(&now) {
                continue;
            }
            let (kind, recorded) = match (&before[0], now) {
                (_, Found::Inside(_)) => (ChangeKind::Unknown, None),
                (Found::Nothing, Found::Content(recorded)) => (ChangeKind::Added, Some(recorded)),
                (_, Found::Content(recorded)) => (ChangeKind::Modified, Some(recorded)),
                (_, Found::Nothing) => (ChangeKind::Deleted, None),
            };
            let change = Change {
                commit: id.to_owned(),
                committed: committed.to_owned(),
                author: author.to_owned(),
                subject: subject.to_owned(),
                kind,
                digest: recorded.as_ref().map(|recorded| Digest::md5(&recorded.md5)),
                size_bytes: recorded.as_ref().and_then(|recorded| recorded.size),
                files: recorded
                    .and_then(|recorded| if recorded.is_dir() { recorded.nfiles } else { Some(1) }),
            };
            if !tell(change) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What the text of the place's file says of it. A text that cannot be read says nothing.
fn found(repo: &Repo, cache: &Cache, place: &Place, text: Option<&str>) -> Found {
    let Some(text) = text else { return Found::Nothing };
    let path = repo.root().join(&place.out);
    let recorded = if place.file.extension().is_some_and(|extension| extension == "lock") {
        let entries = lockfile::read(text, "dvc.lock").unwrap_or_default();
        let dir = place.file.parent().unwrap_or(repo.root());
        // Paths are relative to a stage's directory, which dvc.lock does not say: the longest match is the output.
        let mut best: Option<(usize, Recorded)> = None;
        for (name, recorded) in entries.values().flat_map(|entry| &entry.outs) {
            let exact = fsx::normalize(dir, Path::new(name)) == path;
            let ends = path.ends_with(Path::new(name.trim_start_matches("../")));
            let score = if exact { usize::MAX } else { name.len() };
            if let Some(recorded) = recorded.as_ref().filter(|_| exact || ends)
                && best.as_ref().is_none_or(|(other, _)| score > *other)
            {
                best = Some((score, recorded.clone()));
            }
        }
        best.map(|(_, recorded)| recorded)
    } else {
        let stage = dvcfile::read(repo, &place.file, text).ok();
        let outs = stage.into_iter().flat_map(|stage| stage.outs);
        outs.filter(|out| out.path == path).find_map(|out| out.recorded)
    };
    match (recorded, &place.inner) {
        (None, _) => Found::Nothing,
        (Some(recorded), None) => Found::Content(recorded),
        (Some(recorded), Some(inner)) => inside(cache, &recorded, inner),
    }
}

fn inside(cache: &Cache, recorded: &Recorded, inner: &str) -> Found {
    let Ok(Some(files)) = cache.tree(recorded.name, &recorded.md5) else {
        return Found::Inside(recorded.md5.clone());
    };
    let Some(file) = files.into_iter().find(|file| file.relpath == inner) else { return Found::Nothing };
    let size =
        fsx::metadata(&cache.object_path(recorded.name, &file.md5)).ok().flatten().map(|meta| meta.len());
    Found::Content(Recorded { name: HashName::Md5, md5: file.md5, size, nfiles: None, isexec: false })
}
