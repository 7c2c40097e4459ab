//! The queue of experiments: what waits, runs, and has ended, and what workers need to take from it.
//!
//! A task is taken in one step and claimed by a lock that lives as long as the process which runs it. A task
//! without a result whose claim is free was lost with its process: it counts as queued and is given back.

mod clean;
mod message;
mod worker;

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Serialize;

pub use clean::clean_experiments;
use message::{Broker, Message};
pub use worker::{Worker, Workers, stop_workers, take_worker, worker_log, workers};

use crate::error::{Error, Result};
use crate::experiments::capture::capture;
use crate::experiments::experiment_name;
use crate::experiments::overrides::Overrides;
use crate::experiments::stash::{self, FAILED, QUEUED};
use crate::experiments::temporary::{self, Temporary};
use crate::fsx;
use crate::locks::{self, Lock};
use crate::process::lives;
use crate::repo::Repo;
use crate::reproduce::Reproduce;
use crate::revision::{git, no_git};

/// Where a task of the queue stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum TaskState {
    /// A worker runs it.
    Running,
    /// It waits for a worker.
    Queued,
    /// It ended without a result.
    Failed,
    /// It made an experiment.
    Success,
}

impl std::fmt::Display for TaskState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Running => "Running",
            Self::Queued => "Queued",
            Self::Failed => "Failed",
            Self::Success => "Success",
        })
    }
}

/// A task of the queue.
#[derive(Clone, Debug, Serialize)]
pub struct QueueTask {
    /// The commit that holds the workspace to run.
    pub rev: String,
    /// The experiment's name.
    pub name: String,
    /// The commit that it starts from.
    pub baseline: String,
    /// When it was queued, in local time.
    pub created: String,
    /// Where it stands.
    pub state: TaskState,
    #[serde(skip)]
    message: Message,
}

/// What to queue.
#[derive(Clone, Debug, Default)]
pub struct Enqueue {
    /// Its name; one is made up without.
    pub name: Option<String>,
    /// Its parameters.
    pub overrides: Overrides,
    /// How to run the pipeline.
    pub how: Reproduce,
    /// Untracked or ignored files to bring along, relative to where the repository was opened.
    pub copy_paths: Vec<PathBuf>,
    /// The message of the experiment's commit.
    pub message: Option<String>,
}

/// Queues an experiment and returns its name. `seed` makes made-up names differ between calls.
pub fn enqueue(repo: &Repo, request: &Enqueue, seed: u64) -> Result<String> {
    let git_root = repo.git_root().ok_or_else(no_git)?;
    let name = experiment_name(repo, request.name.as_deref(), request.how.force, seed)?;
    let copy_paths = temporary::checked_paths(repo, &request.copy_paths)?;
    let broker = Broker::of(repo);
    let stashed = capture(repo, &name, &request.overrides, &request.how)?;
    stashed.push(repo, QUEUED)?;
    broker.send(repo, git_root, &stashed, &copy_paths, request.message.as_deref())?;
    Ok(name)
}

/// Every task, the running ones first, then what waits, failed and succeeded.
pub fn queue_tasks(repo: &Repo) -> Result<Vec<QueueTask>> {
    let git_root = repo.git_root().ok_or_else(no_git)?;
    let broker = Broker::of(repo);
    let mut tasks = Vec::new();
    let mut add = |message: Message, state: TaskState| {
        let format = ["show", "--no-patch", "--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%S"];
        let args: Vec<&str> = format.into_iter().chain([message.stashed.commit.as_str()]).collect();
        // A commit that Git has cleaned away cannot be run, but can be taken out of the queue.
        let created = git(git_root, &args).unwrap_or_default().trim().to_owned();
        let stashed = &message.stashed;
        let (rev, name) = (stashed.commit.clone(), stashed.name.clone());
        tasks.push(QueueTask { rev, name, baseline: stashed.baseline.clone(), created, state, message });
    };
    for message in broker.queued()? {
        add(message, TaskState::Queued);
    }
    for message in broker.processed()? {
        let state = state_of(repo, &broker, &message)?;
        add(message, state);
    }
    tasks.sort_by_key(|task| task.state as usize);
    Ok(tasks)
}

fn state_of(repo: &Repo, broker: &Broker, message: &Message) -> Result<TaskState> {
    let commit = &message.stashed.commit;
    if broker.result(&message.id).exists() {
        let done = temporary::result_of(repo, commit)?.is_some();
        return Ok(if done { TaskState::Success } else { TaskState::Failed });
    }
    Ok(if is_lost(repo, commit)? { TaskState::Queued } else { TaskState::Running })
}

/// The directory of what is known about a run.
pub(crate) fn run_dir(repo: &Repo, commit: &str) -> PathBuf {
    repo.tmp_dir().join("exps/run").join(commit)
}

fn claim_path(repo: &Repo, commit: &str) -> PathBuf {
    run_dir(repo, commit).join("claim.lock")
}

