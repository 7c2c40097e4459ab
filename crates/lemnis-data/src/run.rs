//! Runs a stage's command: through the shell, in its own process group, its output line by line.
//!
//! The command's standard input is an empty file that stays locked while any process of the stage lives.
//! So a later reproduction sees that a stage of a killed one still runs, and ends it first.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process};

use crate::error::{Error, Result};
use crate::fsx;
use crate::repo::Repo;

const POLL: Duration = Duration::from_millis(20);
/// How long an interrupted command may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// How long output of background processes is still read after the command ended.
const DRAIN: Duration = Duration::from_millis(200);
const MAX_LINE_BYTES: usize = 64 << 10;

/// What a command needs to run.
pub(crate) struct Job<'a> {
    pub(crate) repo: &'a Repo,
    pub(crate) stage: &'a str,
    pub(crate) dir: &'a Path,
    pub(crate) shell: &'a str,
    pub(crate) cancel: Option<&'a AtomicBool>,
    pub(crate) guard: &'a StageGuard,
}

/// Runs one script to its end; every line it prints goes to `on_line`.
pub(crate) fn script(
    job: &Job<'_>,
    env: &[(String, String)],
    script: &str,
    on_line: &mut dyn FnMut(&str),
) -> Result<()> {
    let failed = |source| Error::io("start the shell", Path::new(job.shell))(source);
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    let mut command = Command::new(job.shell);
    command.args(shell_options(job.shell)).arg("-c").arg(script).current_dir(job.dir);
    command.env("DVC_STAGE", job.stage);
    if !env.iter().any(|(key, _)| key == "DVC_ROOT") {
        command.env("DVC_ROOT", job.repo.root());
    }
    command.envs(env.iter().map(|(key, value)| (key, value)));
    command.stdin(job.guard.stdin()?);
    command.stdout(writer.try_clone().map_err(failed)?).stderr(writer).process_group(0);
    if !job.dir.is_dir() {
        return Err(Error::Missing { what: "working directory", path: job.repo.show(job.dir) });
    }
    let mut child = command.spawn().map_err(failed)?;
    drop(command);
    job.guard.note(child.id());
    let status = follow(&mut child, reader, job, on_line)?;
    if status.success() {
        return Ok(());
    }
    let ending = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (_, Some(signal)) => format!("signal {signal}"),
        _ => "an unknown status".into(),
    };
    Err(Error::StageFailed { stage: job.stage.to_owned(), command: script.to_owned(), ending })
}

fn shell_options(shell: &str) -> &'static [&'static str] {
    match shell.rsplit('/').next().unwrap_or(shell) {
        "bash" => &["--noprofile", "--norc"],
        "zsh" => &["--no-rcs"],
        "fish" => &["--no-config"],
        _ => &[],
    }
}

fn follow(
    child: &mut Child,
    reader: impl Read + Send + 'static,
    job: &Job<'_>,
    on_line: &mut dyn FnMut(&str),
) -> Result<ExitStatus> {
    let (sender, lines) = mpsc::sync_channel(256);
    thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        while let Some(line) = next_line(&mut reader) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let waiting = |error| Error::io("wait for", Path::new(job.shell))(error);
    let mut ended: Option<(ExitStatus, Instant)> = None;
    let mut cancelled: Option<Instant> = None;
    loop {
        match lines.recv_timeout(POLL) {
            Ok(line) => on_line(&line),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if ended.is_none() {
            ended = child.try_wait().map_err(waiting)?.map(|status| (status, Instant::now()));
        }
        if ended.is_some_and(|(_, at)| at.elapsed() > DRAIN) {
            break;
        }
        if job.cancel.is_some_and(|flag| flag.load(Ordering::SeqCst)) && ended.is_none() {
            match cancelled {
                None => {
                    signal_group(child.id(), Signal::INT);
                    cancelled = Some(Instant::now());
                }
                Some(at) if at.elapsed() > GRACE => signal_group(child.id(), Signal::KILL),
                Some(_) => {}
            }
        }
    }
    let status = match ended {
        Some((status, _)) => status,
        None => child.wait().map_err(waiting)?,
    };
    if cancelled.is_some() {
        signal_group(child.id(), Signal::KILL);
        return Err(Error::Interrupted { stage: job.stage.to_owned() });
    }
    Ok(status)
}

/// The next line without its end; very long ones come in pieces.
fn next_line(reader: &mut impl BufRead) -> Option<String> {
    let mut bytes = Vec::new();
    match reader.by_ref().take(MAX_LINE_BYTES as u64).read_until(b'\n', &mut bytes) {
        Ok(0) | Err(_) => None,
        Ok(_) => {
            while matches!(bytes.last(), Some(b'\n' | b'\r')) {
                bytes.pop();
            }
            Some(String::from_utf8_lossy(&bytes).into_owned())
        }
    }
}

fn signal_group(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(pid, signal);
    }
}

