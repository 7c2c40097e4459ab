//! What stands at a path of a foreign repository, tracked data and plain files alike, and how it comes to be
//! here: completely beside its place first, then in one step.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::Outside;
use super::source::Source;
use super::spec::RepoRef;
use crate::cache::Cache;
use crate::collect::Wanted;
use crate::contents::is_definition;
use crate::error::{Error, Result};
use crate::fsx;
use crate::hash::HashName;
use crate::remote::Moved;
use crate::repo::Repo;
use crate::transfer::{fetch_from, holds};
use crate::versions::Place;

/// A file in the making: where its content is, and where it goes below the destination.
struct File {
    from: PathBuf,
    to: String,
}

/// What stands at a path.
pub(crate) struct Listing {
    /// Tracked outputs (or parts of one) and where they go below the destination.
    outs: Vec<(Wanted, String)>,
    files: Vec<File>,
    is_dir: bool,
    repo: Option<Repo>,
}

impl Listing {
    /// Looks `path` up. Files that define data (`.dvc`, `dvc.yaml`) are left out of directories.
    pub(crate) fn of(source: &Source, path: &str, url: &str) -> Result<Self> {
        let target = source.locate(path)?;
        let repo = source.repo_of(&target)?;
        let mut listing = Self { outs: Vec::new(), files: Vec::new(), is_dir: false, repo };
        let nothing = || Error::NotThere { repo: url.to_owned(), path: path.to_owned() };
        if let Some(repo) = &listing.repo {
            let index = Source::index(repo)?;
            let outs = index.stages.iter().flat_map(|stage| stage.outs.iter().map(move |out| (stage, out)));
            for (stage, out) in outs.filter(|(_, out)| out.cache) {
                let Some(recorded) = out.recorded.clone() else { continue };
                let mut wanted = Wanted {
                    label: repo.in_repo(&out.path),
                    path: out.path.clone(),
                    parts: None,
                    remote: out.remote.clone(),
                    push: true,
                    kind: out.kind,
                    place: Place::of(stage, out),
                    versions: out.versions.clone(),
                    source: None,
                    recorded,
                };
                if target.starts_with(&out.path) {
                    if target != out.path {
                        if !wanted.recorded.is_dir() {
                            return Err(nothing());
                        }
                        wanted.parts = Some(vec![fsx::relative(&target, &out.path)]);
                    }
                    listing.is_dir = wanted.recorded.is_dir();
                    listing.outs = vec![(wanted, String::new())];
                    return Ok(listing);
                }
                if out.path.starts_with(&target) {
                    listing.outs.push((wanted, fsx::relative(&out.path, &target)));
                }
            }
        }
        match fs::symlink_metadata(&target) {
            Err(_) if listing.outs.is_empty() => return Err(nothing()),
            Err(_) => listing.is_dir = true,
            Ok(meta) if meta.is_dir() => {
                listing.is_dir = true;
                let covered: Vec<PathBuf> = listing.outs.iter().map(|(out, _)| out.path.clone()).collect();
                walk(&source.base, &target, "", &covered, &mut listing.files)?;
            }
            Ok(_) => {
                let from = inside(&source.base, &target)?;
                listing.files.push(File { from, to: String::new() });
            }
        }
        Ok(listing)
    }

    /// Whether all of it is tracked data.
    pub(crate) fn wanted(&self) -> Vec<Wanted> {
        self.outs.iter().map(|(wanted, _)| wanted.clone()).collect()
    }

    /// Brings the objects that `cache` lacks, from wherever they can be had.
    pub(crate) fn bring(
        &self,
        source: &Source,
        asked: Option<&RepoRef>,
        cache: &Cache,
        outside: &Outside<'_>,
    ) -> Result<Moved> {
        let mut moved = Moved::default();
        let Some(repo) = &self.repo else { return Ok(moved) };
        for (wanted, _) in &self.outs {
            let one = std::slice::from_ref(wanted);
            if holds(cache, one)? {
                continue;
            }
            let mut failure = None;
            for remote in source.remotes(repo, asked, wanted.remote.as_deref(), outside)? {
                let got = fetch_from(&remote, cache, one, outside.progress, &mut Vec::new())?;
                moved.objects += got.objects;
                moved.bytes += got.bytes;
                failure = got.failed.into_iter().next().map(|(_, error)| error);
                if holds(cache, one)? {
                    break;
                }
            }
            if !holds(cache, one)? {
                let path = wanted.label.clone();
                return Err(failure.unwrap_or(Error::NotInCache { path, missing: 1 }));
            }
        }
        Ok(moved)
    }

