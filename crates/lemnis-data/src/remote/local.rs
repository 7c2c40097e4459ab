//! A remote that is a directory: files are cloned or copied, many at once, without a detour through a store.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use rayon::prelude::*;

use super::{Landing, Moved, Object, Progress, Tally};
use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::fsx;
use crate::hash::{self, HashName, HashingReader};
use crate::progress::Task;

/// So many files become visible together.
const CHUNK: usize = 2_000;

pub(super) fn present(dir: &Path, objects: &[Object]) -> Result<HashSet<Object>> {
    let there = |object: &&Object| fs::metadata(dir.join(object.key())).is_ok_and(|meta| meta.is_file());
    Ok(objects.par_iter().filter(there).cloned().collect())
}

pub(super) fn upload(
    dir: &Path,
    cache: &Cache,
    objects: &[Object],
    jobs: usize,
    progress: &dyn Progress,
) -> Result<Moved> {
    let landing = Landing::new(dir, &fsx::create_dirs)?;
    each(objects, jobs, progress, &landing, |object| {
        let from = cache.object_path(object.name, &object.oid);
        let temp = landing.temp();
        let bytes = clone_or_copy(&from, &temp).map_err(Error::io("copy to the remote", &from))?;
        landing.take(temp, dir.join(object.key()), bytes)?;
        Ok(bytes)
    })
}

pub(super) fn download(
    dir: &Path,
    cache: &Cache,
    objects: &[Object],
    jobs: usize,
    progress: &dyn Progress,
    landing: &Landing<'_>,
) -> Result<Moved> {
    each(objects, jobs, progress, landing, |object| {
        let from = dir.join(object.key());
        let temp = landing.temp();
        let (bytes, md5) =
            copy_hashed(&from, &temp, object).map_err(Error::io("copy from the remote", &from))?;
        if md5 != object.oid.trim_end_matches(".dir") {
            let _ = fs::remove_file(&temp);
            return Err(Error::Corrupt { place: from.display().to_string(), md5 });
        }
        landing.take(temp, cache.object_path(object.name, &object.oid), bytes)?;
        Ok(bytes)
    })
}

fn each(
    objects: &[Object],
    jobs: usize,
    progress: &dyn Progress,
    landing: &Landing<'_>,
    work: impl Fn(&Object) -> Result<u64> + Sync,
) -> Result<Moved> {
    let tally = Tally::new(progress);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(jobs)
        .build()
        .map_err(|error| Error::invalid(format!("{jobs} threads cannot be started: {error}")))?;
    let mut failed = Vec::new();
    for chunk in objects.chunks(CHUNK) {
        let failures: Vec<(Object, Error)> = pool.install(|| {
            let one = |object: &Object| match work(object) {
                Ok(bytes) => {
                    tally.count(bytes);
                    None
                }
                Err(error) => Some((object.clone(), error)),
            };
            chunk.par_iter().filter_map(one).collect()
        });
        failed.extend(failures);
        landing.settle()?;
    }
    Ok(tally.moved(failed))
}

fn clone_or_copy(from: &Path, to: &Path) -> io::Result<u64> {
    match fsx::reflink(from, to) {
        Ok(()) => Ok(fs::metadata(to)?.len()),
        Err(_) => {
            let mut source = File::open(from)?;
            let mut target = fsx::create_new(to)?;
            io::copy(&mut source, &mut target)
        }
    }
}

/// Copies and hashes in one pass; text of DVC 2.x is hashed in chunks of its own and read again.
fn copy_hashed(from: &Path, to: &Path, object: &Object) -> io::Result<(u64, String)> {
    let legacy = object.name == HashName::Dos2Unix && !object.is_dir();
    if legacy || fsx::reflink(from, to).is_ok() {
        let bytes = if legacy { clone_or_copy(from, to)? } else { fs::metadata(to)?.len() };
        let name = if legacy { HashName::Dos2Unix } else { HashName::Md5 };
        return Ok((bytes, hash::md5_reader(&mut File::open(to)?, name, 1 << 20, &Task::silent())?));
    }
    let mut source = HashingReader::new(File::open(from)?);
    let mut target = fsx::create_new(to)?;
    let bytes = io::copy(&mut source, &mut target)?;
    Ok((bytes, source.finish()))
}
