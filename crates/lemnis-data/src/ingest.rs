//! From the workspace into the cache: each file is read once, hashed and copied in the same pass.
//!
//! What is copied is what was hashed: a file that changes meanwhile fails the command. A small file is hashed in
//! memory first, so that content that is in the cache already costs no writing; so is a big one that probably holds
//! what it held when it was recorded.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::cache::{Batch, Cache};
use crate::copy;
use crate::error::{Error, Result};
use crate::fsx::{self, Stat};
use crate::hash::{self, HashName};
use crate::lanes::Lanes;
use crate::progress::Task;

/// Up to here a file is read as a whole.
pub(crate) const SMALL_BYTES: u64 = 1 << 20;

/// A file that goes into the cache.
pub(crate) struct Source<'a> {
    pub(crate) path: &'a Path,
    pub(crate) stat: Stat,
    /// Its hash, where it is known to belong to `stat`.
    pub(crate) known: Option<&'a str>,
    /// The hash that it was last recorded with.
    pub(crate) before: Option<&'a str>,
}

/// What became of a source: its hash, and the copy when the cache lacks it.
struct Taken {
    md5: String,
    copy: Option<PathBuf>,
}

impl Batch<'_> {
    /// Stores files and returns their hashes; `task` hears of each.
    pub(crate) fn take(&mut self, sources: &[Source<'_>], task: &Task<'_>) -> Result<Vec<String>> {
        let there = |source: &Source<'_>| source.known.map_or(Ok(false), |md5| self.shelf.stores(md5));
        let there: Vec<bool> = match sources.len() {
            0..64 => sources.iter().map(there).collect::<Result<_>>()?,
            _ => sources.par_iter().with_min_len(64).map(there).collect::<Result<_>>()?,
        };
        if there.iter().all(|there| *there) {
            task.advance(sources.len() as u64);
            return Ok(sources.iter().filter_map(|source| source.known.map(str::to_owned)).collect());
        }
        let lanes = self.lanes()?;
        let batch = &*self;
        let take = |(at, source): (usize, &Source<'_>)| {
            let taken = match source.known.filter(|_| there[at]) {
                Some(md5) => Taken { md5: md5.to_owned(), copy: None },
                None => batch.take_one(source, &lanes)?,
            };
            task.advance(1);
            Ok(taken)
        };
        let taken: Vec<Taken> = match sources {
            [only] => vec![take((0, only))?],
            _ => sources.par_iter().enumerate().map(take).collect::<Result<_>>()?,
        };
        let cache = self.cache;
        for Taken { md5, copy } in &taken {
            if let Some(copy) = copy {
                self.pending.push((copy.clone(), cache.object_path(HashName::Md5, md5)));
            }
        }
        Ok(taken.into_iter().map(|taken| taken.md5).collect())
    }

    fn take_one(&self, source: &Source<'_>, lanes: &Lanes) -> Result<Taken> {
        let Source { path, stat, known, before } = source;
        let failed = || Error::io("copy into the cache", path);
        let read = || File::open(path).map_err(Error::io("read", path));
        let temp = || lanes.next();
        let without_copy = |md5: String| Ok(Taken { md5, copy: None });
        let copier = self.cache.copier();
        let likely = before.is_some_and(|md5| self.cache.has_of_size(md5, stat.size));
        let taken = if let Some(md5) = known {
            if !self.claims(md5)? {
                return without_copy((*md5).to_owned());
            }
            let temp = temp();
            copier.copy(&read()?, &create(&temp)?).map_err(failed())?;
            Taken { md5: (*md5).to_owned(), copy: Some(temp) }
        } else if stat.size <= SMALL_BYTES {
            let file = read()?;
            let bytes = copy::read_whole(&file, stat.size).map_err(Error::io("read", path))?;
            let md5 = hash::md5_bytes(&bytes);
            if !self.claims(&md5)? {
                self.check(source)?;
                return without_copy(md5);
            }
            let temp = temp();
            copier.copy_read(&file, &bytes, &create(&temp)?).map_err(failed())?;
            Taken { md5, copy: Some(temp) }
        } else if likely {
            let md5 = hash::md5_file(path, HashName::Md5)?;
            if !self.claims(&md5)? {
                self.check(source)?;
                return without_copy(md5);
            }
            let temp = temp();
            copier.copy(&read()?, &create(&temp)?).map_err(failed())?;
            Taken { md5, copy: Some(temp) }
        } else {
            let temp = temp();
            let (_, md5) = copier.copy_hashed(&read()?, &create(&temp)?).map_err(failed())?;
            let copy = if self.claims(&md5)? { Some(temp) } else { discard(&temp)? };
            Taken { md5, copy }
        };
        self.check(source)?;
        Ok(taken)
    }

    /// A source must still look as it did before it was read.
    fn check(&self, source: &Source<'_>) -> Result<()> {
        let now = fsx::metadata(source.path)?.map(|meta| Stat::of(&meta));
        if now.is_some_and(|now| now.same_content(&source.stat)) {
            return Ok(());
        }
        Err(Error::hinted(
            format!("{} changed while it was being stored", source.path.display()),
            "let the program that writes it finish and run the command again",
        ))
    }
}

impl Cache {
    /// Whether the cache holds an object of this size: that of an unchanged file, most likely.
    fn has_of_size(&self, md5: &str, size: u64) -> bool {
        hash::is_oid(md5)
            && fs::metadata(self.object_path(HashName::Md5, md5)).is_ok_and(|meta| meta.len() == size)
    }
}

fn create(temp: &Path) -> Result<File> {
    fsx::create_object(temp).map_err(Error::io("write", temp))
}

fn discard(temp: &Path) -> Result<Option<PathBuf>> {
    fs::remove_file(temp).map_err(Error::io("remove", temp))?;
    Ok(None)
}
