//! Names for many files in the making, in a few directories that lie far apart on the disk.
//!
//! Threads that make files in one directory wait for each other. And ext4 puts a file near its directory, where it
//! passes over each file that was removed within the last minutes: after ten thousand removals every new file costs
//! up to fifty times as much there as elsewhere. So the directories are asked to be spread, as `chattr +T` does, and
//! one that proves slow is given up for another.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

/// The first files need no directories of their own.
const FEW: usize = 16;
const LANES: usize = 8;
/// So many names are handed out between two trials of a lane.
const STRETCH: usize = 32;
/// The most of them, where looking for other places did not help.
const LONGEST: usize = 4096;
/// How many places are tried when a lane is slower than it should be.
const TRIES: usize = 6;
/// A file made within it is made fast; where nothing is in the way it takes a third of it.
const FAST: Duration = Duration::from_micros(40);

/// Hands out names below a directory, which whoever made it removes with all that is left in it.
#[derive(Debug)]
pub(crate) struct Lanes {
    dir: PathBuf,
    next: AtomicUsize,
    lanes: [Mutex<Lane>; LANES],
    /// What a file took in the fastest place that any lane has seen, in nanoseconds.
    fastest: AtomicU64,
}

#[derive(Debug, Default)]
struct Lane {
    /// `None` before its first name.
    place: Option<PathBuf>,
    /// How many names are handed out before the next trial.
    left: usize,
    /// How many there are between two trials.
    stretch: usize,
}

impl Lanes {
    pub(crate) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_path_buf(),
            next: AtomicUsize::new(0),
            lanes: Default::default(),
            fastest: AtomicU64::new(u64::MAX),
        }
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
        lane.place.as_ref().unwrap_or(&self.dir).join(at.to_string())
    }

    /// Lets the lane go on where it is fast, or finds another place for it.
    fn look_after(&self, lane: &mut Lane, at: usize) {
        let (mut place, took) = match lane.place.take() {
            Some(place) => {
                let took = trial(&place, at);
                (place, took)
            }
            None => {
                spread(&self.dir);
                lane.stretch = STRETCH;
                self.open(at)
            }
        };
        let mut best = took;
        for _ in 0..self.tries(took) {
            let (other, took) = self.open(at);
            if took < best {
                (place, best) = (other, took);
            }
            if best <= FAST {
                break;
            }
        }
        // a remote file system or a busy disk is slow everywhere, and looking for better places makes it slower
        if best > FAST && best > took / 2 {
            lane.stretch = (lane.stretch * 2).min(LONGEST);
        }
        self.fastest.fetch_min(nanos(best), Ordering::Relaxed);
        lane.left = lane.stretch;
        lane.place = Some(place);
    }

    /// How many other places are worth a trial where a file took so long.
    fn tries(&self, took: Duration) -> usize {
        let fastest = self.fastest.load(Ordering::Relaxed);
        match nanos(took) {
            _ if took <= FAST => 0,
            // no slower than elsewhere, as far as is known
            took if took / 2 <= fastest && fastest != u64::MAX => 1,
            _ => TRIES,
        }
    }

    /// A new place, and how long the making of a file takes there.
    fn open(&self, at: usize) -> (PathBuf, Duration) {
        let place = self.open_dir();
        // the first file in a directory is not like the others
        drop(File::create_new(place.join(format!("first-{at}"))));
        let took = trial(&place, at);
        (place, took)
    }

    fn open_dir(&self) -> PathBuf {
        // where ext4 puts it follows from its name, so a fixed one would always lie in the same place
        let lane = tempfile::Builder::new().prefix("lane-").tempdir_in(&self.dir);
        lane.map_or_else(|_| self.dir.clone(), tempfile::TempDir::keep)
    }
}

/// How long the making of a file takes, when nothing else comes in between.
fn trial(dir: &Path, at: usize) -> Duration {
    let one = |number: u8| {
        let path = dir.join(format!("trial-{at}-{number}"));
        let start = Instant::now();
        drop(File::create_new(path));
        start.elapsed()
    };
    one(0).min(one(1))
}

fn nanos(took: Duration) -> u64 {
    took.as_nanos().try_into().unwrap_or(u64::MAX)
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
