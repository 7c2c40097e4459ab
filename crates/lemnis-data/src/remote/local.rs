//! A remote that is a directory: files are cloned or copied, many at once, without a detour through a store.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use rayon::prelude::*;

use super::{Landing, Moved, Object, Progress, Tally};
use crate::cache::Cache;
use crate::copy::Copier;
use crate::error::{Error, Result};
use crate::fsx;
use crate::hash::{self, HashName};
use crate::progress::Task;

/// So many files become visible together, after one sync.
const CHUNK: usize = 10_000;
/// Fewer files than this are looked at on one thread.
const FEW: usize = 128;

pub(super) fn present(dir: &Path, objects: &[Object]) -> Result<HashSet<Object>> {
    let there = |object: &&Object| fs::metadata(dir.join(object.key())).is_ok_and(|meta| meta.is_file());
    Ok(objects.par_iter().with_min_len(FEW).filter(there).cloned().collect())
}

pub(super) fn upload(
    dir: &Path,
    cache: &Cache,
    objects: &[Object],
    jobs: usize,
    progress: &dyn Progress,
) -> Result<Moved> {
    let landing = Landing::new(dir, &fsx::create_dirs)?;
    let copier = Copier::default();
    each(objects, jobs, progress, &landing, |object| {
        let from = cache.object_path(object.name, &object.oid);
        let temp = landing.temp();
        let copied = File::open(&from).and_then(|from| copier.copy(&from, &fsx::create_object(&temp)?));
        let bytes = copied.map_err(Error::io("copy to the remote", &from))?;
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
    let copier = Copier::default();
    each(objects, jobs, progress, landing, |object| {
        let from = dir.join(object.key());
        let temp = landing.temp();
        let (bytes, md5) =
            receive(&copier, &from, &temp, object).map_err(Error::io("copy from the remote", &from))?;
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

/// Copies and hashes in one pass; text of DVC 2.x is hashed in chunks of its own and read again.
fn receive(copier: &Copier, from: &Path, to: &Path, object: &Object) -> io::Result<(u64, String)> {
    let (source, target) = (File::open(from)?, fsx::create_object(to)?);
    if object.name == HashName::Dos2Unix && !object.is_dir() {
        let bytes = copier.copy(&source, &target)?;
        let md5 = hash::md5_reader(&mut File::open(to)?, HashName::Dos2Unix, hash::CHUNK, &Task::silent())?;
        return Ok((bytes, md5));
    }
    copier.copy_hashed(&source, &target)
}
