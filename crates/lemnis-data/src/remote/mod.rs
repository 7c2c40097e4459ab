//! Where objects go to be shared: a directory, or an object store behind a URL, in DVC's layout.
//!
//! An object that is there is never sent again, one that arrives is hashed before it becomes visible, and
//! files appear under their names only when complete. What a transfer that was stopped has moved stays.

mod cloud;
mod landing;
mod local;
#[cfg(test)]
mod memory;
mod runs;
mod stored;
mod sweep;
mod versioned;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use object_store::ObjectStore;

pub(crate) use landing::Landing;
pub(crate) use stored::StoredFile;
pub(crate) use versioned::{Fate, Item};

use crate::cache::Cache;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::fsx;
use crate::hash::HashName;

/// What went wrong while a store was opened.
pub type OpenError = Box<dyn std::error::Error + Send + Sync>;

/// A store and the path in it below which everything of a URL lies.
pub struct OpenedStore {
    /// The store: a bucket, a container, a web server.
    pub store: Arc<dyn ObjectStore>,
    /// The path in it, without slashes at its ends.
    pub prefix: String,
}

/// Opens the store behind a URL, so that this crate needs no cloud's client.
pub trait OpenStore: Sync {
    /// Opens `url` with the options of its remote's section in the configuration (none for a URL that
    /// stands in a command or a `.dvc` file).
    fn open(&self, url: &str, options: &BTreeMap<String, String>) -> Result<OpenedStore, OpenError>;
}

/// How far a transfer is; called from several threads.
pub trait Progress: Sync {
    /// So many more objects are to be moved.
    fn expect(&self, what: &str, objects: u64);
    /// One object is done.
    fn done(&self, bytes: u64);
}

/// Tells nobody.
pub(crate) struct Silent;

impl Progress for Silent {
    fn expect(&self, _what: &str, _objects: u64) {}

    fn done(&self, _bytes: u64) {}
}

/// Opens none, where only paths of this machine are meant.
pub(crate) struct NoStores;

impl OpenStore for NoStores {
    fn open(&self, _: &str, _: &BTreeMap<String, String>) -> Result<OpenedStore, OpenError> {
        Err("this command opens no stores".into())
    }
}

/// A name in the object store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Object {
    pub(crate) name: HashName,
    pub(crate) oid: String,
}

impl Object {
    pub(crate) fn is_dir(&self) -> bool {
        self.oid.ends_with(".dir")
    }

    /// Where it lies below a remote.
    pub(crate) fn key(&self) -> String {
        let (shard, rest) = self.oid.split_at(2);
        match self.name {
            HashName::Md5 => format!("files/md5/{shard}/{rest}"),
            HashName::Dos2Unix => format!("{shard}/{rest}"),
        }
    }

    pub(crate) fn in_cache(&self, cache: &Cache) -> Result<bool> {
        cache.has(self.name, &self.oid)
    }
}

/// What a transfer did.
#[derive(Default)]
pub(crate) struct Moved {
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    /// The objects that could not be moved, and why.
    pub(crate) failed: Vec<(Object, Error)>,
}

impl Moved {
    pub(crate) fn add(&mut self, other: Moved) {
        self.objects += other.objects;
        self.bytes += other.bytes;
        self.failed.extend(other.failed);
    }
}

/// Counts what several threads moved.
pub(crate) struct Tally<'p> {
    progress: &'p dyn Progress,
    objects: AtomicU64,
    bytes: AtomicU64,
}

