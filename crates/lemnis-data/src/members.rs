//! The files of tracked directories for those who only look: from the cache or, where that lacks a directory object,
//! from the remote, or from the repository that the directory was imported from. What is fetched for a look is kept
//! apart: the cache holds what a fetch brings.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use tempfile::TempDir;

use crate::cache::Cache;
use crate::contents::is_definition;
use crate::error::{Error, Result};
use crate::hash::TreeFile;
use crate::imports::{Document, Origin};
use crate::listing::{self, ListOptions};
use crate::remote::{Object, OpenStore, Remote, Silent};
use crate::repo::Repo;
use crate::stage::{Out, Stage};

/// Repositories that import from each other without end are followed this far.
const MAX_IMPORTS: usize = 8;

/// A file of a tracked directory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) relpath: String,
    /// Not known of an import whose objects are not here.
    pub(crate) md5: Option<String>,
}

/// The files of the tracked directories of one repository.
pub(crate) struct Members<'a> {
    repo: &'a Repo,
    cache: &'a Cache,
    stores: &'a dyn OpenStore,
    /// How many imports led here.
    depth: usize,
    /// What was read so far; `None` for what cannot be had.
    known: RefCell<HashMap<Object, Option<Rc<[Member]>>>>,
    /// Why the last one could not be had.
    failure: RefCell<Option<Error>>,
}

impl<'a> Members<'a> {
    pub(crate) fn new(repo: &'a Repo, cache: &'a Cache, stores: &'a dyn OpenStore) -> Self {
        Self { repo, cache, stores, depth: 0, known: RefCell::default(), failure: RefCell::default() }
    }

    /// For a repository that `imports` led to.
    pub(crate) fn behind(self, imports: usize) -> Self {
        Self { depth: imports, ..self }
    }

    /// Reads the directories among `outs`; those that the cache lacks are fetched together.
    pub(crate) fn learn<'o>(&self, outs: impl IntoIterator<Item = (&'o Stage, &'o Out)>) -> Result<()> {
        let mut lacking: BTreeMap<Option<String>, Vec<Object>> = BTreeMap::new();
        for (stage, out) in outs {
            let Some(object) = object_of(out).filter(|object| !self.known.borrow().contains_key(object))
            else {
                continue;
            };
            let found = self.cache.tree(object.name, &object.oid)?.map(members);
            if found.is_none() && !stage.is_repo_import() {
                lacking.entry(out.remote.clone()).or_default().push(object.clone());
            }
            let found = match found {
                None if stage.is_repo_import() => self.kept(self.listed(stage)),
                found => found,
            };
            self.known.borrow_mut().insert(object, found);
        }
        for (remote, objects) in lacking {
            if remote.is_some() || self.repo.default_remote().is_some() {
                self.kept(self.fetch(remote.as_deref(), &objects).map(Some));
            }
        }
        Ok(())
    }

    /// The files of `out`, sorted; `None` when it is no directory or its files cannot be known.
    pub(crate) fn of(&self, stage: &Stage, out: &Out) -> Result<Option<Rc<[Member]>>> {
        let Some(object) = object_of(out) else { return Ok(None) };
        self.learn([(stage, out)])?;
        Ok(self.known.borrow().get(&object).cloned().flatten())
    }

    /// Why the last directory could not be known, if it was tried.
    pub(crate) fn take_failure(&self) -> Option<Error> {
        self.failure.take()
    }

    /// Whoever only looks sees less without a remote, and does not fail.
    fn kept<T>(&self, result: Result<Option<T>>) -> Option<T> {
        result.unwrap_or_else(|error| {
            self.failure.replace(Some(error));
            None
        })
    }

    /// What the repository that `stage` imports from has at that place.
    fn listed(&self, stage: &Stage) -> Result<Option<Rc<[Member]>>> {
        let repo = self.repo;
        let Some(text) = repo.read_text(&stage.file)?.filter(|_| self.depth < MAX_IMPORTS) else {
            return Ok(None);
        };
        let document = Document::parse(&text, &repo.show(&stage.file))?;
        let Some(Origin::Repo { path, repo: from }) = document.and_then(|document| document.origin()) else {
            return Ok(None);
        };
        let rev = from.rev_lock.as_deref().or(from.rev.as_deref());
        let mut source =
            listing::open_source(repo.cwd(), &from.url, rev, &std::env::temp_dir(), repo.environment())?;
        source.depth = self.depth + 1;
        let path = Some(path.trim_start_matches('/').to_owned());
        let options = ListOptions { path, recursive: true, ..ListOptions::default() };
        let files = listing::list(&source, &options, false, self.stores)?.into_iter().map(|entry| entry.path);
        let files = files.filter(|relpath| !is_definition(relpath.rsplit('/').next().unwrap_or(relpath)));
        Ok(Some(files.map(|relpath| Member { relpath, md5: None }).collect()))
    }

    fn fetch(&self, remote: Option<&str>, objects: &[Object]) -> Result<()> {
        let remote = Remote::open(self.repo.config(), remote, self.stores, None)?;
        let holder = TempDir::new().map_err(Error::io("create a directory in", &std::env::temp_dir()))?;
        let apart = Cache::loose(&holder.path().join("objects"), &holder.path().join("scratch"));
        apart.make_dirs(apart.dir())?;
        let failed = remote.download(&apart, objects, &Silent)?.failed;
        for object in objects {
            let found = apart.tree(object.name, &object.oid)?.map(members);
            self.known.borrow_mut().insert(object.clone(), found);
        }
        failed.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }
}

fn object_of(out: &Out) -> Option<Object> {
    let recorded = out.recorded.as_ref().filter(|recorded| recorded.is_dir())?;
    Some(Object { name: recorded.name, oid: recorded.md5.clone() })
}

fn members(files: Vec<TreeFile>) -> Rc<[Member]> {
    files.into_iter().map(|file| Member { relpath: file.relpath, md5: Some(file.md5) }).collect()
}
