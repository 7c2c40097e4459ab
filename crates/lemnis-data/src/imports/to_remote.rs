//! `--to-remote` of `add`, `import-url` and `update`: sends data that lies elsewhere to a remote and records it, without
//! a copy in the cache.
//!
//! The `.dvc` file is written when the remote holds all of the data. A source that changes meanwhile is refused, and
//! what was sent of it taken back.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use lemnis_core::Digest;

use super::Outside;
use super::link::Link;
use super::url::Thing;
use crate::add::{AddOptions, Added, Ignored, Planner, name_of};
use crate::cache::Cache;
use crate::dvcfile;
use crate::error::{Error, Result};
use crate::fsx::{self, Stat};
use crate::git;
use crate::hash::{self, HashName, Recorded, TreeFile};
use crate::index::Index;
use crate::remote::{Object, Remote, StoredFile};
use crate::repo::Repo;
use crate::workspace::Workspace;

/// So many files of a store are on this machine at once.
const CHUNK: usize = 64;

/// Sends what `source`, a path or a URL, leads to, and records it at `options.out`, or under its own name. The
/// remote is `remote` or the default one.
pub fn add_to_remote(
    repo: &Repo,
    source: &str,
    remote: Option<&str>,
    options: &AddOptions,
    outside: &Outside<'_>,
) -> Result<Added> {
    let mut workspace = Workspace::open(repo)?;
    let mut index = Index::load_locked(&workspace)?;
    let path = destination(repo, source, options)?;
    let planned = Planner::new(repo, &mut index, options).plan(path)?;
    if planned.path != planned.out {
        return Err(Error::invalid(format!(
            "'{}' lies inside the tracked folder '{}'",
            repo.show(&planned.path),
            repo.show(&planned.out)
        )));
    }
    index.check(repo)?;
    if let Some(git_root) = repo.git_root()
        && git::is_tracked(git_root, &planned.out)?
    {
        return Err(Error::TrackedByGit { path: repo.in_repo(&planned.out) });
    }
    Ignored::ask(repo, std::slice::from_ref(&planned))?.check(repo, &planned)?;
    let link = Link::new(source);
    let thing = Thing::find(Some(repo), repo.cwd(), &link, link.version.as_deref(), outside)?;
    let recorded = send(&mut workspace, &thing, remote, outside)?;
    let old = index.stages.iter().find(|stage| stage.file == planned.dvc_file);
    let old = old.and_then(|stage| stage.outs.iter().find(|out| out.path == planned.out));
    let changed = old.and_then(|out| out.recorded.as_ref()).is_none_or(|old| old.md5 != recorded.md5);
    let def_path = old.map_or_else(|| name_of(&planned.out), |out| out.def_path.clone());
    dvcfile::save(&planned.dvc_file, &def_path, &recorded)?;
    if let Some(git_root) = repo.git_root().filter(|_| repo.config().autostage) {
        git::add(git_root, std::slice::from_ref(&planned.dvc_file))?;
    }
    workspace.close()?;
    Ok(Added {
        path: repo.in_repo(&planned.out),
        dvc_file: repo.in_repo(&planned.dvc_file),
        digest: Digest::md5(&recorded.md5),
        size_bytes: recorded.size.unwrap_or(0),
        nfiles: recorded.nfiles,
        changed,
    })
}

/// Sends a thing to the remote called `remote`, or to the default one; returns what it holds.
pub(super) fn send(
    workspace: &mut Workspace<'_>,
    thing: &Thing,
    remote: Option<&str>,
    outside: &Outside<'_>,
) -> Result<Recorded> {
    let remote = Remote::open(workspace.repo.config(), remote, outside.stores, outside.jobs)?;
    let (_holder, staging) = workspace.cache.staging()?;
    let sender = Sender { remote: &remote, cache: &staging, outside };
    match thing {
        Thing::Local(path) => sender.send_local(workspace, path),
        Thing::Stored { remote: from, files, .. } => sender.send_stored(from, files),
    }
}

/// Where the output is to be: a source inside the repository stays where it is.
fn destination(repo: &Repo, source: &str, options: &AddOptions) -> Result<PathBuf> {
    let address = source.split(['?', '#']).next().unwrap_or_default();
    let name = address.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let out = options.out.as_ref().map(|out| fsx::normalize(repo.cwd(), out));
    let here = match out {
        Some(out) if !out.is_dir() => return Ok(out),
        Some(out) => out,
        None if source.contains("://") => repo.cwd().to_path_buf(),
        None => {
            let path = fsx::normalize(repo.cwd(), Path::new(source));
            if path.starts_with(repo.root()) {
                return Ok(path);
            }
            repo.cwd().to_path_buf()
        }
    };
    if matches!(name, "" | "." | "..") {
        return Err(Error::hinted(format!("'{source}' has no name to write it to"), "give one with -o"));
    }
    Ok(here.join(name))
}

/// A file on its way: where it is, what it holds, and how it looked when that was found out.
struct Parcel {
    path: PathBuf,
    md5: String,
    stat: Stat,
}

