//! The locks that DVC takes, on the same files: a `flock` on a file that names the holder, or a hard link for
//! file systems without `flock`. Either is freed when dropped; a `flock` also when the process dies.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::fsx;

/// How often and how long to try.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Attempts after the first one; `None` tries for ever.
    pub(crate) retries: Option<u32>,
    /// The time between them.
    pub(crate) delay: Duration,
}

/// A lock that is held.
#[derive(Debug)]
pub(crate) enum Lock {
    Flock { _file: File },
    Link { lock: PathBuf, claim: PathBuf },
}

impl Lock {
    /// Locks `path`, whose directory exists.
    pub(crate) fn take(path: &Path, hard_link: bool, patience: Patience) -> Result<Self> {
        let mut attempt = 0;
        loop {
            let taken = if hard_link { link(path)? } else { flock(path)? };
            if let Some(lock) = taken {
                return Ok(lock);
            }
            if patience.retries.is_some_and(|retries| attempt >= retries) {
                return Err(Error::Locked { holder: holder(path, hard_link) });
            }
            attempt += 1;
            thread::sleep(patience.delay);
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Self::Link { lock, claim } = self {
            let _ = fs::remove_file(lock);
            let _ = fs::remove_file(claim);
        }
    }
}

/// `None` when another process holds it.
fn flock(path: &Path) -> Result<Option<Lock>> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(Error::io("lock", path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(Error::io("lock", path)(error)),
    }
    let text = format!(" {}\n", std::process::id());
    file.rewind().map_err(Error::io("lock", path))?;
    file.write_all(text.as_bytes()).map_err(Error::io("lock", path))?;
    file.set_len(text.len() as u64).map_err(Error::io("lock", path))?;
    Ok(Some(Lock::Flock { _file: file }))
}

/// The hard link that flufl.lock makes: whoever links his own file to the lock's name holds it.
fn link(path: &Path) -> Result<Option<Lock>> {
    const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    let failed = || Error::io("lock", path);
    let dir = path.parent().unwrap_or(Path::new("/"));
    let claim = tempfile::Builder::new().suffix(".lock").tempfile_in(dir).map_err(failed())?;
    let (mut file, claim) = claim.into_parts();
    writeln!(file, "{}", claim.display()).map_err(failed())?;
    // Others take a lock whose time has passed for abandoned.
    let now = file.metadata().and_then(|meta| meta.modified()).map_err(failed())?;
    file.set_modified(now + A_YEAR).map_err(failed())?;
    match fs::hard_link(&claim, path) {
        Ok(()) => {
            let claim = claim.keep().map_err(|error| failed()(error.error))?;
            Ok(Some(Lock::Link { lock: path.to_path_buf(), claim }))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(failed()(error)),
    }
}

fn holder(path: &Path, hard_link: bool) -> String {
    let mut text = String::new();
    if let Ok(file) = File::open(path) {
        let _ = file.take(4096).read_to_string(&mut text);
    }
    match text.trim() {
        "" => "unknown".into(),
        claim if hard_link => format!("claim {claim}"),
        pid => format!("process {pid}"),
    }
}

/// Locks `path`, whose directory exists, or fails with [`Error::Locked`] without waiting.
pub(crate) fn at_once(path: &Path) -> Result<Lock> {
    Lock::take(path, false, Patience { retries: Some(0), delay: Duration::ZERO })
}

/// Locks `path` for an edit that others make quickly.
pub(crate) fn briefly(path: &Path, hard_link: bool) -> Result<Lock> {
    if let Some(dir) = path.parent() {
        fsx::create_dirs(dir)?;
    }
    Lock::take(path, hard_link, Patience { retries: Some(300), delay: Duration::from_millis(10) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_lock_excludes_and_is_freed() {
        let once = Patience { retries: Some(0), delay: Duration::ZERO };
        for hard_link in [false, true] {
            let dir = tempfile::tempdir().expect("temp dir");
            let path = dir.path().join("lock");
            let held = Lock::take(&path, hard_link, once).expect("takes");
            let error = Lock::take(&path, hard_link, once).expect_err("is held");
            assert!(matches!(error, Error::Locked { .. }), "{error}");
            drop(held);
            Lock::take(&path, hard_link, once).expect("is free again");
        }
    }
}
