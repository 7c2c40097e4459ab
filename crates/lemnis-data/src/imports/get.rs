//! `get` and `get-url`: bring data from elsewhere without recording it; no repository is needed here.

use std::path::{Path, PathBuf};

use super::link::Link;
use super::place::Listing;
use super::source::{Source, loose_cache};
use super::spec::RepoRef;
use super::url::Thing;
use super::{Outside, destination};
use crate::error::{Error, Result};
use crate::remote::Object;
use crate::repo::Repo;

/// What to get, from another repository.
#[derive(Clone, Debug, Default)]
pub struct Get {
    /// The repository: a path or a URL that Git understands.
    pub url: String,
    /// The file or directory in it.
    pub path: String,
    /// Where to put it.
    pub out: Option<PathBuf>,
    /// A commit, branch or tag.
    pub rev: Option<String>,
    /// Overwrite what is there.
    pub force: bool,
    /// The remote of that repository to take data from.
    pub remote: Option<String>,
    /// A configuration file to lay over that repository's own.
    pub config: Option<String>,
    /// Options for the remote, or for the default one.
    pub remote_options: Vec<(String, String)>,
}

impl Get {
    fn reference(&self) -> Result<RepoRef> {
        let (rev, config) = (self.rev.as_deref(), self.config.as_deref());
        RepoRef::asked(&self.url, rev, config, self.remote.as_deref(), &self.remote_options)
    }
}

/// Downloads a file or directory of another repository to where `request` says, as seen from `cwd`; returns the
/// path it was written to.
pub fn get(cwd: &Path, request: &Get, outside: &Outside<'_>) -> Result<PathBuf> {
    let dest = destination(cwd, &request.path, request.out.as_deref(), request.force)?;
    let dest = into_directory(dest, &request.path);
    refuse_definition(&dest)?;
    let source = Source::open(cwd, &request.url, request.rev.as_deref(), outside.environment)?;
    let listing = Listing::of(&source, &request.path, &request.url)?;
    let parent = dest.parent().unwrap_or(Path::new("/"));
    crate::fsx::create_dirs(parent)?;
    let (_holder, cache) = loose_cache(parent)?;
    listing.bring(&source, Some(&request.reference()?), &cache, outside)?;
    listing.write(&cache, &dest)?;
    Ok(dest)
}

/// Where the data at a path of another repository is stored.
pub fn show_url(cwd: &Path, request: &Get, outside: &Outside<'_>) -> Result<String> {
    let source = Source::open(cwd, &request.url, request.rev.as_deref(), outside.environment)?;
    let listing = Listing::of(&source, &request.path, &request.url)?;
    let parts = listing.wanted();
    let (Some(repo), [wanted]) = (source.repo_of(&source.locate(&request.path)?)?, parts.as_slice()) else {
        return Err(Error::invalid(format!("'{}' is not tracked data of '{}'", request.path, request.url)));
    };
    let mut oid = wanted.recorded.md5.clone();
    let reference = request.reference()?;
    if let Some(part) = wanted.parts.as_ref().and_then(|parts| parts.first()) {
        let (_holder, cache) = loose_cache(&source.base)?;
        listing.bring(&source, Some(&reference), &cache, outside)?;
        let tree = cache.tree(wanted.recorded.name, &oid)?.unwrap_or_default();
        if let Some(file) = tree.into_iter().find(|file| file.relpath == *part) {
            oid = file.md5;
        }
    }
    let mut remotes = source.remotes(&repo, Some(&reference), wanted.remote.as_deref(), outside)?;
    let Some(remote) = remotes.pop() else {
        return Err(Error::hinted(format!("'{}' has no remote", request.url), "name one with --remote"));
    };
    Ok(remote.url_of(&Object { name: wanted.recorded.name, oid }))
}

/// Downloads what a path or URL leads to, its store opened with `options`; returns the path it was written to.
pub fn get_url(
    cwd: &Path,
    url: &str,
    options: &[(String, String)],
    out: Option<&Path>,
    force: bool,
    outside: &Outside<'_>,
) -> Result<PathBuf> {
    let dest = into_directory(destination(cwd, url, out, force)?, url);
    let repo = repo_for(cwd, url, outside)?;
    let link = Link::new(url).with_options(repo.as_ref(), options, false)?;
    Thing::find(repo.as_ref(), cwd, &link, link.version.as_deref(), outside)?.write(&dest, outside)?;
    Ok(dest)
}

/// The repository whose remotes a URL names.
pub(super) fn repo_for(cwd: &Path, url: &str, outside: &Outside<'_>) -> Result<Option<Repo>> {
    url.starts_with("remote://").then(|| Repo::discover(cwd, outside.environment)).transpose()
}

/// A directory that is there is not replaced: like `cp -r`, what is got goes into it.
fn into_directory(dest: PathBuf, source: &str) -> PathBuf {
    match source.trim_end_matches('/').rsplit('/').next().filter(|_| dest.is_dir()) {
        Some(name) => dest.join(name),
        None => dest,
    }
}

fn refuse_definition(dest: &Path) -> Result<()> {
    let name = dest.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if name.ends_with(".dvc") || matches!(name.as_str(), "dvc.yaml" | "dvc.lock") {
        return Err(Error::hinted(
            format!("'{name}' defines data and is none itself"),
            "name the data file or directory that it tracks",
        ));
    }
    Ok(())
}
