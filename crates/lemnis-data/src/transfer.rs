//! `push`, `fetch` and `status -c`: moves the objects of recorded outputs between the cache and remotes.
//!
//! A directory's files go before its directory object, and that object only when all of them are there: so
//! whoever finds it on a remote finds the whole directory.

use std::collections::{BTreeMap, HashSet};

use indexmap::{IndexMap, IndexSet};
use rayon::prelude::*;
use serde::Serialize;

use crate::cache::Cache;
use crate::collect::{Selection, Wanted, collect};
use crate::error::{Error, Result};
use crate::imports::{self, Outside};
use crate::index::Index;
use crate::remote::{Moved, Object, OpenStore, Progress, Remote};
use crate::repo::Repo;
use crate::stage::OutKind;
use crate::versioned;
use crate::workspace::Workspace;
use lemnis_core::{Classify, ErrorKind};

/// What to move, and where.
#[derive(Clone, Debug, Default)]
pub struct Transfer {
    /// Which data.
    pub selection: Selection,
    /// A remote's name instead of the default one.
    pub remote: Option<String>,
    /// How many objects move at once.
    pub jobs: Option<usize>,
    /// The run-cache as well.
    pub run_cache: bool,
    /// Leave out outputs of this many bytes or more.
    pub max_size_bytes: Option<u64>,
    /// Only metrics.
    pub metrics: bool,
    /// Only plots.
    pub plots: bool,
}

/// What a push did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Pushed {
    /// Objects that were sent, entries of the run-cache among them.
    pub pushed: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Paths whose content is neither in the cache nor on the remote.
    pub missing: Vec<String>,
}

/// What a fetch did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Fetched {
    /// Objects that came into the cache.
    pub fetched: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Paths whose content is neither in the cache nor on the remote.
    pub missing: Vec<String>,
}

/// Sends what the remotes lack. Content that is nowhere is named in the result; a failed transfer is an error
/// after everything else was sent.
pub fn push(
    repo: &Repo,
    request: &Transfer,
    stores: &dyn OpenStore,
    progress: &dyn Progress,
) -> Result<Pushed> {
    let workspace = Workspace::open(repo)?;
    let mut index = Index::load_locked(&workspace)?;
    let cache = &workspace.cache;
    let mut done = Pushed::default();
    let versioned = Remote::versioned_name(repo.config(), request.remote.as_deref());
    let selection = &request.selection;
    if versioned.is_some() && (selection.all_branches || selection.all_tags || selection.all_commits) {
        return Err(Error::hinted(
            "a versioned remote takes what the workspace records, not other revisions",
            "check a revision out, then push it",
        ));
    }
    if request.run_cache && versioned.is_none() {
        let remote = Remote::open(repo.config(), request.remote.as_deref(), stores, request.jobs)?;
        done.pushed += remote.upload_runs(cache)?;
    }
    let mut wanted = collect(repo, &mut index, &request.selection)?;
    check_remotes(repo, &wanted, None)?;
    wanted.retain(|one| one.push && !one.is_foreign());
    let mut moved = Moved::default();
    let mut total = 0;
    if wanted.is_empty() {
        Remote::open_any(repo.config(), request.remote.as_deref(), stores, request.jobs)?;
    }
    for (name, wanted) in by_remote(wanted, request.remote.as_deref()) {
        let remote = Remote::open_any(repo.config(), name.as_deref(), stores, request.jobs)?;
        let trust = !request.selection.targets.is_empty();
        let sent = match remote.versioned {
            true => versioned::push(repo, &remote, cache, &wanted, progress, &mut done.missing)?,
            false => push_to(&remote, cache, wanted, trust, progress, &mut done.missing)?,
        };
        total += sent.objects as usize + sent.failed.len();
        moved.add(sent);
    }
    workspace.close()?;
    done.pushed += moved.objects;
    done.bytes = moved.bytes;
    finish(moved, "sent", total).map(|()| done)
}

