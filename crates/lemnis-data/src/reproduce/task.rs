//! A stage's commands on a thread of their own, with a log that is kept.
//!
//! The log is `.dvc/tmp/lemnis/logs/<stage>.log`: each command after `> `, then what it printed.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;

use super::Stream;
use crate::error::{Error, LogTail, Result};
use crate::fsx;
use crate::hash::md5_bytes;
use crate::repo::Repo;
use crate::run::{self, Job};

/// How many of a failed stage's last lines the error holds.
const TAIL_LINES: usize = 10;
const TAIL_BYTES: usize = 4096;

/// What a running stage reports, with its place in the index.
pub(super) enum Event {
    /// The script at this place of the stage's command starts.
    Command(usize, usize),
    Output(usize, Stream, Vec<u8>),
    Ended(usize, Result<()>),
}

/// What a thread needs to run a stage.
pub(super) struct Task {
    pub(super) at: usize,
    pub(super) scripts: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) job: Job,
    pub(super) log: PathBuf,
}

/// Where the log of a stage lies.
pub(super) fn log_path(repo: &Repo, address: &str) -> PathBuf {
    let safe = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '=' | '+');
    let mut name: String = address.chars().map(|c| if safe(c) { c } else { '_' }).take(100).collect();
    if name != address || name.starts_with('.') {
        name = format!("{name}-{}", &md5_bytes(address.as_bytes())[..8]);
    }
    repo.scratch_dir().join("logs").join(format!("{name}.log"))
}

/// Starts the thread; its last event is always `Ended`.
pub(super) fn start(task: Task, events: Sender<Event>) {
    thread::spawn(move || {
        let result = work(&task, &events);
        let _ = events.send(Event::Ended(task.at, result));
    });
}

fn work(task: &Task, events: &Sender<Event>) -> Result<()> {
    let mut log = Log::create(&task.log)?;
    for (number, script) in task.scripts.iter().enumerate() {
        log.write(format!("> {script}\n").as_bytes());
        let _ = events.send(Event::Command(task.at, number));
        let result = run::script(&task.job, &task.env, script, &mut |stream, bytes| {
            log.write(bytes);
            let _ = events.send(Event::Output(task.at, stream, bytes.to_vec()));
        });
        match result {
            Err(Error::StageFailed { stage, command, ending, .. }) => {
                let log = log.tail(&task.job);
                return Err(Error::StageFailed { stage, command, ending, log: Some(Arc::new(log)) });
            }
            other => other?,
        }
    }
    Ok(())
}

struct Log {
    path: PathBuf,
    file: File,
    last: VecDeque<u8>,
}

impl Log {
    fn create(path: &Path) -> Result<Self> {
        if let Some(dir) = path.parent() {
            fsx::create_dirs(dir)?;
        }
        let file = File::create(path).map_err(Error::io("write", path))?;
        Ok(Self { path: path.to_path_buf(), file, last: VecDeque::new() })
    }

    /// A full disk must not stop the stage: it will say so itself.
    fn write(&mut self, bytes: &[u8]) {
        let _ = self.file.write_all(bytes);
        self.last.extend(bytes);
        let surplus = self.last.len().saturating_sub(TAIL_BYTES);
        self.last.drain(..surplus);
    }

    fn tail(&self, job: &Job) -> LogTail {
        let bytes: Vec<u8> = self.last.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(TAIL_LINES);
        let path = fsx::relative(&self.path, &job.root);
        LogTail { path, lines: lines[from..].iter().map(|line| (*line).to_owned()).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_of_different_stages_have_different_names() {
        let dir = tempfile::tempdir().expect("temp dir");
        std::fs::create_dir(dir.path().join(".dvc")).expect("creates");
        let repo = Repo::discover(dir.path(), &crate::Environment::default()).expect("opens");
        let name = |address: &str| {
            let path = log_path(&repo, address);
            path.file_name().expect("name").to_string_lossy().into_owned()
        };
        assert_eq!(name("train@a-1"), "train@a-1.log");
        assert_ne!(name("a/dvc.yaml:b"), name("a_dvc.yaml_b"));
        assert!(!name("../../x").contains('/'));
    }
}
