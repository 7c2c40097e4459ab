//! Processes that outlived the worker that started them.
//!
//! A worker that is killed cannot stop its command, so it notes the process group beside the log. The next attempt ends
//! that group first: two attempts of one run never work at the same time. A number alone could belong to another
//! process by now, so the moment at which the process started (clock ticks since boot) is noted too. The note
//! appears whole or not at all: half a note would say that there is no process, or another one.

use std::path::{Path, PathBuf};

use lemnis_core::write_whole;
use rustix::process::{Pid, Signal, kill_process_group};

/// Notes that `pid` leads the group that writes `log`.
pub(super) fn note(log: &Path, pid: u32) {
    let Some(started) = started(pid) else { return };
    let path = note_path(log);
    if let Err(error) = write_whole(&path, |out| write!(out, "{pid} {started}")) {
        tracing::warn!(%error, path = %path.display(), "the process of a flow run cannot be noted");
    }
}

/// Removes the note after the process ended.
pub(super) fn forget(log: &Path) {
    std::fs::remove_file(note_path(log)).ok();
}

/// Ends what an earlier attempt left running. Returns whether there was something.
pub(super) fn end_earlier(log: &Path) -> bool {
    let Ok(text) = std::fs::read_to_string(note_path(log)) else { return false };
    let mut words = text.split_whitespace();
    let (Some(pid), Some(noted)) = (words.next().and_then(|pid| pid.parse().ok()), words.next()) else {
        return false;
    };
    let alive = started(pid).is_some_and(|now| now == noted);
    if alive {
        kill_group(pid, Signal::KILL);
    }
    forget(log);
    alive
}

/// Signals every process of the group that `pid` leads.
pub(super) fn kill_group(pid: u32, signal: Signal) {
    let Some(group) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    // A group that is gone needs no signal.
    kill_process_group(group, signal).ok();
}

/// Clock ticks from boot to the start of `pid`: field 22 of `/proc/PID/stat`. `None` where there is no such file.
fn started(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    after_name.split_whitespace().nth(19).map(str::to_owned)
}

fn note_path(log: &Path) -> PathBuf {
    log.with_extension("pid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_appears_whole_in_place_of_an_earlier_one() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("run.log");
        std::fs::write(note_path(&log), "12").unwrap();
        assert!(!end_earlier(&log), "half a note ends nobody");
        let pid = std::process::id();
        note(&log, pid);
        let expected = started(pid).map(|ticks| format!("{pid} {ticks}"));
        assert_eq!(std::fs::read_to_string(note_path(&log)).ok(), expected);
        forget(&log);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
