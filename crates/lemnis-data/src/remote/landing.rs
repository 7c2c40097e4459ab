//! Puts finished files under their names: durable first, visible second.
//!
//! Big files are synced and renamed one by one, so that an interrupted transfer keeps them; small ones
//! wait until one sync of the whole file system covers many.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::fsx;
use crate::holder::Holder;
use crate::lanes::Lanes;

/// From here on a file is worth a sync of its own.
const BIG_BYTES: u64 = 4 << 20;
type MakeDirs<'a> = &'a (dyn Fn(&Path) -> Result<()> + Sync);

pub(crate) struct Landing<'a> {
    holder: Holder,
    make_dirs: MakeDirs<'a>,
    lanes: Lanes,
    waiting: Mutex<Vec<(PathBuf, PathBuf)>>,
}

impl<'a> Landing<'a> {
    /// Prepares files in a directory of its own inside `near`; it is removed with this value.
    pub(crate) fn new(near: &Path, make_dirs: MakeDirs<'a>) -> Result<Self> {
        make_dirs(near)?;
        let holder = Holder::new(near)?;
        let lanes = Lanes::new(holder.path());
        Ok(Self { holder, lanes, make_dirs, waiting: Mutex::default() })
    }

    /// A free temporary name.
    pub(crate) fn temp(&self) -> PathBuf {
        self.lanes.next()
    }

    /// Takes over a complete file that is to become `target`.
    pub(crate) fn take(&self, temp: PathBuf, target: PathBuf, bytes: u64) -> Result<()> {
        let mode = fs::metadata(&temp).map_err(Error::io("look at", &temp))?.permissions().mode();
        if mode & 0o7777 != fsx::OBJECT_MODE {
            fsx::chmod(&temp, fsx::OBJECT_MODE)?;
        }
        if bytes < BIG_BYTES {
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((temp, target));
            return Ok(());
        }
        fs::File::open(&temp).and_then(|file| file.sync_all()).map_err(Error::io("sync", &temp))?;
        self.place(&temp, &target)
    }

    /// Makes what was taken over durable, then visible.
    pub(crate) fn settle(&self) -> Result<()> {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if waiting.is_empty() {
            return Ok(());
        }
        fsx::sync_file_system(self.holder.path())?;
        waiting.par_iter().try_for_each(|(temp, target)| self.place(temp, target))
    }

    fn place(&self, temp: &Path, target: &Path) -> Result<()> {
        match fs::rename(temp, target) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if let Some(dir) = target.parent() {
                    (self.make_dirs)(dir)?;
                }
                fs::rename(temp, target).map_err(Error::io("write", target))
            }
            result => result.map_err(Error::io("write", target)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_visible_only_when_it_has_landed() {
        let dir = tempfile::tempdir().expect("temp dir");
        let target = dir.path().join("files/md5/ab/cd");
        let landing = Landing::new(dir.path(), &fsx::create_dirs).expect("opens");
        let temp = landing.temp();
        fs::write(&temp, "x").expect("writes");
        landing.take(temp, target.clone(), 1).expect("takes");
        assert!(!target.exists());
        landing.settle().expect("settles");
        assert_eq!(fs::read_to_string(&target).expect("reads"), "x");
        let mode = fs::metadata(&target).expect("stat").permissions().mode();
        assert_eq!(mode & 0o7777, fsx::OBJECT_MODE, "an object is read-only and trusted");
        drop(landing);
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 1);
    }
}
