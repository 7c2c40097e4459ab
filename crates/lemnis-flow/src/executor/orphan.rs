//! Processes that outlived the worker that started them.
//!
//! A worker that is killed cannot stop its command, so it notes the process group beside the log. The next attempt ends
//! that group first: two attempts of one run never work at the same time. A number alone could belong to another
//! process by now, so the moment at which the process started (clock ticks since boot) is noted too. The note
//! appears whole or not at all: half a note would say that there is no process, or another one.
//!
//! A worker may die between starting a command and noting it, and a command may start groups of its own. So whatever
//! carries the run's id in its environment is ended as well, where the system shows environments.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lemnis_core::write_whole;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// The environment variable that holds a run's id.
pub(super) const RUN_VARIABLE: &str = "LEMNIS_FLOW_RUN";
/// How long killed processes may take to vanish.
const PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);

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

/// Ends what an earlier attempt of `run` left running, and waits until it is gone. Returns whether there was something.
pub(super) fn end_earlier(log: &Path, run: &str) -> bool {
    let noted = noted(log);
    if let Some(pid) = noted {
        kill_group(pid, Signal::KILL);
    }
    forget(log);
    let since = Instant::now();
    let mut found = noted.is_some();
    loop {
        let left = carrying(run);
        if left.is_empty() || since.elapsed() > PATIENCE {
            return found;
        }
        found = true;
        for pid in left {
            kill_process(pid, Signal::KILL).ok();
        }
        std::thread::sleep(POLL);
    }
}

/// The noted leader, if it still runs.
fn noted(log: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(note_path(log)).ok()?;
    let mut words = text.split_whitespace();
    let pid = words.next()?.parse().ok()?;
    let noted = words.next()?;
    started(pid).is_some_and(|now| now == noted).then_some(pid)
}

/// The other processes with `run` in their environment. One that has ended shows none.
fn carrying(run: &str) -> Vec<Pid> {
    let wanted = format!("{RUN_VARIABLE}={run}");
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.flatten().filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)?;
        let environment = std::fs::read(entry.path().join("environ")).ok()?;
        environment.split(|byte| *byte == 0).any(|pair| pair == wanted.as_bytes()).then_some(pid)
    });
    let me = rustix::process::getpid();
    pids.filter(|pid| *pid != me).collect()
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
        assert!(!end_earlier(&log, "nobody's"), "half a note ends nobody");
        let pid = std::process::id();
        note(&log, pid);
        let expected = started(pid).map(|ticks| format!("{pid} {ticks}"));
        assert_eq!(std::fs::read_to_string(note_path(&log)).ok(), expected);
        forget(&log);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_that_nobody_noted_is_found_by_its_run() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("run.log");
        let run = format!("test-{}", std::process::id());
        let mut child =
            std::process::Command::new("sleep").arg("60").env(RUN_VARIABLE, &run).spawn().unwrap();
        // The system shows an environment a moment after the program has begun.
        while carrying(&run).is_empty() {
            std::thread::sleep(POLL);
        }
        assert!(end_earlier(&log, &run));
        assert!(
            !end_earlier(&log, &run),
            "what has ended is not found again, even before its parent has seen it"
        );
        assert!(!child.wait().unwrap().success());
    }
}