impl<'p> Tally<'p> {
    pub(crate) fn new(progress: &'p dyn Progress) -> Self {
        Self { progress, objects: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    pub(crate) fn count(&self, bytes: u64) {
        self.objects.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.progress.done(bytes);
    }

    pub(crate) fn moved(self, failed: Vec<(Object, Error)>) -> Moved {
        Moved { objects: self.objects.into_inner(), bytes: self.bytes.into_inner(), failed }
    }
}

enum Place {
    Dir(PathBuf),
    Store(cloud::Cloud),
}

/// A remote, opened.
pub(crate) struct Remote {
    pub(crate) name: String,
    pub(crate) url: String,
    place: Place,
    jobs: usize,
    /// Files lie under their own names, and their versions are recorded.
    pub(crate) versioned: bool,
}

impl Remote {
    /// Opens the remote `name`, or the default one, which must hold objects. `jobs` is how many move at once.
    pub(crate) fn open(
        config: &Config,
        name: Option<&str>,
        stores: &dyn OpenStore,
        jobs: Option<usize>,
    ) -> Result<Self> {
        if let Some(name) = Self::versioned_name(config, name) {
            return Err(Error::config_hinted(
                format!("the remote '{name}' is a versioned one, which holds no objects for this command"),
                "versioned remotes have push, fetch, pull and update; name another remote with -r",
            ));
        }
        Self::open_any(config, name, stores, jobs)
    }

    /// The name of the remote, when it keeps versions.
    pub(crate) fn versioned_name(config: &Config, name: Option<&str>) -> Option<String> {
        let name = name.or(config.remote.as_deref())?.to_lowercase();
        let options = config.remotes.get(&name)?;
        let set = |key: &str| options.get(key).is_some_and(|value| crate::config::truth(value) == Some(true));
        (set("version_aware") || set("worktree")).then_some(name)
    }

    /// Opens the remote `name`, or the default one, whatever it holds.
    pub(crate) fn open_any(
        config: &Config,
        name: Option<&str>,
        stores: &dyn OpenStore,
        jobs: Option<usize>,
    ) -> Result<Self> {
        let name = name.map(str::to_lowercase).or_else(|| config.remote.as_deref().map(str::to_lowercase));
        let Some(name) = name else { return Err(no_remote(config)) };
        let (url, options) = settings(config, &name)?;
        let set = |key: &str| options.get(key).and_then(|value| crate::config::truth(value));
        let (aware, worktree) = (set("version_aware"), set("worktree") == Some(true));
        let versioned = aware == Some(true) || worktree;
        if worktree && aware == Some(false) {
            return Err(Error::config(format!(
                "the remote '{name}' is set to worktree, which needs version_aware as well"
            )));
        }
        if versioned && !url.starts_with("s3://") {
            let option = if worktree { "worktree" } else { "version_aware" };
            let scheme = url.split_once("://").map_or("a directory", |(scheme, _)| scheme);
            return Err(Error::config_hinted(
                format!("the remote '{name}' ({scheme}) cannot be {option}: versions are kept on s3 only"),
                format!(
                    "keep objects there, as remotes do without it: lemnis remote modify --unset {name} {option}"
                ),
            ));
        }
        let jobs = match (jobs, options.get("jobs")) {
            (Some(jobs), _) => Some(jobs),
            (None, Some(text)) => Some(text.parse().map_err(|_| {
                Error::invalid(format!("the option jobs of the remote '{name}' is '{text}', not a number"))
            })?),
            (None, None) => None,
        };
        Ok(Self { versioned, ..Self::at(&name, &url, &options, stores, jobs)? })
    }

    /// A remote that no configuration names.
    pub(crate) fn at(
        name: &str,
        url: &str,
        options: &BTreeMap<String, String>,
        stores: &dyn OpenStore,
        jobs: Option<usize>,
    ) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let jobs = jobs.unwrap_or(4 * cores).clamp(1, 512);
        let place = match local_path(url) {
            Some(path) => Place::Dir(path),
            None => Place::Store(cloud::Cloud::open(url, options, stores)?),
        };
        let (name, url) = (name.to_owned(), url.to_owned());
        Ok(Self { name, url, place, jobs, versioned: false })
    }

    /// Where `object` lies, for people.
    pub(crate) fn url_of(&self, object: &Object) -> String {
        format!("{}/{}", self.url.trim_end_matches('/'), object.key())
    }

    /// Which of the objects are there.
    pub(crate) fn present(&self, objects: &[Object]) -> Result<HashSet<Object>> {
        match &self.place {
            Place::Dir(dir) => local::present(dir, objects),
            Place::Store(cloud) => cloud.present(objects, self.jobs),
        }
    }

    /// Sends objects that the cache holds.
    pub(crate) fn upload(&self, cache: &Cache, objects: &[Object], progress: &dyn Progress) -> Result<Moved> {
        match &self.place {
            Place::Dir(dir) => local::upload(dir, cache, objects, self.jobs, progress),
            Place::Store(cloud) => cloud.upload(cache, objects, self.jobs, progress),
        }
    }

    /// Brings objects into the cache; one that is not what its name says is a failure.
    pub(crate) fn download(
        &self,
        cache: &Cache,
        objects: &[Object],
        progress: &dyn Progress,
    ) -> Result<Moved> {
        let make_dirs = |dir: &Path| cache.make_dirs(dir);
        let landing = Landing::new(cache.dir(), &make_dirs)?;
        match &self.place {
            Place::Dir(dir) => local::download(dir, cache, objects, self.jobs, progress, &landing),
            Place::Store(cloud) => cloud.download(cache, objects, self.jobs, progress, &landing),
        }
    }
}

/// The URL and the other options of the remote `name`; one that builds on another, `remote://other/path`, lies there and
/// takes what it does not set itself from there.
pub(crate) fn settings(config: &Config, name: &str) -> Result<(String, BTreeMap<String, String>)> {
    let Some(options) = config.remotes.get(name) else { return Err(no_such(name)) };
    let mut options = options.clone();
    let mut url = options.remove("url").unwrap_or_default();
    if let Some((base, rest)) = url.strip_prefix("remote://").map(|r| r.split_once('/').unwrap_or((r, ""))) {
        let Some(parent) = config.remotes.get(base) else {
            return Err(Error::invalid(format!(
                "the remote '{name}' builds on the remote '{base}', which does not exist"
            )));
        };
        let base = parent.get("url").map_or("", String::as_str).trim_end_matches('/');
        url = format!("{base}/{rest}");
        let inherited = parent.iter().filter(|(key, _)| *key != "url");
        for (key, value) in inherited {
            options.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    if url.is_empty() {
        return Err(Error::hinted(
            format!("the remote '{name}' has no url"),
            format!("set it: lemnis remote modify {name} url URL"),
        ));
    }
    Ok((url, options))
}

/// An error for a name that the configuration has no remote of.
pub(crate) fn no_such(name: &str) -> Error {
    Error::UnknownRemote { name: name.to_owned() }
}

/// The directory that a URL without a scheme, or with `file://`, means.
pub(crate) fn local_path(url: &str) -> Option<PathBuf> {
    match url.strip_prefix("file://") {
        Some(path) => Some(PathBuf::from(path)),
        None if url.contains("://") => None,
        None => Some(fsx::normalize(Path::new("/"), Path::new(url))),
    }
}

fn no_remote(config: &Config) -> Error {
    Error::NoRemote { name: config.remotes.keys().next().cloned() }
}
