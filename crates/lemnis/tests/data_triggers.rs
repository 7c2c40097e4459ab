//! Data triggers: a commit that brings new data starts one flow run, across restarts and kills.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on ends"
)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Up, clean, run, stderr};

fn git(dir: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    clean(&mut command, dir);
    command.args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]);
    let output = command.args(arguments).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", stderr(&output));
}

fn lemnis(dir: &Path, arguments: &[&str]) {
    let output = run(dir, arguments);
    assert!(output.status.success(), "lemnis {arguments:?}: {}", stderr(&output));
}

/// A project whose rule runs the stage `count` when `raw.csv` changes on `main`.
fn project() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    git(at, &["init", "-q", "-b", "main"]);
    lemnis(at, &["init"]);
    fs::write(
        at.join("lemnis.yaml"),
        "project: prices\ntriggers:\n  - name: new-prices\n    on: {data: raw.csv.dvc, branch: main}\n    \
         run: {repro: [count]}\n",
    )
    .unwrap();
    fs::write(
        at.join("dvc.yaml"),
        "stages:\n  count:\n    cmd: wc -l < raw.csv > count && cat count >> ran\n    deps: [raw.csv]\n    \
         outs: [count]\n",
    )
    .unwrap();
    fs::write(at.join(".gitignore"), "/.lemnis\n/ran\n").unwrap();
    data(at, 1);
    dir
}

/// Commits `raw.csv` with so many rows.
fn data(at: &Path, rows: usize) {
    fs::remove_file(at.join("raw.csv")).ok();
    fs::write(at.join("raw.csv"), "1\n".repeat(rows)).unwrap();
    lemnis(at, &["add", "raw.csv"]);
    git(at, &["add", "-A"]);
    git(at, &["commit", "-qm", &format!("{rows} rows")]);
}

fn get(url: &str, path: &str) -> String {
    let output = Command::new("curl").args(["-sf", &format!("{url}{path}")]).output().unwrap();
    assert!(output.status.success(), "{path} did not answer");
    String::from_utf8(output.stdout).unwrap()
}

fn runs(up: &Up) -> Vec<Value> {
    let list: Value = serde_json::from_str(&get(&up.url, "/api/v1/flow-runs")).unwrap();
    list["flow_runs"].as_array().unwrap().clone()
}

/// The flow runs, once `number` of them have ended.
fn ended(up: &Up, number: usize) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        let found = runs(up);
        if found.iter().filter(|run| !run["ended"].is_null()).count() >= number {
            return found;
        }
        assert!(Instant::now() < deadline, "{found:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until the server has seen the data of the present commit.
fn seen(up: &Up, at: &Path) {
    let head = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(at).output().unwrap();
    let head = String::from_utf8(head.stdout).unwrap();
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        let list: Value = serde_json::from_str(&get(&up.url, "/api/v1/events?subject=branch/main")).unwrap();
        if list["events"][0]["data"]["commit"] == head.trim() {
            return;
        }
        assert!(Instant::now() < deadline, "{list}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn new_data_on_the_branch_starts_one_run_across_restarts_and_kills() {
    let dir = project();
    let at = dir.path();
    let up = Up::start(at);
    seen(&up, at);
    assert!(runs(&up).is_empty(), "the first sight starts nothing");

    data(at, 2);
    let found = ended(&up, 1);
    let trigger = &found[0]["trigger"];
    assert_eq!((&found[0]["status"], &found[0]["flow"]), (&"succeeded".into(), &"repro".into()), "{found:?}");
    assert_eq!((&trigger["rule"], &trigger["path"]), (&"new-prices".into(), &"raw.csv".into()));
    assert_eq!(trigger["commit"].as_str().unwrap().len(), 40);
    assert_ne!(trigger["old_digest"], trigger["new_digest"]);
    assert!(trigger["new_digest"].as_str().unwrap().starts_with("md5:"));
    assert_eq!(fs::read_to_string(at.join("count")).unwrap().trim(), "2");
    assert!(get(&up.url, "/flows").contains("trigger new-prices: raw.csv on main went from"));

    // A commit without new data starts nothing; neither does data on another branch.
    fs::write(at.join("README"), "text\n").unwrap();
    git(at, &["add", "-A"]);
    git(at, &["commit", "-qm", "text"]);
    git(at, &["switch", "-qc", "aside"]);
    data(at, 3);
    drop(up);

    // Killed, and the data came to main while nothing ran.
    git(at, &["switch", "-q", "main"]);
    git(at, &["merge", "-q", "--ff-only", "aside"]);
    let up = Up::start(at);
    let found = ended(&up, 2);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(fs::read_to_string(at.join("count")).unwrap().trim(), "3");
    drop(up);
    let up = Up::start(at);
    // The next data are seen by a server that also saw the last ones.
    data(at, 4);
    let found = ended(&up, 3);
    assert_eq!(found.len(), 3, "{found:?}");

    // The same digest again is the same run.
    data(at, 2);
    seen(&up, at);
    assert_eq!(runs(&up).len(), 3);
    let lines = fs::read_to_string(at.join("ran")).unwrap();
    let lines: Vec<&str> = lines.lines().map(str::trim).collect();
    assert_eq!(lines, ["2", "3", "4"], "each ran once");
}

#[test]
fn a_server_that_is_killed_at_many_moments_loses_and_doubles_nothing() {
    let dir = project();
    let at = dir.path();
    let up = Up::start(at);
    seen(&up, at);
    drop(up);
    for round in 0..6u64 {
        data(at, 10 + round as usize);
        for kill in 0..2u64 {
            let up = Up::start(at);
            std::thread::sleep(Duration::from_millis(40 + round * 60 + kill * 200));
            drop(up);
        }
        let up = Up::start(at);
        let deadline = Instant::now() + Duration::from_secs(90);
        while runs(&up).len() < 1 + round as usize {
            assert!(Instant::now() < deadline, "round {round}: {:?}", runs(&up));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let up = Up::start(at);
    let found = ended(&up, 6);
    assert_eq!(found.len(), 6, "{found:?}");
    let mut digests: Vec<&str> =
        found.iter().map(|run| run["trigger"]["new_digest"].as_str().unwrap()).collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 6, "one run for each digest");
}

#[test]
fn a_bad_rule_is_refused_before_the_server_starts() {
    let dir = project();
    let text = fs::read_to_string(dir.path().join("lemnis.yaml")).unwrap();
    fs::write(dir.path().join("lemnis.yaml"), text.replace("{repro: [count]}", "{retrain: churn}")).unwrap();
    let output = run(dir.path(), &["up", "--port", "0"]);
    assert!(!output.status.success());
    let error = stderr(&output);
    assert!(error.contains("line 3") && error.contains("not among the endpoints"), "{error}");
}

#[test]
fn a_trigger_is_run_by_hand_and_checks_its_commit() {
    let dir = project();
    lemnis(dir.path(), &["trigger", "new-prices"]);
    assert!(dir.path().join("count").is_file());
    let output = run(dir.path(), &["trigger", "new-prices", "--commit", &"0".repeat(40)]);
    assert!(stderr(&output).contains("is not part of what is checked out"), "{}", stderr(&output));
    assert!(stderr(&run(dir.path(), &["trigger", "other"])).contains("no trigger"));
}
