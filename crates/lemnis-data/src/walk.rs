//! The files of a tracked directory: listed through directory handles, several directories at a time.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, statat};

use crate::error::{Error, Result};
use crate::fsx::Stat;
use crate::hash;
use crate::ignore::Ignore;
use crate::repo::Repo;

const MAX_DEPTH: usize = 256;
/// How much of a directory the system lists at once.
const LISTING_BYTES: usize = 64 << 10;
/// So much work at least is worth another thread.
const FILES_EACH: usize = 512;
const DIRS_EACH: usize = 4;

/// A file inside a tracked directory.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) relpath: String,
    pub(crate) path: PathBuf,
    pub(crate) stat: Stat,
}

/// What a walk met.
#[derive(Default)]
pub(crate) struct Walked {
    /// Sorted by relpath.
    pub(crate) files: Vec<Found>,
    /// The directories below that are not ignored, each after those below it.
    pub(crate) dirs: Vec<PathBuf>,
}

/// Every file under `dir` that is not ignored. Symlinked files count as files; symlinked directories are left out; a
/// dangling symlink is an error.
pub(crate) fn walk(repo: &Repo, dir: &Path, ignore: &Ignore) -> Result<Walked> {
    let mut walked = list(repo, dir, "", ignore, 0)?;
    walked.files.par_sort_unstable_by(|a, b| a.relpath.cmp(&b.relpath));
    Ok(walked)
}

/// The names in one directory.
#[derive(Default)]
struct Names {
    /// Not directories themselves.
    files: Vec<String>,
    dirs: Vec<String>,
}

fn list(repo: &Repo, dir: &Path, prefix: &str, ignore: &Ignore, depth: usize) -> Result<Walked> {
    if depth > MAX_DEPTH {
        return Err(Error::invalid(format!("{} is nested too deeply", repo.show(dir))));
    }
    let handle = rustix::fs::open(dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| Error::io("list", dir)(error.into()))?;
    let names = names(repo, &handle, dir, ignore)?;
    let look = |name: String| look(repo, &handle, dir, prefix, name).transpose();
    let files: Result<Vec<Found>> = if names.files.len() > FILES_EACH {
        let found = names.files.into_par_iter().with_min_len(FILES_EACH).filter_map(look);
        found.collect()
    } else {
        names.files.into_iter().filter_map(look).collect()
    };
    let mut walked = Walked { files: files?, dirs: Vec::new() };
    drop(handle);
    let below = |name: &String| -> Result<Walked> {
        let path = dir.join(name);
        // another repository's data
        if path.join(".dvc").is_dir() {
            return Ok(Walked::default());
        }
        let mut below = list(repo, &path, &format!("{prefix}{name}/"), ignore, depth + 1)?;
        below.dirs.push(path);
        Ok(below)
    };
    let parts: Vec<Walked> = if names.dirs.len() > DIRS_EACH {
        names.dirs.par_iter().with_min_len(DIRS_EACH).map(below).collect::<Result<_>>()?
    } else {
        names.dirs.iter().map(below).collect::<Result<_>>()?
    };
    for part in parts {
        walked.files.extend(part.files);
        walked.dirs.extend(part.dirs);
    }
    Ok(walked)
}

fn names(repo: &Repo, handle: &OwnedFd, dir: &Path, ignore: &Ignore) -> Result<Names> {
    let failed = |error: rustix::io::Errno| Error::io("list", dir)(error.into());
    let ignore = ignore.here(dir);
    let mut names = Names::default();
    let mut buffer = Vec::with_capacity(LISTING_BYTES);
    let mut entries = RawDir::new(handle, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(failed)?;
        let raw = entry.file_name();
        if matches!(raw.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                let stat = statat(handle, raw, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
                FileType::from_raw_mode(stat.st_mode)
            }
            kind => kind,
        };
        let Ok(name) = raw.to_str() else {
            let path = dir.join(OsStr::from_bytes(raw.to_bytes()));
            if ignore.matches(&path.file_name().unwrap_or_default().to_string_lossy(), kind.is_dir()) {
                continue;
            }
            return Err(Error::hinted(
                format!("the name of {} is not valid UTF-8", path.display()),
                "rename the file",
            ));
        };
        if ignore.matches(name, kind.is_dir()) {
            continue;
        }
        if name == ".dvcignore" {
            return Err(Error::hinted(
                format!("{} lies inside a tracked directory", repo.show(&dir.join(name))),
                "move its patterns to a .dvcignore above that directory",
            ));
        }
        if kind.is_dir() {
            names.dirs.push(name.to_owned());
        } else {
            names.files.push(name.to_owned());
        }
    }
    Ok(names)
}

/// The file that `name` is or leads to; `None` for a link to a directory.
fn look(repo: &Repo, handle: &OwnedFd, dir: &Path, prefix: &str, name: String) -> Result<Option<Found>> {
    let mut path = PathBuf::with_capacity(dir.as_os_str().len() + name.len() + 1);
    path.push(dir);
    path.push(&name);
    let stat = statat(handle, &name, AtFlags::empty())
        .map_err(|error| Error::io("follow the link", &path)(error.into()))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Ok(None),
        FileType::RegularFile => {
            let relpath = if prefix.is_empty() { name } else { format!("{prefix}{name}") };
            Ok(Some(Found { relpath, path, stat: Stat::seen(&stat) }))
        }
        _ => Err(Error::invalid(format!("{} is not a regular file", repo.show(&path)))),
    }
}

/// A stat that changes when any of the files, which are those of one directory, does.
pub(crate) fn fingerprint(files: &[Found]) -> Stat {
    const PART: usize = 4096;
    let part = |files: &[Found]| {
        let mut text = Vec::with_capacity(files.len() * 64);
        let (mut newest, mut size) = (0, 0);
        for file in files {
            let Stat { inode, mtime_ns, size: bytes, .. } = file.stat;
            text.extend_from_slice(file.relpath.as_bytes());
            text.push(0);
            text.extend_from_slice(&inode.to_le_bytes());
            text.extend_from_slice(&mtime_ns.to_le_bytes());
            text.extend_from_slice(&bytes.to_le_bytes());
            newest = newest.max(mtime_ns);
            size += bytes;
        }
        (hash::md5_bytes(&text), newest, size)
    };
    let parts: Vec<(String, i128, u64)> = match files.len() {
        0..=PART => vec![part(files)],
        _ => files.par_chunks(PART).map(part).collect(),
    };
    let digest = match parts.as_slice() {
        [(digest, ..)] => digest.clone(),
        _ => hash::md5_bytes(parts.iter().map(|(digest, ..)| digest.as_str()).collect::<String>().as_bytes()),
    };
    let inode = u64::from_str_radix(&digest[..16], 16).unwrap_or_default();
    let mtime_ns = parts.iter().map(|(_, newest, _)| *newest).max().unwrap_or_default();
    Stat { inode, mtime_ns, size: parts.iter().map(|(.., size)| size).sum(), mode: 0 }
}
