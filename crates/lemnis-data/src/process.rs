//! Whether other processes still run.

use rustix::process::{Pid, test_kill_process};

/// Whether `pid` is a process that can still do something. One that has ended but was never waited for cannot: where
/// nobody adopts orphans (a container whose first process is a plain program) such entries stay for ever.
pub(crate) fn lives(pid: u32) -> bool {
    let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    !matches!(test_kill_process(raw), Err(rustix::io::Errno::SRCH)) && !has_ended(pid)
}

/// The state letter of `/proc/PID/stat`, after the name in parentheses. Systems without that file give `false`.
fn has_ended(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_nobody_waited_for_is_dead() {
        assert!(lives(std::process::id()));
        assert!(!lives(2_147_483_646));
        let mut child = std::process::Command::new("true").spawn().expect("starts");
        let since = std::time::Instant::now();
        while cfg!(target_os = "linux") && lives(child.id()) {
            assert!(since.elapsed().as_secs() < 10, "it has ended by now");
            std::thread::yield_now();
        }
        child.wait().expect("ends");
        assert!(!lives(child.id()));
    }
}
