//! Runs a stage's command: through the shell, in its own process group, its output as it comes.
//!
//! The command's standard input is an empty file that stays locked while any process of the stage lives.
//! So a later reproduction sees that a stage of a killed one still runs, and ends it first.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getpgid, kill_process_group};

use crate::error::{Error, Result};
use crate::fsx;
use crate::process::lives;
use crate::repo::Repo;
use crate::reproduce::Stream;

const POLL: Duration = Duration::from_millis(20);
/// How long an interrupted command may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// How long output of background processes is still read after the command ended.
const DRAIN: Duration = Duration::from_millis(200);
const PIECE_BYTES: usize = 16 << 10;

/// What a command needs to run.
pub(crate) struct Job {
    /// The repository's root.
    pub(crate) root: PathBuf,
    pub(crate) stage: String,
    pub(crate) dir: PathBuf,
    pub(crate) shell: String,
    pub(crate) cancel: Option<Arc<AtomicBool>>,
    pub(crate) guard: Arc<StageGuard>,
}

/// Runs one script to its end; what it prints goes to `on_output` as it comes.
pub(crate) fn script(
    job: &Job,
    env: &[(String, String)],
    script: &str,
    on_output: &mut dyn FnMut(Stream, &[u8]),
) -> Result<()> {
    let failed = |source| Error::io("start the shell", Path::new(&job.shell))(source);
    let (out, out_writer) = std::io::pipe().map_err(failed)?;
    let (err, err_writer) = std::io::pipe().map_err(failed)?;
    let mut command = Command::new(&job.shell);
    command.args(shell_options(&job.shell)).arg("-c").arg(script).current_dir(&job.dir);
    command.env("DVC_STAGE", &job.stage);
    if !env.iter().any(|(key, _)| key == "DVC_ROOT") {
        command.env("DVC_ROOT", &job.root);
    }
    command.envs(env.iter().map(|(key, value)| (key, value)));
    command.stdin(job.guard.stdin()?).stdout(out_writer).stderr(err_writer).process_group(0);
    let mut child = command.spawn().map_err(failed)?;
    drop(command);
    job.guard.note(child.id());
    let status = follow(&mut child, out, err, job, on_output);
    job.guard.forget(child.id());
    let status = status?;
    if status.success() {
        return Ok(());
    }
    let ending = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (_, Some(signal)) => format!("signal {signal}"),
        _ => "an unknown status".into(),
    };
    Err(Error::StageFailed { stage: job.stage.clone(), command: script.to_owned(), ending, log: None })
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
    out: impl Read + Send + 'static,
    err: impl Read + Send + 'static,
    job: &Job,
    on_output: &mut dyn FnMut(Stream, &[u8]),
) -> Result<ExitStatus> {
    let (sender, pieces) = mpsc::sync_channel(256);
    read(Stream::Out, out, sender.clone());
    read(Stream::Err, err, sender);
    let waiting = |error| Error::io("wait for", Path::new(&job.shell))(error);
    let mut ended: Option<(ExitStatus, Instant)> = None;
    let mut cancelled: Option<Instant> = None;
    loop {
        match pieces.recv_timeout(POLL) {
            Ok((stream, bytes)) => on_output(stream, &bytes),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if ended.is_none() {
            ended = child.try_wait().map_err(waiting)?.map(|status| (status, Instant::now()));
        }
        if ended.is_some_and(|(_, at)| at.elapsed() > DRAIN) {
            break;
        }
        if job.cancel.as_ref().is_some_and(|flag| flag.load(Ordering::SeqCst)) && ended.is_none() {
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
        return Err(Error::Interrupted { stage: job.stage.clone() });
    }
    Ok(status)
}

/// Reads a stream on a thread of its own until it ends or nobody listens any more.
fn read(stream: Stream, mut from: impl Read + Send + 'static, to: SyncSender<(Stream, Vec<u8>)>) {
    thread::spawn(move || {
        let mut buffer = vec![0; PIECE_BYTES];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    if to.send((stream, buffer[..count].to_vec())).is_err() {
                        break;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
    });
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
    /// The process groups that run.
    groups: Mutex<Vec<u32>>,
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
        let guard = Self { lock, path, note, groups: Mutex::default() };
        guard.change(|_| {});
        Ok(guard)
    }

    /// The locked file, open at its end: reads give nothing.
    fn stdin(&self) -> Result<Stdio> {
        let mut file = self.lock.try_clone().map_err(Error::io("share", &self.note))?;
        file.seek(SeekFrom::End(0)).map_err(Error::io("share", &self.note))?;
        Ok(Stdio::from(file))
    }

    fn note(&self, group: u32) {
        self.change(|groups| groups.push(group));
    }

    fn forget(&self, group: u32) {
        self.change(|groups| groups.retain(|known| *known != group));
    }

    fn change(&self, change: impl FnOnce(&mut Vec<u32>)) {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut groups);
        let groups: Vec<String> = groups.iter().map(u32::to_string).collect();
        let text = format!("{} {}\n", std::process::id(), groups.join(" "));
        let next = self.note.with_extension("next");
        let _ = fs::write(&next, text).and_then(|()| fs::rename(&next, &self.note));
    }
}

/// The groups of processes whose standard input is the file at `path`, where the system tells.
fn holders(path: &Path) -> Vec<Pid> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.flatten().filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)?;
        let input = fs::read_link(entry.path().join("fd/0")).ok()?;
        (input == path).then_some(pid)
    });
    pids.filter_map(|pid| getpgid(Some(pid)).ok()).collect()
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
        let Some(owner) = owner.and_then(|pid| pid.parse::<u32>().ok()) else { continue };
        if !lives(owner) {
            end_orphan(&path, owner)?;
        }
    }
    Ok(())
}

fn end_orphan(path: &Path, owner: u32) -> Result<()> {
    let note = path.with_extension("pid");
    let started = Instant::now();
    let lock = open_lock(path)?;
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", path)(error)),
            Err(TryLockError::WouldBlock) if started.elapsed() > GRACE => {
                let holder = format!("a stage of process {owner}, which was killed");
                return Err(Error::Locked { holder });
            }
            Err(TryLockError::WouldBlock) => {}
        }
        let text = fs::read_to_string(&note).unwrap_or_default();
        let noted =
            text.split_whitespace().skip(1).filter_map(|word| word.parse().ok().and_then(Pid::from_raw));
        // A process that dies between starting a command and noting it leaves a group without a name.
        for group in noted.chain(holders(path)) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        thread::sleep(POLL);
    }
    fsx::remove(path)?;
    fsx::remove(&note)
}