    /// Writes everything to `dest`, whose objects `cache` holds, in place of what stands there.
    pub(crate) fn write(&self, cache: &Cache, dest: &Path) -> Result<()> {
        let parent = dest.parent().unwrap_or(Path::new("/"));
        fsx::create_dirs(parent)?;
        let holder = tempfile::Builder::new()
            .prefix(fsx::TEMP_PREFIX)
            .suffix(fsx::TEMP_SUFFIX)
            .tempdir_in(parent)
            .map_err(Error::io("create a directory in", parent))?;
        let made = holder.path().join("made");
        if self.is_dir {
            fsx::create_dirs(&made)?;
        }
        let join = |to: &str| if to.is_empty() { made.clone() } else { made.join(to) };
        let mut copies: Vec<(PathBuf, PathBuf)> =
            self.files.iter().map(|file| (file.from.clone(), join(&file.to))).collect();
        let mut single = false;
        for (wanted, to) in &self.outs {
            let (name, md5) = (wanted.recorded.name, &wanted.recorded.md5);
            if !wanted.recorded.is_dir() {
                copies.push((cache.object_path(name, md5), join(to)));
                continue;
            }
            let missing = || Error::NotInCache { path: wanted.label.clone(), missing: 1 };
            let tree = cache.tree(name, md5)?.ok_or_else(missing)?;
            let root = join(to);
            let part = wanted.parts.as_ref().and_then(|parts| parts.first());
            let mut any = part.is_none();
            for file in tree.iter().filter(|file| wanted.takes(&file.relpath)) {
                any = true;
                let inner = match part {
                    None => file.relpath.as_str(),
                    Some(part) => file.relpath[part.len()..].trim_start_matches('/'),
                };
                single |= inner.is_empty();
                let to = if inner.is_empty() { root.clone() } else { root.join(inner) };
                copies.push((object(cache, name, &file.md5), to));
            }
            if !any {
                return Err(Error::Missing {
                    what: "file or directory",
                    path: wanted.path.display().to_string(),
                });
            }
        }
        if single {
            let _ = fs::remove_dir(&made);
        }
        let mut dirs: Vec<&Path> = copies.iter().filter_map(|(_, to)| to.parent()).collect();
        dirs.sort();
        dirs.dedup();
        dirs.into_iter().try_for_each(fsx::create_dirs)?;
        copies.par_iter().try_for_each(|(from, to)| {
            fsx::reflink(from, to).or_else(|_| fsx::copy_content(from, to)).map_err(Error::io("copy", from))
        })?;
        put(&made, dest)
    }
}

/// Moves what was made to its place, where anything that was there gives way.
pub(crate) fn put(made: &Path, dest: &Path) -> Result<()> {
    let is_dir = |path: &Path| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
    if is_dir(made) || is_dir(dest) {
        fsx::remove(dest)?;
    }
    fs::rename(made, dest).map_err(Error::io("write", dest))
}

fn object(cache: &Cache, name: HashName, md5: &str) -> PathBuf {
    cache.object_path(name, md5)
}

/// What a path leads to; a symlink must not lead out of the repository.
fn inside(base: &Path, path: &Path) -> Result<PathBuf> {
    let real = fs::canonicalize(path).map_err(Error::io("follow the link", path))?;
    let root = fs::canonicalize(base).map_err(Error::io("look at", base))?;
    if real.starts_with(&root) && real.is_file() {
        return Ok(real);
    }
    Err(Error::invalid(format!(
        "'{}' is a symlink to a directory or out of its repository",
        fsx::relative(path, base)
    )))
}

fn walk(base: &Path, dir: &Path, prefix: &str, covered: &[PathBuf], found: &mut Vec<File>) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let entry = entry.map_err(Error::io("list", dir))?;
        let path = entry.path();
        let Ok(name) = entry.file_name().into_string() else {
            return Err(Error::hinted(
                format!("the name of {} is not valid UTF-8", path.display()),
                "rename it",
            ));
        };
        if matches!(name.as_str(), ".git" | ".dvc") || covered.contains(&path) {
            continue;
        }
        let to = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let kind = entry.file_type().map_err(Error::io("look at", &path))?;
        if kind.is_dir() {
            walk(base, &path, &to, covered, found)?;
        } else if !is_definition(&name) {
            let from = inside(base, &path)?;
            found.push(File { from, to });
        }
    }
    Ok(())
}

/// Whether two paths are one file, which must not be copied over itself.
pub(crate) fn same_file(a: &Path, b: &Path) -> bool {
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}
