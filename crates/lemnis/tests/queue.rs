//! Workers of the queue are processes: one that is killed loses no experiment.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on ends"
)]

mod support;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use support::{clean, json, lemnis, run};

const PIPELINE: &str = "stages:
  s:
    cmd: test -e ${gate} || sleep ${seconds}; echo ${lr} > o
    params: [lr]
    outs: [o]
";

fn git(dir: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    clean(&mut command, dir);
    let done = command.args(arguments).current_dir(dir).output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A repository whose stage sleeps until the file `gate` is there.
fn project(dir: &Path) {
    git(dir, &["init", "-q"]);
    git(dir, &["config", "user.name", "t"]);
    git(dir, &["config", "user.email", "t@example.com"]);
    assert!(run(dir, &["init", "-q"]).status.success());
    let gate = dir.join(".dvc/tmp/gate");
    let params = format!("lr: 1\nseconds: 60\ngate: {}\n", gate.display());
    std::fs::write(dir.join("params.yaml"), params).unwrap();
    std::fs::write(dir.join("dvc.yaml"), PIPELINE).unwrap();
    git(dir, &["add", "-A"]);
    git(dir, &["commit", "-qm", "one"]);
}

fn state(dir: &Path, name: &str) -> String {
    let status = json(dir, &["queue", "status"]);
    let tasks = status["tasks"].as_array().unwrap();
    let task = tasks.iter().find(|task| task["name"] == name);
    task.map_or_else(String::new, |task| task["state"].as_str().unwrap().to_owned())
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn pid_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

/// Pids of the processes whose command line holds `words`.
fn processes(words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if words.iter().all(|word| line.contains(word)) {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found
}

fn kill(pid: &str) {
    Command::new("kill").args(["-9", pid]).status().unwrap();
}

#[test]
fn a_task_of_killed_processes_is_run_by_the_next_worker() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    project(dir);
    json(dir, &["exp", "run", "--queue", "-n", "e1", "-S", "lr=7"]);
    assert!(run(dir, &["queue", "start"]).status.success());
    let worker = dir.join(".dvc/tmp/exps/lemnis/worker-1.lock");
    until("the stage runs", || !processes(&["sleep 60", &dir.to_string_lossy()]).is_empty());
    assert_eq!(state(dir, "e1"), "Running");
    let status = json(dir, &["queue", "status"]);
    assert_eq!(status["workers"]["active"], 1);
    let rev = status["tasks"][0]["rev"].as_str().unwrap().to_owned();
    kill(&pid_of(&worker));
    for pid in processes(&["run-task", &rev]) {
        kill(&pid);
    }
    until("the task waits again", || state(dir, "e1") == "Queued");

    std::fs::write(dir.join(".dvc/tmp/gate"), "").unwrap();
    assert!(run(dir, &["queue", "start"]).status.success());
    until("the task is done", || state(dir, "e1") == "Success");
    assert!(processes(&["sleep 60", &dir.to_string_lossy()]).is_empty(), "the orphan is ended");
    assert_eq!(json(dir, &["exp", "list"])[0]["name"], "e1");
    let log = run(dir, &["queue", "logs", "e1"]);
    assert!(String::from_utf8_lossy(&log.stdout).contains("Running stage 's'"));
}

#[test]
fn a_killed_task_fails_and_the_worker_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    project(dir);
    json(dir, &["exp", "run", "--queue", "-n", "e", "-S", "lr=1,2"]);
    assert!(run(dir, &["queue", "start"]).status.success());
    until("the stage runs", || !processes(&["sleep 60", &dir.to_string_lossy()]).is_empty());
    assert!(run(dir, &["queue", "kill", "e-2"]).status.code() == Some(255), "what waits is not killed");
    std::fs::write(dir.join(".dvc/tmp/gate"), "").unwrap();
    assert!(run(dir, &["queue", "kill", "e-1"]).status.success());
    until("the other is done", || state(dir, "e-2") == "Success");
    assert_eq!(state(dir, "e-1"), "Failed");
}

#[test]
fn all_that_waits_runs_side_by_side_and_a_failure_is_the_exit_code() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    project(dir);
    std::fs::write(dir.join(".dvc/tmp/gate"), "").unwrap();
    let sweep = lemnis(dir).args(["exp", "run", "-S", "lr=range(3)"]).output().unwrap();
    assert!(!sweep.status.success(), "several values need the queue");
    json(dir, &["exp", "run", "--queue", "-n", "s", "-S", "lr=range(3)"]);
    let done = json(dir, &["exp", "run", "--run-all", "-j", "2"]);
    assert_eq!(done["success"].as_array().unwrap().len(), 3, "{done}");
    json(
        dir,
        &["exp", "run", "--queue", "-n", "bad", "-S", "seconds=1;exit 3", "-S", "gate=none", "-S", "lr=9"],
    );
    assert_eq!(run(dir, &["exp", "run", "--run-all"]).status.code(), Some(255));
    assert_eq!(state(dir, "bad"), "Failed");
}
