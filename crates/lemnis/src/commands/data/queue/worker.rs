//! Workers: each takes tasks from the queue one after the other, every task in a process of its own, so that
//! killing one leaves the worker alive and killing the worker leaves the task to another.

use std::fs::{File, OpenOptions};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lemnis_data::{Repo, TaskState};
use rustix::process::{Pid, Signal, kill_process_group};

use super::now;
use crate::commands::data::watcher::Watcher;
use crate::context::Context;
use crate::output::{self, Failure, exit, io_failure};

const POLL: Duration = Duration::from_millis(20);
/// The exit code of a task that another worker took.
const TAKEN: u8 = 75;

/// Starts the workers that are missing to make `jobs`.
pub fn start(context: &Context, repo: &Repo, jobs: usize) -> Result<(), Failure> {
    lemnis_data::give_back_lost(repo)?;
    let (program, _) = Context::path_for_stages()?;
    let mut started = 0;
    for number in 1..=jobs {
        if lemnis_data::take_worker(repo, number)?.is_none() {
            continue;
        }
        let log = lemnis_data::worker_log(repo, number)?;
        let failed = || io_failure(format!("writing {}", log.display()));
        let out = File::create(&log).map_err(failed())?;
        let errors = out.try_clone().map_err(failed())?;
        Command::new(&program)
            .args(["queue", "worker", &number.to_string()])
            .current_dir(repo.root())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(errors)
            .spawn()
            .map_err(io_failure("starting a worker"))?;
        started += 1;
    }
    let plural = if started == 1 { "" } else { "s" };
    super::say(context, &format!("Started '{started}' new experiments task queue worker{plural}."));
    Ok(())
}

/// The worker itself: ends when nothing waits any more, or when it is asked to.
pub fn work(context: &Context, repo: &Repo, number: usize) -> Result<(), Failure> {
    // A session of its own: closing the terminal does not end it.
    let _ = rustix::process::setsid();
    let Some(worker) = lemnis_data::take_worker(repo, number)? else { return Ok(()) };
    let interrupted = context.interrupt.flag();
    drain(context, repo, &|| worker.is_stopped() || interrupted.load(Ordering::SeqCst), &interrupted, &|_| ())
}

/// Runs all that waits, and waits for it.
pub fn run_all(context: &Context, repo: &Repo, jobs: usize) -> Result<u8, Failure> {
    lemnis_data::give_back_lost(repo)?;
    let interrupted = context.interrupt.flag();
    let ended: Mutex<Vec<String>> = Mutex::default();
    let failures: Mutex<Vec<Failure>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                let on_end = |commit: &str| {
                    if let Ok(mut ended) = ended.lock() {
                        if let Ok(path) = lemnis_data::task_log(repo, commit)
                            && let Ok(bytes) = std::fs::read(path)
                            && !context.json
                            && !context.quiet
                        {
                            output::raw(std::io::stdout(), &bytes);
                        }
                        ended.push(commit.to_owned());
                    }
                };
                let stop = || interrupted.load(Ordering::SeqCst);
                if let Err(failure) = drain(context, repo, &stop, &interrupted, &on_end)
                    && let Ok(mut failures) = failures.lock()
                {
                    failures.push(failure);
                }
            });
        }
    });
    if let Some(failure) = failures.into_inner().unwrap_or_default().pop() {
        return Err(failure);
    }
    if interrupted.load(Ordering::SeqCst) {
        lemnis_data::give_back_lost(repo)?;
        let failure =
            Failure::usage("interrupted: what ran is queued again").with_dvc_code(exit::INTERRUPTED);
        return Err(failure);
    }
    let ended = ended.into_inner().unwrap_or_default();
    let tasks = lemnis_data::queue_tasks(repo)?;
    let of = |state: TaskState| -> Vec<&str> {
        let mine = tasks.iter().filter(|task| task.state == state && ended.contains(&task.rev));
        mine.map(|task| task.name.as_str()).collect()
    };
    let (done, failed) = (of(TaskState::Success), of(TaskState::Failed));
    if context.json {
        output::json_line(&serde_json::json!({"success": done, "failed": failed}))?;
    } else if !context.quiet {
        match (done.is_empty(), failed.is_empty()) {
            (true, true) => output::line("No experiments in the queue."),
            (false, _) => output::line(format!(
                "\nRan experiment(s): {}\nTo apply the results of an experiment to your workspace run:\n\n\tlemnis exp apply <exp>",
                done.join(", ")
            )),
            (true, false) => {}
        }
    }
    if failed.is_empty() {
        return Ok(0);
    }
    let failure = Failure::usage(format!("experiments failed: {}", failed.join(", ")));
    Err(failure.with_dvc_code(exit::OTHER).with_hint("see what they printed with `lemnis queue logs`"))
}