/// Claims a run for this process; `None` when another one holds it.
pub(crate) fn claim(repo: &Repo, commit: &str) -> Result<Option<Lock>> {
    fsx::create_dirs(&run_dir(repo, commit))?;
    match locks::at_once(&claim_path(repo, commit)) {
        Ok(claim) => Ok(Some(claim)),
        Err(Error::Locked { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a process of ours took the task and is gone. What DVC's workers take has no claim.
fn is_lost(repo: &Repo, commit: &str) -> Result<bool> {
    let path = claim_path(repo, commit);
    if !path.exists() {
        return Ok(false);
    }
    match locks::at_once(&path) {
        Ok(_free) => Ok(true),
        Err(Error::Locked { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives tasks back to the queue whose process is gone, and returns their names.
pub fn give_back_lost(repo: &Repo) -> Result<Vec<String>> {
    let broker = Broker::of(repo);
    let mut names = Vec::new();
    for message in broker.processed()? {
        let commit = &message.stashed.commit;
        if broker.result(&message.id).exists() || !claim_path(repo, commit).exists() {
            continue;
        }
        let Ok(_claim) = locks::at_once(&claim_path(repo, commit)) else { continue };
        temporary::sweep(repo, commit)?;
        if broker.give_back(&message)? {
            // Without a claim the task may be taken by DVC's workers as well, which make none.
            fsx::remove(&claim_path(repo, commit))?;
            names.push(message.stashed.name.clone());
        }
    }
    Ok(names)
}

/// The commits of tasks that wait for a worker, in their order.
pub fn waiting_tasks(repo: &Repo) -> Result<Vec<String>> {
    Ok(Broker::of(repo).queued()?.into_iter().map(|message| message.stashed.commit).collect())
}

/// A task that this process has taken.
pub struct TakenTask {
    message: Message,
    /// The workspace that it runs in.
    pub run: Temporary,
    _claim: Lock,
}

/// Takes the queued task `commit` and makes its workspace; `None` when another process was faster.
pub fn take_task(repo: &Repo, commit: &str) -> Result<Option<TakenTask>> {
    let broker = Broker::of(repo);
    let Some(message) = broker.queued()?.into_iter().find(|one| one.stashed.commit == commit) else {
        return Ok(None);
    };
    let Some(claim) = claim(repo, commit)? else { return Ok(None) };
    // Whoever gave the task back removes the claim; one that was opened before is worth nothing.
    if !claim_path(repo, commit).exists() || !broker.take(&message)? {
        return Ok(None);
    }
    let (copies, text) = (&message.copy_paths, message.message.clone());
    match Temporary::open(repo, &message.stashed, copies, text, "dvc-task") {
        Ok(run) => Ok(Some(TakenTask { message, run, _claim: claim })),
        Err(error) => {
            drop(claim);
            Err(error)
        }
    }
}

/// Records how a task ended: as the experiment that it made, or as failed. `when` is the present moment in
/// RFC 3339.
pub fn end_task(repo: &Repo, mut task: TakenTask, success: bool, when: &str) -> Result<Option<String>> {
    let saved = if success { task.run.save(repo).map(Some) } else { Ok(None) };
    task.run.close(repo)?;
    let done = matches!(&saved, Ok(Some(_)));
    record_end(repo, &task.message, done, when)?;
    Ok(saved?.map(|saved| saved.name))
}

/// Records that a task failed whose process ended without a word; nothing when it has a result.
pub fn fail_task(repo: &Repo, commit: &str, when: &str) -> Result<bool> {
    // whoever kills a task and the worker that waited for it come here at the same moment
    let _lock = locks::briefly(&worker::dir(repo).join("end.lock"), false)?;
    let broker = Broker::of(repo);
    for message in broker.processed()? {
        if message.stashed.commit == commit && !broker.result(&message.id).exists() {
            temporary::sweep(repo, commit)?;
            record_end(repo, &message, false, when)?;
            return Ok(true);
        }
    }
    Ok(false)
}

fn record_end(repo: &Repo, message: &Message, success: bool, when: &str) -> Result<()> {
    if !success {
        message.stashed.push(repo, FAILED)?;
    }
    stash::remove(repo, QUEUED, &message.stashed.commit)?;
    Broker::of(repo).end(&message.id, success, when)
}

/// The tasks that `names` mean: names or the beginnings of commits.
fn named(tasks: Vec<QueueTask>, names: &[String]) -> Result<Vec<QueueTask>> {
    let mut found: Vec<QueueTask> = Vec::new();
    for name in names {
        let by_commit = |task: &&QueueTask| name.len() >= 7 && task.rev.starts_with(name.as_str());
        let task =
            tasks.iter().rev().find(|task| task.name == *name).or_else(|| tasks.iter().find(by_commit));
        let Some(task) = task else {
            let hint = "list the tasks with `lemnis queue status`";
            return Err(Error::hinted(format!("the queue has no task '{name}'"), hint));
        };
        found.push(task.clone());
    }
    Ok(found)
}

/// Takes tasks out of the queue, those that are named or all in one of `states`, and returns their names.
/// What runs must be killed first.
pub fn remove_tasks(repo: &Repo, names: &[String], states: &[TaskState]) -> Result<Vec<String>> {
    let tasks = queue_tasks(repo)?;
    let chosen = match names {
        [] => tasks.into_iter().filter(|task| states.contains(&task.state)).collect(),
        names => named(tasks, names)?,
    };
    if let Some(task) = chosen.iter().find(|task| task.state == TaskState::Running) {
        return Err(Error::hinted(
            format!("'{}' is running", task.name),
            format!("stop it first with `lemnis queue kill {}`", task.name),
        ));
    }
    let broker = Broker::of(repo);
    for task in &chosen {
        broker.remove(&task.message)?;
        stash::remove(repo, QUEUED, &task.rev)?;
        stash::remove(repo, FAILED, &task.rev)?;
        temporary::sweep(repo, &task.rev)?;
        fsx::remove(&run_dir(repo, &task.rev))?;
    }
    Ok(chosen.into_iter().map(|task| task.name).collect())
}

/// Interrupts running tasks, with `force` at once and for good, and records them as failed. Without names all.
pub fn kill_tasks(repo: &Repo, names: &[String], force: bool, when: &str) -> Result<Vec<String>> {
    let tasks = queue_tasks(repo)?;
    let chosen = match names {
        [] => tasks,
        names => named(tasks, names)?,
    };
    let mut killed = Vec::new();
    for task in chosen {
        if task.state != TaskState::Running {
            if names.is_empty() {
                continue;
            }
            return Err(Error::invalid(format!("'{}' is not running", task.name)));
        }
        let pid = process_of(repo, &task.rev)?;
        if let Some(pid) = pid.filter(|pid| lives(*pid)) {
            signal(pid, if force { Signal::KILL } else { Signal::INT });
            await_end(repo, &task.rev, pid)?;
        }
        fail_task(repo, &task.rev, when)?;
        killed.push(task.name);
    }
    Ok(killed)
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(pid, signal);
    }
}

fn await_end(repo: &Repo, commit: &str, pid: u32) -> Result<()> {
    for _ in 0..600 {
        if !lives(pid) && locks::at_once(&claim_path(repo, commit)).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(Error::hinted(
        format!("process {pid} does not end"),
        "kill it at once with `lemnis queue kill --force`",
    ))
}

/// Notes which process runs a task and where its output goes, as DVC does.
pub fn note_process(repo: &Repo, commit: &str, pid: u32, returncode: Option<i32>) -> Result<()> {
    let dir = run_dir(repo, commit);
    let out = dir.join(format!("{commit}.out"));
    let note = serde_json::json!({
        "pid": pid, "stdin": null, "stdout": out.to_string_lossy(), "stderr": null, "returncode": returncode,
    });
    fsx::write_text(&dir.join(format!("{commit}.json")), &note.to_string())
}

/// What is known of the process that runs or ran a task.
pub(crate) struct ProcessNote {
    pub(crate) pid: Option<u32>,
    /// The file of what it printed.
    pub(crate) log: Option<String>,
    pub(crate) returncode: Option<i64>,
}

/// What was noted of the task's process; `None` when it was not started.
pub(crate) fn process_note(repo: &Repo, commit: &str) -> Result<Option<ProcessNote>> {
    let Some(text) = fsx::read_text(&run_dir(repo, commit).join(format!("{commit}.json")))? else {
        return Ok(None);
    };
    let note: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    Ok(Some(ProcessNote {
        pid: note["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()),
        log: note["stdout"].as_str().map(str::to_owned),
        returncode: note["returncode"].as_i64(),
    }))
}

fn process_of(repo: &Repo, commit: &str) -> Result<Option<u32>> {
    Ok(process_note(repo, commit)?.and_then(|note| note.pid))
}

/// Where the output of the task `commit` goes; its directory is made.
pub fn task_log(repo: &Repo, commit: &str) -> Result<PathBuf> {
    let dir = run_dir(repo, commit);
    fsx::create_dirs(&dir)?;
    Ok(dir.join(format!("{commit}.out")))
}

/// What a task printed so far, and whether it still runs.
pub fn task_output(repo: &Repo, name: &str) -> Result<(PathBuf, bool)> {
    let task = named(queue_tasks(repo)?, &[name.to_owned()])?.swap_remove(0);
    if task.state == TaskState::Queued {
        return Err(Error::invalid(format!("'{name}' is in the queue but has not been started")));
    }
    let path = run_dir(repo, &task.rev).join(format!("{}.out", task.rev));
    if !path.exists() {
        return Err(Error::invalid(format!("nothing is known of what '{name}' printed")));
    }
    Ok((path, task.state == TaskState::Running))
}
