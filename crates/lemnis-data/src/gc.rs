//! Removes objects that nothing in use refers to, from the cache and, when asked, from remotes.
//!
//! The repository stays locked from the first look at what is used to the last removal, so an object that
//! another process stores and records meanwhile cannot fall between. Nothing is removed when a part of what
//! is used cannot be known. What a remote loses is told from what the workspace and the named revisions use, so
//! that objects of revisions that are not named go there as well.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use lemnis_core::{Classify, ErrorKind};
use rayon::prelude::*;
use serde::Serialize;

use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::fsx;
use crate::hash::{HashName, is_oid};
use crate::imports::Outside;
use crate::index::Index;
use crate::remote::{Object, Remote};
use crate::repo::Repo;
use crate::revision::{self, Revisions};
use crate::workspace::Workspace;

/// What to keep, and how. One of the scopes must be set; the workspace is always kept.
#[derive(Clone, Debug, Default)]
pub struct GcOptions {
    /// Keep what the workspace uses.
    pub workspace: bool,
    /// Keep what this revision uses.
    pub rev: Option<String>,
    /// That many commits of `rev` or of each branch, not only the newest.
    pub num: Option<usize>,
    /// Keep what the heads of all branches use.
    pub all_branches: bool,
    /// Keep what all tags use.
    pub all_tags: bool,
    /// Keep what any commit uses.
    pub all_commits: bool,
    /// Keep what any experiment uses.
    pub all_experiments: bool,
    /// `yyyy-mm-dd`: keep what commits of that day and later use.
    pub date: Option<String>,
    /// Other repositories that share the cache.
    pub projects: Vec<PathBuf>,
    /// Remove nothing, only say what would go.
    pub dry: bool,
    /// Go on when a directory's object is missing and its files are unknown.
    pub force: bool,
    /// Pass over revisions that cannot be read.
    pub skip_failed: bool,
}

/// What remotes have to do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GcRemote {
    /// What is not used goes from the remotes as well: this one or the default one, and those that outputs name.
    Collect(Option<String>),
    /// The cache keeps only what is used and this remote, or the default one, lacks.
    KeepUnsent(Option<String>),
}

/// What was removed, or would be.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Collected {
    /// The objects, directories first.
    pub removed: Vec<PathBuf>,
    /// How many of them are of DVC 2.x.
    pub legacy: usize,
    /// Bytes of all of them.
    pub size_bytes: u64,
    /// The URLs of the objects of remotes, directories first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed_from_remotes: Vec<String>,
    /// Revisions that were passed over.
    pub skipped: Vec<String>,
    /// Outputs that are recorded nowhere, so that nothing is kept for them.
    pub unrecorded: Vec<String>,
}

impl GcOptions {
    /// Refuses combinations that would remove everything or mean nothing.
    pub fn check(&self) -> Result<()> {
        let scoped = self.workspace
            || self.rev.is_some()
            || self.all_branches
            || self.all_tags
            || self.all_commits
            || self.all_experiments
            || self.date.is_some();
        if !scoped {
            return Err(Error::hinted(
                "what to keep is not said",
                "give one of --workspace, --all-branches, --all-tags, --all-commits, --all-experiments, --date, --rev",
            ));
        }
        if self.num.is_some_and(|num| num > 0) && self.rev.is_none() && !self.all_branches {
            return Err(Error::invalid("--num needs --rev or --all-branches"));
        }
        Ok(())
    }
}

type Used = HashSet<Object>;

/// Removes what is not used from the cache of `repo`.
pub fn gc(repo: &Repo, options: &GcOptions) -> Result<Collected> {
    collect(repo, options, None)
}

/// Removes what is not used from the cache of `repo`, with regard to remotes.
pub fn gc_with_remote(
    repo: &Repo,
    options: &GcOptions,
    how: &GcRemote,
    outside: &Outside<'_>,
) -> Result<Collected> {
    collect(repo, options, Some((how, outside)))
}