/// Marks this process as one that runs stages, from before a stage's old outputs go until its new ones are
/// recorded. Others may run stages, too: which paths they keep off is [`PathLocks`](crate::rwlock::PathLocks)' matter.
pub(crate) struct StageGuard {
    lock: File,
    path: PathBuf,
    note: PathBuf,
}

impl StageGuard {
    /// Ends the stages of processes that were killed, and marks this one.
    pub(crate) fn take(repo: &Repo) -> Result<Self> {
        let dir = repo.scratch_dir();
        fsx::create_dirs(&dir)?;
        end_orphans(&dir)?;
        let path = dir.join(format!("stage-{}.lock", std::process::id()));
        let note = path.with_extension("pid");
        let lock = open_lock(&path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked { holder: "this process itself, which runs a stage".into() });
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
        }
        let guard = Self { lock, path, note };
        guard.write_note("");
        Ok(guard)
    }

    /// The locked file, open at its end: reads give nothing.
    fn stdin(&self) -> Result<Stdio> {
        let mut file = self.lock.try_clone().map_err(Error::io("share", &self.note))?;
        file.seek(SeekFrom::End(0)).map_err(Error::io("share", &self.note))?;
        Ok(Stdio::from(file))
    }

    fn note(&self, group: u32) {
        self.write_note(&group.to_string());
    }

    fn write_note(&self, group: &str) {
        if let Ok(mut file) = File::create(&self.note) {
            let _ = writeln!(file, "{} {group}", std::process::id());
        }
    }
}

impl Drop for StageGuard {
    /// Frees the right even when background processes of the stage go on.
    fn drop(&mut self) {
        let _ = self.lock.unlock();
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(&self.note);
    }
}

fn open_lock(path: &Path) -> Result<File> {
    OpenOptions::new().read(true).append(true).create(true).open(path).map_err(Error::io("lock", path))
}

/// Looks for marks whose process was killed: as long as a stage of it runs, the mark stays locked.
fn end_orphans(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let path = entry.map_err(Error::io("list", dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let owner = name.strip_prefix("stage-").and_then(|rest| rest.strip_suffix(".lock"));
        let Some(owner) = owner.and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw) else { continue };
        if test_kill_process(owner).is_err() {
            end_orphan(&path, owner)?;
        }
    }
    Ok(())
}

fn end_orphan(path: &Path, owner: Pid) -> Result<()> {
    let note = path.with_extension("pid");
    let started = Instant::now();
    let lock = open_lock(path)?;
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", path)(error)),
            Err(TryLockError::WouldBlock) if started.elapsed() > GRACE => {
                let holder = format!("a stage of process {}, which was killed", owner.as_raw_nonzero());
                return Err(Error::Locked { holder });
            }
            Err(TryLockError::WouldBlock) => {}
        }
        let text = fs::read_to_string(&note).unwrap_or_default();
        let group = text.split_whitespace().nth(1).and_then(|word| word.parse().ok()).and_then(Pid::from_raw);
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
        }
        thread::sleep(POLL);
    }
    fsx::remove(path)?;
    fsx::remove(&note)
}
