//! Brings the objects of data that was imported from another repository into the cache again.

use super::Outside;
use super::place::Listing;
use super::source::Source;
use super::spec::{Document, Origin};
use crate::cache::Cache;
use crate::collect::Wanted;
use crate::error::{Error, Result};
use crate::hash::{self, HashName};
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
    let Some(file) = &wanted.repo_import else { return Ok(Moved::default()) };
    let Some(Origin::Repo { path, repo: from }) =
        Document::load(file)?.and_then(|document| document.origin())
    else {
        return Ok(Moved::default());
    };
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
    let mut count = 1;
    let add = |batch: &mut crate::cache::Batch<'_>, path: &std::path::Path| -> Result<String> {
        let md5 = hash::md5_file(path, HashName::Md5)?;
        let meta = std::fs::metadata(path).map_err(Error::io("look at", path))?;
        batch.add_file(path, &md5, &crate::fsx::Stat::of(&meta))?;
        Ok(md5)
    };
    if path.is_dir() {
        let mut tree = Vec::new();
        for relpath in files_below(path, "")? {
            let md5 = add(&mut batch, &path.join(&relpath))?;
            tree.push(hash::TreeFile { relpath, md5 });
        }
        count += tree.len() as u64;
        let bytes = hash::tree_bytes(&mut tree);
        batch.add_bytes(&hash::tree_md5(&bytes), &bytes)?;
    } else {
        add(&mut batch, path)?;
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
