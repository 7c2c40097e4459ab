//! Directories for files in the making, in places that several processes share: a cache, a remote.
//!
//! Each holds a file that is locked while its owner lives. So whoever makes the next one in the same place knows which
//! were left by processes that were killed, and removes those. Making and locking happen under a lock on the place
//! itself, so that none is taken for left behind before its owner could lock it.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::error::{Error, Result};
use crate::fsx::{TEMP_PREFIX, TEMP_SUFFIX};

/// The locked file. The directory itself may be the place of others, which are made under a lock on it.
const LOCK: &str = "owner.lock";
const ATTEMPTS: u32 = 200;
const DELAY: Duration = Duration::from_millis(10);

/// A directory that goes away with this value, or with the next one in the same place after a kill.
pub(crate) struct Holder {
    dir: TempDir,
    _lock: Option<File>,
}

impl Holder {
    /// Makes one inside `place`. Where the file system has no locks, nothing is removed.
    pub(crate) fn new(place: &Path) -> Result<Self> {
        let gate = File::open(place).ok().filter(enter);
        if gate.is_some() {
            sweep(place);
        }
        let dir = tempfile::Builder::new()
            .prefix(TEMP_PREFIX)
            .suffix(TEMP_SUFFIX)
            .tempdir_in(place)
            .map_err(Error::io("create a directory in", place))?;
        let lock = File::create(dir.path().join(LOCK)).ok().filter(|lock| lock.try_lock().is_ok());
        Ok(Self { dir, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// Locks the place; whoever holds it does so for a moment only.
fn enter(gate: &File) -> bool {
    for _ in 0..ATTEMPTS {
        match gate.try_lock() {
            Ok(()) => return true,
            Err(TryLockError::WouldBlock) => thread::sleep(DELAY),
            Err(TryLockError::Error(_)) => return false,
        }
    }
    false
}

fn sweep(place: &Path) {
    let Ok(entries) = fs::read_dir(place) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !(name.starts_with(TEMP_PREFIX) && name.ends_with(TEMP_SUFFIX)) {
            continue;
        }
        let path = entry.path();
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let owned = match File::open(path.join(LOCK)) {
            Ok(lock) => lock.try_lock().is_err(),
            Err(error) => error.kind() != ErrorKind::NotFound,
        };
        if is_dir && !owned {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_goes_and_what_is_in_use_stays() {
        let place = tempfile::tempdir().expect("temp dir");
        let left = place.path().join(format!("{TEMP_PREFIX}left{TEMP_SUFFIX}"));
        fs::create_dir(&left).expect("creates");
        fs::write(left.join("0"), "half").expect("writes");
        let one = Holder::new(place.path()).expect("makes");
        assert!(!left.exists());
        let other = Holder::new(place.path()).expect("makes");
        assert!(one.path().is_dir() && other.path().is_dir());
        let inner = Holder::new(one.path()).expect("makes one inside");
        assert!(inner.path().is_dir());
        drop((inner, one, other));
        assert_eq!(fs::read_dir(place.path()).expect("lists").count(), 0);
    }
}