/// With `trust` a directory object on the remote stands for all its files, as DVC takes it. A push of everything
/// looks at each file: the push of a part of a directory may have sent the object without the rest.
fn push_to(
    remote: &Remote,
    cache: &Cache,
    mut wanted: Vec<Wanted>,
    trust: bool,
    progress: &dyn Progress,
    missing: &mut Vec<String>,
) -> Result<Moved> {
    if trust {
        let dirs: Vec<Object> = wanted.iter().filter(|one| one.recorded.is_dir()).map(object_of).collect();
        let there = remote.present(&dirs)?;
        wanted.retain(|one| one.parts.is_some() || !there.contains(&object_of(one)));
    }
    let objects = expand(&[cache], &wanted, missing)?;
    let all: Vec<Object> = objects.files.keys().chain(objects.dirs.keys()).cloned().collect();
    let there = remote.present(&all)?;
    let to_send: Vec<&Object> = all.iter().filter(|object| !there.contains(*object)).collect();
    let held = held(cache, &to_send)?;
    let mut absent: HashSet<&Object> = to_send.iter().filter(|o| !held.contains(**o)).copied().collect();
    for object in &absent {
        missing.extend(objects.files.get(*object).cloned());
    }
    missing.sort();
    let files: Vec<Object> = held.iter().filter(|object| !object.is_dir()).cloned().collect();
    progress.expect("push", held.len() as u64);
    let mut moved = remote.upload(cache, &files, progress)?;
    let failed: Vec<Object> = moved.failed.iter().map(|(object, _)| object.clone()).collect();
    absent.extend(&failed);
    let whole = |dir: &&Object| {
        let inside = objects.dirs.get(*dir);
        inside.is_some_and(|files| !files.iter().any(|file| absent.contains(file)))
    };
    let dirs: Vec<Object> = held.iter().filter(|object| object.is_dir()).filter(whole).cloned().collect();
    moved.add(remote.upload(cache, &dirs, progress)?);
    Ok(moved)
}

