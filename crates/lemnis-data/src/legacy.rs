//! Outputs and dependencies as DVC 2.x recorded them: text is hashed as if its lines ended as Unix has them, and
//! objects lie at the top of the cache. As in DVC the record stays like that until the content changes.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};
use crate::fsx::{self, Stat};
use crate::hash::{self, HashName, Recorded, TreeFile};
use crate::walk::Found;
use crate::workspace::Workspace;

impl Workspace<'_> {
    /// The record of what stands at `path`, in the cache when `cached`, where `before` was recorded; `None` when nothing
    /// stands there.
    pub(crate) fn take_in(
        &mut self,
        path: &Path,
        before: Option<&Recorded>,
        cached: bool,
        relink: bool,
    ) -> Result<Option<Recorded>> {
        if let Some(same) = self.unchanged_legacy(path, before)? {
            if cached {
                self.store_legacy(path, &same, relink)?;
            }
            return Ok(Some(same));
        }
        match cached {
            true => self.store(path, relink),
            false => Ok(self.snapshot(path, HashName::Md5)?.map(|now| now.recorded)),
        }
    }

    /// What stands at `path`, when it is still what DVC 2.x recorded as `before`.
    pub(crate) fn unchanged_legacy(
        &mut self,
        path: &Path,
        before: Option<&Recorded>,
    ) -> Result<Option<Recorded>> {
        let Some(old) = before.filter(|old| old.name == HashName::Dos2Unix) else { return Ok(None) };
        let now = self.snapshot(path, HashName::Dos2Unix)?.map(|now| now.recorded);
        Ok(now.filter(|now| now.md5 == old.md5))
    }

    /// Puts what stands at `path`, which is `recorded`, where DVC 2.x kept objects.
    fn store_legacy(&mut self, path: &Path, recorded: &Recorded, relink: bool) -> Result<()> {
        let mut files: Vec<(Found, String)> = Vec::new();
        let mut tree: Option<Vec<TreeFile>> = None;
        let meta = fsx::metadata(path)?;
        if recorded.is_dir() {
            let found = self.walk(path)?;
            let hashed = self.hash_files(&self.key(path), &found, HashName::Dos2Unix)?;
            files.extend(found.into_iter().zip(hashed.iter().map(|file| file.md5.clone())));
            tree = Some(hashed);
        } else if let Some(meta) = meta {
            let found = Found { relpath: String::new(), path: path.to_path_buf(), stat: Stat::of(&meta) };
            files.push((found, recorded.md5.clone()));
        }
        let cache = &self.cache;
        let mut batch = cache.batch();
        let mut done = std::collections::HashSet::new();
        for (file, md5) in &files {
            if !done.insert(md5.as_str()) || cache.has(HashName::Dos2Unix, md5)? {
                continue;
            }
            let temp = batch.lanes()?.next();
            let from = File::open(&file.path).map_err(Error::io("read", &file.path))?;
            let to = fsx::create_object(&temp).map_err(Error::io("write", &temp))?;
            cache.copier().copy(&from, &to).map_err(Error::io("copy into the cache", &file.path))?;
            if hash::md5_file(&temp, HashName::Dos2Unix)? != *md5 {
                return Err(Error::hinted(
                    format!("{} changed while it was being stored", file.path.display()),
                    "let the program that writes it finish and run the command again",
                ));
            }
            batch.pending.push((temp, cache.object_path(HashName::Dos2Unix, md5)));
        }
        if let Some(mut tree) =
            tree.filter(|_| !cache.has(HashName::Dos2Unix, &recorded.md5).unwrap_or(false))
        {
            let temp = batch.lanes()?.next();
            let mut to = fsx::create_object(&temp).map_err(Error::io("write", &temp))?;
            to.write_all(&hash::tree_bytes(&mut tree)).map_err(Error::io("write", &temp))?;
            batch.pending.push((temp, cache.object_path(HashName::Dos2Unix, &recorded.md5)));
        }
        batch.commit()?;
        for (file, md5) in files.iter().filter(|_| relink && !cache.copies()) {
            if !cache.is_linked(HashName::Dos2Unix, md5, &file.path, false)? {
                cache.link(HashName::Dos2Unix, md5, &file.path)?;
            }
        }
        Ok(())
    }
}