fn collect(repo: &Repo, options: &GcOptions, how: Option<(&GcRemote, &Outside<'_>)>) -> Result<Collected> {
    options.check()?;
    let workspace = Workspace::open(repo)?;
    let others: Vec<Repo> = options
        .projects
        .iter()
        .map(|path| Repo::discover(&fsx::normalize(repo.cwd(), path), repo.environment()))
        .collect::<Result<_>>()?;
    let mut locks = Vec::new();
    for other in others.iter().filter(|other| other.root() != repo.root()) {
        locks.push(Workspace::open(other)?);
    }
    let cache = &workspace.cache;
    let open = |name: Option<&str>, outside: &Outside<'_>| {
        Remote::open(repo.config(), name, outside.stores, outside.jobs)
    };
    let mut remotes = Vec::new();
    if let Some((GcRemote::Collect(name) | GcRemote::KeepUnsent(name), outside)) = how {
        remotes.push(open(name.as_deref(), outside)?);
    }
    let source = remotes.first().zip(how.map(|(_, outside)| outside));
    let mut marked =
        Marked { cache, source, force: options.force, used: Used::new(), remotes: BTreeSet::new() };
    let mut done = Collected::default();
    for one in std::iter::once(repo).chain(&others) {
        marked.mark(one, options, &mut done)?;
    }
    let Marked { mut used, remotes: named, .. } = marked;
    match how {
        Some((GcRemote::KeepUnsent(_), _)) => {
            let all: Vec<Object> = used.iter().cloned().collect();
            for remote in &remotes {
                let there = remote.present(&all)?;
                used.retain(|object| !there.contains(object));
            }
        }
        Some((GcRemote::Collect(_), outside)) => {
            for name in named {
                if !remotes.iter().any(|remote| remote.name == name) {
                    remotes.push(open(Some(&name), outside)?);
                }
            }
        }
        _ => {}
    }
    sweep(cache, &used, options.dry, &mut done)?;
    if let Some((GcRemote::Collect(_), _)) = how {
        for remote in &remotes {
            sweep_remote(remote, &used, options.dry, &mut done)?;
        }
    }
    drop(locks);
    workspace.close()?;
    Ok(done)
}

/// What is used, as far as it is known.
struct Marked<'a> {
    cache: &'a Cache,
    /// Where directory objects that the cache lacks are looked up.
    source: Option<(&'a Remote, &'a Outside<'a>)>,
    force: bool,
    used: Used,
    /// The remotes that outputs name.
    remotes: BTreeSet<String>,
}