/// Brings what the cache lacks. Content that is nowhere is named in the result; a failed transfer is an error
/// after everything else was fetched.
pub fn fetch(
    repo: &Repo,
    request: &Transfer,
    stores: &dyn OpenStore,
    progress: &dyn Progress,
) -> Result<Fetched> {
    let workspace = Workspace::open(repo)?;
    let mut index = Index::load_locked(&workspace)?;
    let cache = &workspace.cache;
    let mut done = Fetched::default();
    let versioned = Remote::versioned_name(repo.config(), request.remote.as_deref());
    let has_remote = request.remote.is_some() || repo.config().remote.is_some();
    if request.run_cache && versioned.is_none() && has_remote {
        let remote = Remote::open(repo.config(), request.remote.as_deref(), stores, request.jobs)?;
        done.fetched += remote.download_runs(cache)?;
    }
    let mut wanted = collect(repo, &mut index, &request.selection)?;
    check_remotes(repo, &wanted, request.remote.as_deref())?;
    let kinds = (request.metrics, request.plots);
    wanted.retain(|one| {
        let small = request.max_size_bytes.is_none_or(|max| one.recorded.size.unwrap_or(0) < max);
        let kind = match kinds {
            (false, false) => true,
            (metrics, plots) => {
                (metrics && one.kind == OutKind::Metric) || (plots && one.kind == OutKind::Plot)
            }
        };
        small && kind
    });
    let (imported, mut own): (Vec<Wanted>, Vec<Wanted>) =
        wanted.into_iter().partition(|one| one.source.is_some());
    let mut moved = Moved::default();
    let mut total = 0;
    let outside = Outside { stores, progress, jobs: request.jobs, environment: repo.environment() };
    let mut failure: Option<Error> = None;
    for one in imported {
        if holds(cache, std::slice::from_ref(&one))? {
            continue;
        }
        match imports::fetch_objects(repo, cache, &one, &outside) {
            Ok(got) => {
                total += got.objects as usize + got.failed.len();
                moved.add(got);
            }
            // what was pushed as well lies on the remote
            Err(_) if one.push && !one.is_foreign() && has_remote => own.push(one),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    for (name, wanted) in by_remote(own, request.remote.as_deref()) {
        if holds(cache, &wanted)? {
            continue;
        }
        // As in DVC no remote at all is no failure of a fetch; what is missing is told.
        if name.is_none() && !has_remote {
            done.missing.extend(wanted.into_iter().map(|one| one.label));
            continue;
        }
        let remote = Remote::open_any(repo.config(), name.as_deref(), stores, request.jobs)?;
        let got = match remote.versioned {
            true => versioned::fetch(repo, &remote, cache, &wanted, progress, &mut done.missing)?,
            false => fetch_from(&remote, cache, &wanted, progress, &mut done.missing)?,
        };
        total += got.objects as usize + got.failed.len();
        moved.add(got);
    }
    workspace.close()?;
    done.fetched += moved.objects;
    done.bytes = moved.bytes;
    finish(moved, "fetched", total)?;
    failure.map_or(Ok(done), Err)
}

/// An error when an output, or the command where there are outputs, names a remote that does not exist.
fn check_remotes(repo: &Repo, wanted: &[Wanted], asked: Option<&str>) -> Result<()> {
    let asked = asked.filter(|_| !wanted.is_empty()).map(str::to_lowercase);
    let mut named = wanted.iter().filter_map(|one| one.remote.as_ref()).chain(&asked);
    match named.find(|name| !repo.config().remotes.contains_key(*name)) {
        Some(name) => Err(crate::remote::no_such(name)),
        None => Ok(()),
    }
}

/// Whether the cache holds everything, so that no remote need be opened.
pub(crate) fn holds(cache: &Cache, wanted: &[Wanted]) -> Result<bool> {
    let mut missing = Vec::new();
    let objects = expand(&[cache], wanted, &mut missing)?;
    let all: Vec<&Object> = objects.files.keys().collect();
    Ok(missing.is_empty() && held(cache, &all)?.len() == all.len())
}

/// Brings the objects of `wanted` from `remote`. A directory object comes last, when its files are there.
pub(crate) fn fetch_from(
    remote: &Remote,
    cache: &Cache,
    wanted: &[Wanted],
    progress: &dyn Progress,
    missing: &mut Vec<String>,
) -> Result<Moved> {
    let (_holder, staging) = cache.staging()?;
    let mut tops: IndexMap<Object, String> = IndexMap::new();
    for one in wanted {
        tops.entry(object_of(one)).or_insert_with(|| one.label.clone());
    }
    let dirs: Vec<&Object> = tops.keys().filter(|object| object.is_dir()).collect();
    let dirs = lacking(cache, &dirs)?;
    progress.expect("fetch", dirs.len() as u64);
    let mut moved = remote.download(&staging, &dirs, progress)?;
    let objects = expand(&[cache, &staging], wanted, &mut Vec::new())?;
    let files = lacking(cache, &objects.files.keys().collect::<Vec<_>>())?;
    // What a directory object vouches for will come, so its folders are made at once.
    for file in files.iter().filter(|file| !tops.contains_key(*file)) {
        if let Some(folder) = cache.object_path(file.name, &file.oid).parent() {
            cache.make_dirs(folder)?;
        }
    }
    progress.expect("fetch", files.len() as u64);
    moved.add(remote.download(cache, &files, progress)?);
    let failed: HashSet<Object> = moved.failed.iter().map(|(object, _)| object.clone()).collect();
    for dir in dirs.iter().filter(|dir| !failed.contains(*dir)) {
        let whole =
            objects.dirs.get(dir).is_some_and(|files| !files.iter().any(|file| failed.contains(file)));
        if whole {
            cache.adopt(&staging, dir.name, &dir.oid)?;
        }
    }
    // An output that the remote lacks as a whole is told, not failed: the caller may do without it.
    let (gone, failed) = std::mem::take(&mut moved.failed)
        .into_iter()
        .partition(|(object, error)| error.kind() == ErrorKind::NotFound && tops.contains_key(object));
    moved.failed = failed;
    missing.extend(gone.into_iter().filter_map(|(object, _): (Object, Error)| tops.get(&object).cloned()));
    missing.sort();
    Ok(moved)
}

/// Path → `new` (only in the cache), `deleted` (only on the remote) or `missing` (in neither).
pub fn cloud_status(
    repo: &Repo,
    request: &Transfer,
    stores: &dyn OpenStore,
    progress: &dyn Progress,
) -> Result<(String, BTreeMap<String, String>)> {
    let workspace = Workspace::open(repo)?;
    let mut index = Index::load_locked(&workspace)?;
    let cache = &workspace.cache;
    let mut wanted = collect(repo, &mut index, &request.selection)?;
    check_remotes(repo, &wanted, None)?;
    wanted.retain(|one| one.push && !one.is_foreign() && one.remote.is_none());
    if wanted.is_empty() {
        // there is nothing to ask a remote for, so that none is needed
        workspace.close()?;
        let name = request.remote.clone().or_else(|| repo.config().remote.clone());
        return Ok((name.unwrap_or_default(), BTreeMap::new()));
    }
    let remote = Remote::open(repo.config(), request.remote.as_deref(), stores, request.jobs)?;
    let mut status = BTreeMap::new();
    let mut gone = Vec::new();
    expand(&[cache], &wanted, &mut gone)?;
    if !gone.is_empty() {
        let dirs: Vec<Object> = wanted.iter().filter(|one| one.recorded.is_dir()).map(object_of).collect();
        let there = remote.present(&dirs)?;
        let dirs: Vec<&Object> = there.iter().collect();
        remote.download(cache, &lacking(cache, &dirs)?, progress)?;
    }
    let objects = expand(&[cache], &wanted, &mut Vec::new())?;
    let mut labels = objects.files;
    // as in DVC a directory whose object is nowhere is not told
    for one in wanted.iter().filter(|one| objects.dirs.contains_key(&object_of(one))) {
        labels.entry(object_of(one)).or_insert_with(|| one.label.clone());
    }
    let all: Vec<Object> = labels.keys().cloned().collect();
    let there = remote.present(&all)?;
    let here = held(cache, &all.iter().collect::<Vec<_>>())?;
    for (object, label) in labels {
        let state = match (here.contains(&object), there.contains(&object)) {
            (true, true) => continue,
            (true, false) => "new",
            (false, true) => "deleted",
            (false, false) => "missing",
        };
        status.insert(label, state.to_owned());
    }
    workspace.close()?;
    Ok((remote.name, status))
}

/// The objects of outputs: files with a path for each, directories with their files.
struct Objects {
    files: IndexMap<Object, String>,
    dirs: IndexMap<Object, Vec<Object>>,
}

pub(crate) fn object_of(wanted: &Wanted) -> Object {
    Object { name: wanted.recorded.name, oid: wanted.recorded.md5.clone() }
}

/// Reads the directory objects that one of the caches holds; those that all lack are named in `missing`.
fn expand(caches: &[&Cache], wanted: &[Wanted], missing: &mut Vec<String>) -> Result<Objects> {
    let mut objects = Objects { files: IndexMap::new(), dirs: IndexMap::new() };
    for one in wanted {
        let object = object_of(one);
        if !one.recorded.is_dir() {
            objects.files.entry(object).or_insert_with(|| one.label.clone());
            continue;
        }
        let mut tree = None;
        for cache in caches {
            tree = tree.or(cache.tree(object.name, &object.oid)?);
        }
        let Some(tree) = tree else {
            missing.push(one.label.clone());
            continue;
        };
        let mut inside: Vec<Object> = Vec::with_capacity(tree.len());
        for file in tree {
            let member = Object { name: object.name, oid: file.md5 };
            inside.push(member.clone());
            if one.takes(&file.relpath) {
                let label = || format!("{}/{}", one.label, file.relpath);
                objects.files.entry(member).or_insert_with(label);
            }
        }
        objects.dirs.insert(object, inside);
    }
    Ok(objects)
}

/// Which objects the cache holds, whole.
fn held(cache: &Cache, objects: &[&Object]) -> Result<IndexSet<Object>> {
    let checked: Vec<Option<Object>> = objects
        .par_iter()
        .map(|object| Ok(object.in_cache(cache)?.then(|| (*object).clone())))
        .collect::<Result<_>>()?;
    Ok(checked.into_iter().flatten().collect())
}

/// Which objects the cache lacks.
fn lacking(cache: &Cache, objects: &[&Object]) -> Result<Vec<Object>> {
    let held = held(cache, objects)?;
    Ok(objects.iter().filter(|object| !held.contains(**object)).map(|object| (*object).clone()).collect())
}

/// Outputs by the remote they belong to; one that names another remote than the asked-for one is left out.
fn by_remote(wanted: Vec<Wanted>, asked: Option<&str>) -> IndexMap<Option<String>, Vec<Wanted>> {
    let asked = asked.map(str::to_lowercase);
    let mut groups: IndexMap<Option<String>, Vec<Wanted>> = IndexMap::new();
    for one in wanted {
        let name = match (&asked, &one.remote) {
            (Some(asked), Some(own)) if asked != own => continue,
            (Some(asked), _) => Some(asked.clone()),
            (None, own) => own.clone(),
        };
        groups.entry(name).or_default().push(one);
    }
    groups
}

fn finish(mut moved: Moved, done: &'static str, objects: usize) -> Result<()> {
    let failed = moved.failed.len();
    if failed == 0 {
        return Ok(());
    }
    let (_, source) = moved.failed.swap_remove(0);
    Err(Error::Transfer { done, failed, objects, source: Box::new(source) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::HashName;

    #[test]
    fn an_object_lies_where_dvc_looks_for_it() {
        let oid = "b1946ac92492d2347c6235b4d2611184.dir".to_owned();
        let object = |name| Object { name, oid: oid.clone() };
        assert_eq!(object(HashName::Md5).key(), "files/md5/b1/946ac92492d2347c6235b4d2611184.dir");
        assert_eq!(object(HashName::Dos2Unix).key(), "b1/946ac92492d2347c6235b4d2611184.dir");
    }
}
