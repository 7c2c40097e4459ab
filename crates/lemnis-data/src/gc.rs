//! Removes cache objects that nothing in use refers to.
//!
//! The repository stays locked from the first look at what is used to the last removal, so an object that
//! another process stores and records meanwhile cannot fall between. Nothing is removed when a part of what
//! is used cannot be known.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::fsx;
use crate::hash::{HashName, is_oid};
use crate::history::{self, Revisions};
use crate::index::Index;
use crate::repo::Repo;
use crate::workspace::Workspace;
use crate::yaml::{Value, parse};

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

/// What was removed, or would be.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Collected {
    /// The objects, directories first.
    pub removed: Vec<PathBuf>,
    /// How many of them are of DVC 2.x.
    pub legacy: usize,
    /// Bytes of all of them.
    pub size_bytes: u64,
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
        if self.num.is_some() && self.rev.is_none() && !self.all_branches {
            return Err(Error::invalid("--num needs --rev or --all-branches"));
        }
        if self.num == Some(0) {
            return Err(Error::invalid("--num must be at least 1"));
        }
        Ok(())
    }
}

type Used = HashSet<(HashName, String)>;

/// Removes what is not used from the cache of `repo`.
pub fn gc(repo: &Repo, options: &GcOptions) -> Result<Collected> {
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
    let mut used = Used::new();
    let mut done = Collected::default();
    for one in std::iter::once(repo).chain(&others) {
        mark(one, &workspace.cache, options, &mut used, &mut done)?;
    }
    sweep(&workspace.cache, &used, options.dry, &mut done)?;
    drop(locks);
    workspace.close()?;
    Ok(done)
}

fn mark(
    repo: &Repo,
    cache: &Cache,
    options: &GcOptions,
    used: &mut Used,
    done: &mut Collected,
) -> Result<()> {
    mark_stages(repo, cache, options.force, used, &mut done.unrecorded)?;
    let which = Revisions {
        rev: options.rev.clone(),
        num: options.num.unwrap_or(1),
        branches: options.all_branches,
        tags: options.all_tags,
        commits: options.all_commits,
        experiments: options.all_experiments,
        since: options.date.clone(),
    };
    history::each(repo, &which, |past, commit| {
        match mark_stages(past, cache, options.force, used, &mut Vec::new()) {
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

fn mark_stages(
    repo: &Repo,
    cache: &Cache,
    force: bool,
    used: &mut Used,
    unrecorded: &mut Vec<String>,
) -> Result<()> {
    for stage in Index::load(repo)?.stages {
        if stage.import && comes_from_repo(&stage.file)? {
            continue;
        }
        for out in stage.outs.iter().filter(|out| out.cache) {
            let Some(recorded) = &out.recorded else {
                unrecorded.push(repo.show(&out.path));
                continue;
            };
            let fresh = used.insert((recorded.name, recorded.md5.clone()));
            if !recorded.is_dir() || !fresh {
                continue;
            }
            match cache.tree(recorded.name, &recorded.md5)? {
                Some(tree) => used.extend(tree.into_iter().map(|file| (recorded.name, file.md5))),
                None if force => {}
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

/// Whether the `.dvc` file imports from another repository, which keeps the data itself.
fn comes_from_repo(file: &Path) -> Result<bool> {
    let text = fsx::read_text(file)?.unwrap_or_default();
    let root = parse(&text, &file.display().to_string())?.to_value();
    let deps = root.get("deps").and_then(Value::as_seq).unwrap_or_default();
    Ok(deps.iter().any(|dep| dep.get("repo").is_some()))
}

fn sweep(cache: &Cache, used: &Used, dry: bool, done: &mut Collected) -> Result<()> {
    let mut going = Vec::new();
    for name in [HashName::Md5, HashName::Dos2Unix] {
        let unused = cache.objects(name)?.into_iter().filter(|oid| !used.contains(&(name, oid.clone())));
        let before = going.len();
        going.extend(unused.map(|oid| cache.object_path(name, &oid)));
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
