//! Commands as local processes, each in a process group of its own, so that stopping one stops all it started.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::Signal;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::{Ended, Executor, orphan};
use crate::{Error, FlowRun, Result};

/// How long a stopped command may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);
/// How much of the log's end is searched for the reason of a failure.
const TAIL_BYTES: u64 = 4 * 1024;

/// Runs commands on this machine.
pub struct ProcessExecutor {
    directory: PathBuf,
    logs: PathBuf,
    environment: Vec<(String, String)>,
}

impl ProcessExecutor {
    /// Commands run in `directory` with `environment` on top of the worker's own; their output goes to files in
    /// `logs`, one for each run.
    pub fn new(directory: PathBuf, logs: PathBuf, environment: Vec<(String, String)>) -> Self {
        Self { directory, logs, environment }
    }

    fn start(&self, run: &FlowRun, log: &Path) -> Result<Group> {
        let failed = |action| move |source| Error::File { path: log.to_owned(), action, source };
        if let Some(folder) = log.parent() {
            std::fs::create_dir_all(folder).map_err(failed("created"))?;
        }
        let mut file = OpenOptions::new().create(true).append(true).open(log).map_err(failed("created"))?;
        if orphan::end_earlier(log, &run.id) {
            writeln!(file, "[the process of an earlier attempt was still running and has been ended]")
                .map_err(failed("written"))?;
        }
        writeln!(file, "[attempt {} of {}: {}]", run.attempt, run.max_attempts, run.command.join(" "))
            .map_err(failed("written"))?;
        let errors = file.try_clone().map_err(failed("written"))?;
        let (program, arguments) = run
            .command
            .split_first()
            .ok_or_else(|| Error::Invalid { reason: format!("flow run {} has no command", run.id) })?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&self.directory)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env(orphan::RUN_VARIABLE, &run.id)
            .env("LEMNIS_FLOW_ATTEMPT", run.attempt.to_string())
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .process_group(0);
        let child = command.spawn().map_err(|source| Error::File {
            path: program.into(),
            action: "started",
            source,
        })?;
        let pid = child.id();
        if let Some(pid) = pid {
            orphan::note(log, pid);
        }
        Ok(Group { child, pid, ended: false })
    }
}

#[async_trait]
impl Executor for ProcessExecutor {
    fn log_path(&self, run: &FlowRun) -> PathBuf {
        self.logs.join(format!("{}.log", run.id))
    }

    async fn run(&self, run: &FlowRun, log: &Path, stop: CancellationToken) -> Ended {
        let mut group = match self.start(run, log) {
            Ok(group) => group,
            Err(error) => return Ended::Badly(with_cause(&error)),
        };
        let status = tokio::select! {
            status = group.child.wait() => status,
            () = stop.cancelled() => {
                group.stop().await;
                orphan::forget(log);
                return Ended::Stopped;
            }
        };
        group.ended = true;
        orphan::forget(log);
        match status {
            Ok(status) if status.success() => Ended::Well(serde_json::json!({ "exit_code": 0 })),
            Ok(status) => Ended::Badly(failure(status, log)),
            Err(error) => Ended::Badly(format!("the command cannot be awaited: {error}")),
        }
    }
}

/// A running command. Whatever drops it ends the whole group.
struct Group {
    child: Child,
    pid: Option<u32>,
    ended: bool,
}

impl Group {
    /// Asks the group to end, and ends it after the grace period.
    async fn stop(&mut self) {
        if let Some(pid) = self.pid {
            orphan::kill_group(pid, Signal::TERM);
        }
        if tokio::time::timeout(GRACE, self.child.wait()).await.is_err() {
            tracing::warn!(pid = self.pid, "a stopped command did not end by itself");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.pid.filter(|_| !self.ended) {
            orphan::kill_group(pid, Signal::KILL);
        }
    }
}

fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn failure(status: ExitStatus, log: &Path) -> String {
    use std::os::unix::process::ExitStatusExt;
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    };
    match last_line(log) {
        Some(line) => format!("{how}: {line}"),
        None => how,
    }
}

/// The last line of the log that holds anything, unless it is one of ours.
fn last_line(log: &Path) -> Option<String> {
    let mut file = std::fs::File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES))).ok()?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    (!line.starts_with("[attempt ")).then(|| line.to_owned())
}
