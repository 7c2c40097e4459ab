//! Names for many files in the making, in a few directories that lie far apart on the disk.
//!
//! Threads that make files in one directory wait for each other. And ext4 puts a file near its directory, where it
//! passes over each file that was removed within the last minutes: after ten thousand removals every new file costs
//! ten times as much there as elsewhere. So the directories are asked to be spread, as `chattr +T` does.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

/// The first files need no directories of their own.
const FEW: usize = 16;
const LANES: usize = 8;

/// Hands out names below a directory, which whoever made it removes with all that is left in it.
#[derive(Debug)]
pub(crate) struct Lanes {
    dir: PathBuf,
    next: AtomicUsize,
    lanes: [OnceLock<PathBuf>; LANES],
}

impl Lanes {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf(), next: AtomicUsize::new(0), lanes: Default::default() }
    }

    /// A free name.
    pub(crate) fn next(&self) -> PathBuf {
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        match at.checked_sub(FEW) {
            Some(more) => self.lanes[more % LANES].get_or_init(|| self.open_lane()).join(at.to_string()),
            None => self.dir.join(at.to_string()),
        }
    }

    fn open_lane(&self) -> PathBuf {
        spread(&self.dir);
        // where ext4 puts it follows from its name, so a fixed one would always lie in the same place
        let lane = tempfile::Builder::new().prefix("lane-").tempdir_in(&self.dir);
        lane.map_or_else(|_| self.dir.clone(), tempfile::TempDir::keep)
    }
}

/// Asks the file system to put the directories in `dir` far apart; those that cannot do so refuse.
fn spread(dir: &Path) {
    if let Ok(dir) = File::open(dir) {
        let _ = ioctl_getflags(&dir).and_then(|flags| ioctl_setflags(&dir, flags | IFlags::TOPDIR));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_free_and_few_files_need_no_directories() {
        let dir = tempfile::tempdir().expect("temp dir");
        let lanes = Lanes::new(dir.path());
        let few: Vec<PathBuf> = (0..FEW).map(|_| lanes.next()).collect();
        assert!(few.iter().all(|path| path.parent() == Some(dir.path())));
        assert_eq!(std::fs::read_dir(dir.path()).expect("lists").count(), 0);
        let many: Vec<PathBuf> = (0..1000).map(|_| lanes.next()).collect();
        for path in &many {
            crate::fsx::create_new(path).expect("the directory is there, the name is free");
        }
        let parents: HashSet<&Path> = many.iter().filter_map(|path| path.parent()).collect();
        assert_eq!(parents.len(), LANES);
    }
}