/// Takes tasks until none waits or `stop` says so.
fn drain(
    context: &Context,
    repo: &Repo,
    stop: &dyn Fn() -> bool,
    interrupted: &AtomicBool,
    on_end: &dyn Fn(&str),
) -> Result<(), Failure> {
    let mut passed_over: Vec<String> = Vec::new();
    while !stop() {
        let waiting = lemnis_data::waiting_tasks(repo)?;
        let Some(commit) = waiting.into_iter().find(|commit| !passed_over.contains(commit)) else { break };
        let code = run_in_process(repo, &commit, interrupted)?;
        passed_over.push(commit.clone());
        match code {
            Some(code) if code == i32::from(TAKEN) => {}
            _ if interrupted.load(Ordering::SeqCst) => {}
            _ => {
                // One that ended without a word, by a signal for instance, has failed.
                lemnis_data::fail_task(repo, &commit, &now(context))?;
                on_end(&commit);
            }
        }
    }
    Ok(())
}

/// Runs a task to its end in a process of its own and returns its exit code.
fn run_in_process(repo: &Repo, commit: &str, interrupted: &AtomicBool) -> Result<Option<i32>, Failure> {
    let (program, _) = Context::path_for_stages()?;
    let path = lemnis_data::task_log(repo, commit)?;
    let failed = || io_failure(format!("writing {}", path.display()));
    let out = OpenOptions::new().create(true).append(true).open(&path).map_err(failed())?;
    let errors = out.try_clone().map_err(failed())?;
    let mut child = {
        use std::os::unix::process::CommandExt;
        Command::new(program)
            .args(["queue", "run-task", commit])
            .current_dir(repo.root())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(io_failure("starting a task"))?
    };
    let mut asked = false;
    loop {
        if let Some(status) = child.try_wait().map_err(io_failure("waiting for a task"))? {
            if status.code() != Some(TAKEN.into()) {
                lemnis_data::note_process(repo, commit, child.id(), status.code())?;
            }
            return Ok(status.code());
        }
        if interrupted.load(Ordering::SeqCst) && !asked {
            asked = true;
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::INT);
            }
        }
        std::thread::sleep(POLL);
    }
}

/// The process of one task. Interrupted, it leaves no result, so that whoever started it decides what that means.
pub fn run_task(context: &Context, repo: &Repo, commit: &str) -> Result<u8, Failure> {
    let task = match lemnis_data::take_task(repo, commit) {
        Ok(Some(task)) => task,
        Ok(None) => return Ok(TAKEN),
        Err(error) => {
            lemnis_data::fail_task(repo, commit, &now(context))?;
            return Err(error.into());
        }
    };
    lemnis_data::note_process(repo, commit, std::process::id(), None)?;
    output::line(format!("Reproducing experiment '{}'", task.run.name()));
    let mut watcher = Watcher::new(context, repo.root().to_path_buf());
    match watcher.reproduce(&task.run.repo, &task.run.request) {
        Ok(_) => {
            lemnis_data::end_task(repo, task, true, &now(context))?;
            lemnis_data::note_process(repo, commit, std::process::id(), Some(0))?;
            Ok(0)
        }
        Err(failure) if failure.dvc_code == Some(exit::INTERRUPTED) => Err(failure),
        Err(failure) => {
            lemnis_data::end_task(repo, task, false, &now(context))?;
            Err(failure)
        }
    }
}
