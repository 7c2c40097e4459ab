//! Brings the objects of data that was imported into the cache again: from another repository, or from a store that
//! keeps versions.

use std::path::{Path, PathBuf};

use super::Outside;
use super::link::Link;
use super::place::Listing;
use super::source::Source;
use super::spec::{Document, Origin, RepoRef};
use super::url::Thing;
use crate::cache::Cache;
use crate::collect::{Source as From, Wanted};
use crate::error::{Error, Result};
use crate::fsx::Stat;
use crate::hash;
use crate::ingest;
use crate::progress::Task;
use crate::remote::Moved;
use crate::repo::Repo;
use crate::transfer::holds;

/// The objects of `wanted`, whose `.dvc` file says where they come from. Data that the source tracks comes as
/// objects; plain files of it are hashed here.
pub(crate) fn fetch_objects(
    repo: &Repo,
    cache: &Cache,
    wanted: &Wanted,
    outside: &Outside<'_>,
) -> Result<Moved> {
    let Some(From::Repo(file) | From::Version(file)) = &wanted.source else {
        return Ok(Moved::default());
    };
    let Some(document) = Document::load(file)? else { return Ok(Moved::default()) };
    match document.origin() {
        Some(Origin::Repo { path, repo: from }) => {
            fetch_from_repo(repo, cache, wanted, file, (path, *from), outside)
        }
        Some(Origin::Url(link)) => fetch_versions(repo, cache, wanted, (file, &document), &link, outside),
        None => Ok(Moved::default()),
    }
}

/// Versions that a store keeps. All files of a folder come, since only together they say what the folder was.
fn fetch_versions(
    repo: &Repo,
    cache: &Cache,
    wanted: &Wanted,
    (file, document): (&Path, &Document),
    link: &Link,
    outside: &Outside<'_>,
) -> Result<Moved> {
    let base = file.parent().unwrap_or(repo.root());
    let content = document.dep_content();
    let Some(thing) = Thing::recorded(repo, base, link, &content, outside)? else {
        return Ok(Moved::default());
    };
    let (holder, _) = cache.staging()?;
    let made = holder.path().join("made");
    thing.write(&made, outside)?;
    let moved = Moved { objects: store(cache, &made)?, ..Moved::default() };
    if holds(cache, std::slice::from_ref(wanted))? {
        return Ok(moved);
    }
    Err(Error::hinted(
        format!("the recorded version of '{}' is not what was imported as '{}'", link.url, wanted.label),
        format!("import it again: lemnis update {}", repo.show(file)),
    ))
}

fn fetch_from_repo(
    repo: &Repo,
    cache: &Cache,
    wanted: &Wanted,
    file: &Path,
    (path, from): (String, RepoRef),
    outside: &Outside<'_>,
) -> Result<Moved> {
    let rev = from.rev_lock.as_deref().or(from.rev.as_deref());
    let source = Source::open(repo.cwd(), &from.url, rev, repo.environment())?;
    let listing = Listing::of(&source, &path, &from.url)?;
    let mut moved = listing.bring(&source, Some(&from), cache, outside)?;
    if holds(cache, std::slice::from_ref(wanted))? {
        return Ok(moved);
    }
    let (holder, _) = cache.staging()?;
    let made = holder.path().join("made");
    listing.write(cache, &made)?;
    moved.objects += store(cache, &made)?;
    if holds(cache, std::slice::from_ref(wanted))? {
        return Ok(moved);
    }
    Err(Error::hinted(
        format!("'{path}' of '{}' is not what was imported as '{}'", from.url, wanted.label),
        format!("import it again: lemnis update {}", file.display()),
    ))
}

/// Puts a file or the files of a directory, and its directory object, into the cache; returns how many.
fn store(cache: &Cache, path: &std::path::Path) -> Result<u64> {
    let mut batch = cache.batch();
    let relpaths = if path.is_dir() { Some(files_below(path, "")?) } else { None };
    let paths: Vec<PathBuf> = match &relpaths {
        Some(relpaths) => relpaths.iter().map(|relpath| path.join(relpath)).collect(),
        None => vec![path.to_path_buf()],
    };
    let source = |path: &'_ PathBuf| {
        let meta = std::fs::metadata(path).map_err(Error::io("look at", path))?;
        Ok((path.clone(), Stat::of(&meta)))
    };
    let found: Vec<(PathBuf, Stat)> = paths.iter().map(source).collect::<Result<_>>()?;
    let sources =
        found.iter().map(|(path, stat)| ingest::Source { path, stat: *stat, known: None, before: None });
    let hashes = batch.take(&sources.collect::<Vec<_>>(), &Task::silent())?;
    let mut count = hashes.len() as u64;
    if let Some(relpaths) = relpaths {
        let files = relpaths.into_iter().zip(hashes);
        let mut tree: Vec<hash::TreeFile> =
            files.map(|(relpath, md5)| hash::TreeFile { relpath, md5 }).collect();
        count += 1;
        let bytes = hash::tree_bytes(&mut tree);
        batch.add_bytes(&hash::tree_md5(&bytes), &bytes)?;
    }
    batch.commit()?;
    Ok(count)
}

fn files_below(dir: &std::path::Path, prefix: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let entry = entry.map_err(Error::io("list", dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let relpath = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        if entry.path().is_dir() {
            found.extend(files_below(&entry.path(), &relpath)?);
        } else {
            found.push(relpath);
        }
    }
    Ok(found)
}