impl Marked<'_> {
    fn mark(&mut self, repo: &Repo, options: &GcOptions, done: &mut Collected) -> Result<()> {
        self.stages(repo, &mut done.unrecorded)?;
        let which = Revisions {
            rev: options.rev.clone(),
            commit_ids: Vec::new(),
            num: options.num.unwrap_or(1).max(1),
            branches: options.all_branches,
            tags: options.all_tags,
            commits: options.all_commits,
            experiments: options.all_experiments,
            since: options.date.clone(),
        };
        revision::each(repo, &which, |past, commit| {
            match self.stages(past, &mut Vec::new()) {
                Err(_) if options.skip_failed => done.skipped.push(commit.to_owned()),
                Err(error) => {
                    return Err(Error::hinted(
                        format!(
                            "what the revision {} uses cannot be known: {error}",
                            &commit[..commit.len().min(10)]
                        ),
                        "mend its cause, or pass over such revisions with --skip-failed",
                    ));
                }
                Ok(()) => {}
            }
            Ok(())
        })
    }

    fn stages(&mut self, repo: &Repo, unrecorded: &mut Vec<String>) -> Result<()> {
        for stage in Index::load(repo)?.stages {
            if stage.import && stage.deps.iter().any(|dep| dep.from_repo) {
                continue;
            }
            for out in stage.outs.iter().filter(|out| out.cache) {
                let Some(recorded) = &out.recorded else {
                    unrecorded.push(repo.show(&out.path));
                    continue;
                };
                self.remotes.extend(out.remote.as_deref().map(str::to_lowercase));
                let object = Object { name: recorded.name, oid: recorded.md5.clone() };
                if !self.used.insert(object.clone()) || !recorded.is_dir() {
                    continue;
                }
                match self.files(&object)? {
                    Some(files) => self.used.extend(files),
                    None if self.force => {}
                    None => {
                        return Err(Error::hinted(
                            format!(
                                "the directory object of '{}' is not in the cache, so that its files are unknown",
                                repo.show(&out.path)
                            ),
                            "fetch it first, or give its files up with --force",
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// The objects of the files of a directory.
    fn files(&self, dir: &Object) -> Result<Option<Vec<Object>>> {
        let mut tree = self.cache.tree(dir.name, &dir.oid)?;
        if let Some((remote, outside)) = self.source.filter(|_| tree.is_none()) {
            let (_holder, staging) = self.cache.staging()?;
            let moved = remote.download(&staging, std::slice::from_ref(dir), outside.progress)?;
            if let Some((_, error)) =
                moved.failed.into_iter().find(|(_, error)| error.kind() != ErrorKind::NotFound)
            {
                return Err(error);
            }
            tree = staging.tree(dir.name, &dir.oid)?;
        }
        let object = |oid| Object { name: dir.name, oid };
        Ok(tree.map(|tree| tree.into_iter().map(|file| object(file.md5)).collect()))
    }
}

fn sweep(cache: &Cache, used: &Used, dry: bool, done: &mut Collected) -> Result<()> {
    let mut going = Vec::new();
    for name in [HashName::Md5, HashName::Dos2Unix] {
        let all = cache.objects(name)?.into_iter().map(|oid| Object { name, oid });
        let before = going.len();
        let unused = all.filter(|object| !used.contains(object));
        going.extend(unused.map(|object| cache.object_path(name, &object.oid)));
        if name == HashName::Dos2Unix {
            done.legacy = going.len() - before;
        }
    }
    let size = |path: &PathBuf| fs::symlink_metadata(path).map_or(0, |meta| meta.len());
    done.size_bytes = going.par_iter().map(size).sum();
    // a directory object that is there promises that its files are
    going.sort_by(|a, b| (a.extension().is_none(), a).cmp(&(b.extension().is_none(), b)));
    if !dry {
        let trees = going.partition_point(|path| path.extension().is_some());
        going[..trees].par_iter().try_for_each(|path| fsx::remove(path))?;
        going[trees..].par_iter().try_for_each(|path| fsx::remove(path))?;
    }
    done.removed = going;
    Ok(())
}

fn sweep_remote(remote: &Remote, used: &Used, dry: bool, done: &mut Collected) -> Result<()> {
    let unused = remote.objects()?.into_iter().filter(|object| !used.contains(object));
    let (mut dirs, mut files): (Vec<Object>, Vec<Object>) = unused.partition(Object::is_dir);
    for objects in [&mut dirs, &mut files] {
        objects.sort_by_cached_key(Object::key);
        if !dry {
            remote.remove(objects)?;
        }
        done.removed_from_remotes.extend(objects.iter().map(|object| remote.url_of(object)));
    }
    Ok(())
}

impl Cache {
    /// The names of all objects of one kind.
    pub(crate) fn objects(&self, name: HashName) -> Result<Vec<String>> {
        let root = self.root_of(name);
        let Some(dirs) = list(&root)? else { return Ok(Vec::new()) };
        let dirs: Vec<String> = dirs.into_iter().filter(|dir| dir.len() == 2 && is_hex(dir)).collect();
        let found: Vec<Vec<String>> = dirs
            .par_iter()
            .map(|dir| {
                let names = list(&root.join(dir))?.unwrap_or_default();
                Ok(names.into_iter().map(|rest| format!("{dir}{rest}")).filter(|oid| is_oid(oid)).collect())
            })
            .collect::<Result<_>>()?;
        Ok(found.into_iter().flatten().collect())
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn list(dir: &Path) -> Result<Option<Vec<String>>> {
    if !dir.is_dir() {
        return Ok(None);
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let entry = entry.map_err(Error::io("list", dir))?;
        names.extend(entry.file_name().into_string().ok());
    }
    Ok(Some(names))
}
