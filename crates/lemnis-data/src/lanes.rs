//! Names for many files in the making, in a few directories that lie far apart on the disk.
//!
//! Threads that make files in one directory wait for each other. And ext4 puts a file near its directory, where it
//! passes over each file that was removed within the last minutes: after ten thousand removals every new file costs
//! up to fifty times as much there as elsewhere. So the directories are asked to be spread, as `chattr +T` does, and
//! one that proves slow is given up for another.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

/// The first files need no directories of their own.
const FEW: usize = 16;
const LANES: usize = 8;
/// So many names are handed out of a new lane before it is tried, and then of one that is fast.
const FIRST: usize = 4;
const STRETCH: usize = 32;
/// The most names between two trials where no place is faster than another.
const LONGEST: usize = 4096;
/// How many directories are tried for a lane.
const TRIES: usize = 6;
/// A file made within it is made fast; where nothing is in the way it takes a third of it.
const FAST: Duration = Duration::from_micros(40);

/// Hands out names below a directory, which whoever made it removes with all that is left in it.
#[derive(Debug)]
pub(crate) struct Lanes {
    dir: PathBuf,
    next: AtomicUsize,
    lanes: [Mutex<Lane>; LANES],
}

#[derive(Debug, Default)]
struct Lane {
    dir: PathBuf,
    /// How many names are handed out before the next trial.
    left: usize,
    /// How many there are between two trials.
    stretch: usize,
    /// What a file took in the best place that was found.
    best: Duration,
}

impl Lanes {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf(), next: AtomicUsize::new(0), lanes: Default::default() }
    }

    /// A free name.
    pub(crate) fn next(&self) -> PathBuf {
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(more) = at.checked_sub(FEW) else { return self.dir.join(at.to_string()) };
        let mut lane = self.lanes[more % LANES].lock().unwrap_or_else(PoisonError::into_inner);
        if lane.left == 0 {
            self.look_after(&mut lane, at);
        }
        lane.left -= 1;
        lane.dir.join(at.to_string())
    }

    /// Lets the lane go on where it is fast, or finds another place for it.
    fn look_after(&self, lane: &mut Lane, at: usize) {
        if lane.stretch == 0 {
            spread(&self.dir);
            *lane = Lane { dir: self.open_dir(), left: FIRST, stretch: STRETCH, best: Duration::ZERO };
            return;
        }
        let took = trial(&lane.dir, at);
        if took > FAST.max(lane.best * 2) {
            self.give_up(lane, took, at);
        }
        lane.left = lane.stretch;
    }

    fn give_up(&self, lane: &mut Lane, took: Duration, at: usize) {
        lane.best = took;
        for _ in 0..TRIES {
            let dir = self.open_dir();
            // the first file in a directory is not like the others
            trial(&dir, at);
            let took = trial(&dir, at + 1);
            if took < lane.best {
                (lane.dir, lane.best) = (dir, took);
            }
            if lane.best <= FAST {
                break;
            }
        }
        // a remote file system or a busy disk is slow everywhere, and looking for better places makes it slower
        lane.stretch = if lane.best > took / 2 { (lane.stretch * 2).min(LONGEST) } else { STRETCH };
    }

    fn open_dir(&self) -> PathBuf {
        // where ext4 puts it follows from its name, so a fixed one would always lie in the same place
        let lane = tempfile::Builder::new().prefix("lane-").tempdir_in(&self.dir);
        lane.map_or_else(|_| self.dir.clone(), tempfile::TempDir::keep)
    }
}

/// How long the making of a file takes.
fn trial(dir: &Path, at: usize) -> Duration {
    let path = dir.join(format!("trial-{at}"));
    let start = Instant::now();
    drop(File::create_new(path));
    start.elapsed()
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
        // slow ones may have been given up for others
        assert!(parents.len() >= LANES && !parents.contains(dir.path()));
    }
}