struct Sender<'a> {
    remote: &'a Remote,
    /// Holds names of objects that lead to the files to send.
    cache: &'a Cache,
    outside: &'a Outside<'a>,
}

impl Sender<'_> {
    fn send_local(&self, workspace: &mut Workspace<'_>, source: &Path) -> Result<Recorded> {
        if source.is_dir() {
            let files = workspace.walk(source)?;
            let key = workspace.key(source);
            let mut tree = workspace.hash_files(&key, &files, HashName::Md5)?;
            let pairs = files.iter().zip(&tree);
            let parcels: Vec<Parcel> = pairs
                .map(|(file, hashed)| Parcel {
                    path: file.path.clone(),
                    md5: hashed.md5.clone(),
                    stat: file.stat,
                })
                .collect();
            self.send(&parcels)?;
            return self.send_tree(&mut tree, parcels.iter().map(|parcel| parcel.stat.size).sum());
        }
        let shown = source.display().to_string();
        let snapshot = workspace.snapshot(source, HashName::Md5)?;
        let snapshot = snapshot.ok_or(Error::Missing { what: "file or directory", path: shown })?;
        let md5 = snapshot.recorded.md5.clone();
        self.send(&[Parcel { path: source.to_path_buf(), md5, stat: snapshot.stat }])?;
        // As in DVC an executable is sent as a plain file.
        Ok(Recorded { isexec: false, ..snapshot.recorded })
    }

    /// A few files at a time come here and go on.
    fn send_stored(&self, from: &Remote, files: &[StoredFile]) -> Result<Recorded> {
        let mut tree = Vec::with_capacity(files.len());
        for (at, chunk) in files.chunks(CHUNK).enumerate() {
            let here = self.cache.dir().join(format!("in-{at}"));
            from.receive_all(chunk, &here, self.outside.progress)?;
            let mut parcels = Vec::with_capacity(chunk.len());
            for file in chunk {
                let path = if file.relpath.is_empty() { here.clone() } else { here.join(&file.relpath) };
                let md5 = hash::md5_file(&path, HashName::Md5)?;
                let meta = std::fs::metadata(&path).map_err(Error::io("look at", &path))?;
                tree.push(TreeFile { relpath: file.relpath.clone(), md5: md5.clone() });
                parcels.push(Parcel { path, md5, stat: Stat::of(&meta) });
            }
            self.send(&parcels)?;
            fsx::remove(&here)?;
        }
        let size = files.iter().map(|file| file.size).sum();
        match tree.as_slice() {
            [file] if file.relpath.is_empty() => {
                let (name, md5) = (HashName::Md5, file.md5.clone());
                Ok(Recorded { name, md5, size: Some(size), nfiles: None, isexec: false })
            }
            _ => self.send_tree(&mut tree, size),
        }
    }

    /// Sends the directory object, whose files are there.
    fn send_tree(&self, tree: &mut [TreeFile], size: u64) -> Result<Recorded> {
        let nfiles = Some(tree.len() as u64);
        let bytes = hash::tree_bytes(tree);
        let md5 = hash::tree_md5(&bytes);
        let mut batch = self.cache.batch();
        batch.add_bytes(&md5, &bytes)?;
        batch.commit()?;
        self.upload(&[object(&md5)])?;
        Ok(Recorded { name: HashName::Md5, md5, size: Some(size), nfiles, isexec: false })
    }

    fn send(&self, parcels: &[Parcel]) -> Result<()> {
        let mut objects = Vec::with_capacity(parcels.len());
        for parcel in parcels {
            let name = self.cache.object_path(HashName::Md5, &parcel.md5);
            if name.symlink_metadata().is_ok() {
                continue;
            }
            if let Some(dir) = name.parent() {
                self.cache.make_dirs(dir)?;
            }
            symlink(&parcel.path, &name).map_err(Error::io("write", &name))?;
            objects.push(object(&parcel.md5));
        }
        let sent = self.upload(&objects)?;
        let changed = parcels.iter().find(|parcel| {
            !fsx::metadata(&parcel.path)
                .ok()
                .flatten()
                .is_some_and(|meta| Stat::of(&meta).same_content(&parcel.stat))
        });
        if let Some(parcel) = changed {
            self.remote.remove(&sent)?;
            return Err(Error::invalid(format!("'{}' changed while it was sent", parcel.path.display())));
        }
        Ok(())
    }

    /// Sends what the remote lacks and returns that.
    fn upload(&self, objects: &[Object]) -> Result<Vec<Object>> {
        let there = self.remote.present(objects)?;
        let lacking: Vec<Object> = objects.iter().filter(|object| !there.contains(object)).cloned().collect();
        self.outside.progress.expect("push", lacking.len() as u64);
        let mut moved = self.remote.upload(self.cache, &lacking, self.outside.progress)?;
        match moved.failed.pop() {
            None => Ok(lacking),
            Some((_, source)) => {
                let failed = moved.failed.len() + 1;
                let objects = objects.len();
                Err(Error::Transfer { done: "sent", failed, objects, source: Box::new(source) })
            }
        }
    }
}

fn object(md5: &str) -> Object {
    Object { name: HashName::Md5, oid: md5.to_owned() }
}
