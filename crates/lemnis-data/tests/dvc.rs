//! The real DVC as the judge: the same steps give the same bytes, and each finds the other's work clean.
//!
//! `LEMNIS_TEST_PYTHON` names a Python whose directory also holds `dvc`; without it the judge is missing
//! and these tests say so and pass.

#![allow(clippy::expect_used, clippy::panic)] // a failing helper is a failing test

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::{Project, fill};
use lemnis_data::Outcome;

struct Dvc {
    bin: PathBuf,
    home: tempfile::TempDir,
}

impl Dvc {
    #[allow(clippy::disallowed_methods)] // the judge is a matter of the machine that runs the tests
    fn find() -> Option<Self> {
        let python = std::env::var("LEMNIS_TEST_PYTHON").ok().map(PathBuf::from);
        let bin = python.as_deref().and_then(|python| python.parent()).map(|dir| dir.join("dvc"));
        match bin.filter(|bin| bin.is_file()) {
            Some(bin) => Some(Self { bin, home: tempfile::tempdir().expect("temp dir") }),
            None => {
                eprintln!("skipped: LEMNIS_TEST_PYTHON does not name a python beside a dvc");
                None
            }
        }
    }

    fn run(&self, project: &Project, args: &[&str]) -> String {
        let output = Command::new(&self.bin)
            .args(args)
            .current_dir(project.path())
            .env("HOME", self.home.path())
            .env("DVC_NO_ANALYTICS", "1")
            .env("DVC_SITE_CACHE_DIR", self.home.path().join("site"))
            .output()
            .expect("dvc runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "dvc {args:?}: {text}{errors}");
        text
    }
}

const DATA: [&str; 3] = ["data/raw/t.csv", "data/imgs", "tool"];

fn ours() -> Project {
    let project = Project::new();
    fill(&project);
    project.add(&DATA).expect("adds");
    project.reproduce().expect("reproduces");
    project
}

fn theirs(dvc: &Dvc) -> Project {
    let project = Project::bare();
    dvc.run(&project, &["init", "-q"]);
    fill(&project);
    dvc.run(&project, &["add", "-q", DATA[0], DATA[1], DATA[2]]);
    dvc.run(&project, &["repro", "-q"]);
    project
}

fn assert_same(ours: &Project, theirs: &Project) {
    let (ours, theirs) = (ours.files(), theirs.files());
    let names = |files: &[(String, u32, Vec<u8>)]| -> Vec<String> {
        files.iter().map(|(name, mode, _)| format!("{name} {mode:o}")).collect()
    };
    assert_eq!(names(&ours), names(&theirs));
    for (a, b) in ours.iter().zip(&theirs) {
        assert_eq!(String::from_utf8_lossy(&a.2), String::from_utf8_lossy(&b.2), "{}", a.0);
    }
}

fn assert_skips(project: &Project) {
    assert_eq!(project.status(), "{}");
    let outcomes = project.reproduce().expect("reproduces");
    assert!(outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Skipped), "{outcomes:?}");
}

#[test]
fn the_same_steps_give_the_same_bytes() {
    let Some(dvc) = Dvc::find() else { return };
    let (ours, theirs) = (ours(), theirs(&dvc));
    assert_same(&ours, &theirs);

    for project in [&ours, &theirs] {
        project.write("params.yaml", &project.read("params.yaml").replace("0.1", "0.25"));
        project.write("data/imgs/new file", "3\n");
        project.write(
            "data/raw/t.csv.dvc",
            &format!("# note\n{}  desc: rows\n", project.read("data/raw/t.csv.dvc")),
        );
        project.write("data/raw/t.csv", "a,b\n3,4\n");
    }
    ours.reproduce().expect("reproduces");
    dvc.run(&theirs, &["repro", "-q"]);
    assert_same(&ours, &theirs);

    for project in [&ours, &theirs] {
        project.write("params.yaml", &project.read("params.yaml").replace("0.25", "0.1"));
        project.remove("prep.csv");
        project.remove("metrics.json");
    }
    let outcomes = ours.reproduce().expect("reproduces");
    dvc.run(&theirs, &["repro", "-q"]);
    assert!(outcomes.iter().any(|(_, outcome)| *outcome == Outcome::Restored), "{outcomes:?}");
    assert_same(&ours, &theirs);
}

#[test]
fn dvc_finds_our_repository_clean() {
    let Some(dvc) = Dvc::find() else { return };
    let project = ours();
    let before = project.files();
    assert_eq!(dvc.run(&project, &["status", "--json"]).trim(), "{}");
    let text = dvc.run(&project, &["repro"]);
    assert!(!text.contains("Running"), "{text}");
    assert!(!dvc.run(&project, &["data", "status", "--json"]).contains("uncommitted"));
    assert_eq!(project.files(), before);
}

#[test]
fn we_find_dvcs_repository_clean() {
    let Some(dvc) = Dvc::find() else { return };
    let project = theirs(&dvc);
    let before = project.files();
    assert_skips(&project);
    assert_eq!(project.files(), before);
}

#[test]
fn status_says_what_dvc_says() {
    let Some(dvc) = Dvc::find() else { return };
    let project = ours();
    let compare = |what: &str| {
        let theirs: serde_json::Value =
            serde_json::from_str(&dvc.run(&project, &["status", "--json"])).expect("dvc prints JSON");
        let ours: serde_json::Value = serde_json::from_str(&project.status()).expect("JSON");
        assert_eq!(ours, theirs, "{what}");
        assert_ne!(ours, serde_json::json!({}), "{what}");
    };
    project.write("params.yaml", &project.read("params.yaml").replace("lr: 0.1", "lr: 0.2"));
    compare("a changed parameter");
    project.remove("prep.csv");
    compare("a deleted output");
    project.write("data/raw/t.csv", "x\n");
    compare("a changed input");
    project.write("dvc.yaml", &project.read("dvc.yaml").replace("echo second", "echo third"));
    compare("a changed command");
    project.write(
        "dvc.yaml",
        &format!(
            "{}  late:\n    cmd: touch l\n    params: [seed]\n    outs: [l]\n",
            project.read("dvc.yaml")
        ),
    );
    compare("a stage that never ran");
    project.remove(".dvc/cache");
    compare("an empty cache");
}

#[test]
fn links_of_every_type_are_clean_for_both() {
    let Some(dvc) = Dvc::find() else { return };
    for kind in ["copy", "hardlink", "symlink", "reflink,copy"] {
        let project = Project::new();
        project.write(".dvc/config", &format!("[cache]\n    type = \"{kind}\"\n"));
        fill(&project);
        project.add(&DATA).expect("adds");
        project.reproduce().expect("reproduces");
        assert_skips(&project);
        assert_eq!(dvc.run(&project, &["status", "--json"]).trim(), "{}", "{kind}");
        project.write("params.yaml", &project.read("params.yaml").replace("0.1", "0.25"));
        project.reproduce().expect("reproduces after a change");
        assert_skips(&project);
        assert_eq!(dvc.run(&project, &["status", "--json"]).trim(), "{}", "{kind}");
        let twin = Project::bare();
        dvc.run(&twin, &["init", "-q"]);
        twin.write(".dvc/config", &format!("[cache]\n    type = \"{kind}\"\n"));
        fill(&twin);
        dvc.run(&twin, &["add", "-q", DATA[0], DATA[1], DATA[2]]);
        dvc.run(&twin, &["repro", "-q"]);
        assert_skips(&twin);
    }
}

#[test]
fn each_lists_what_the_other_queued() {
    let Some(dvc) = Dvc::find() else { return };
    let project = ours();
    let git = |args: &[&str]| {
        let done = Command::new("git").args(args).current_dir(project.path()).status().expect("git runs");
        assert!(done.success(), "{args:?}");
    };
    git(&["config", "user.name", "t"]);
    git(&["config", "user.email", "t@example.com"]);
    git(&["add", "-A"]);
    git(&["commit", "-qm", "one"]);
    let overrides = lemnis_data::Overrides { params: vec!["seed=8".to_owned()], no_hydra: false };
    let request = lemnis_data::Enqueue { name: Some("ours".into()), overrides, ..Default::default() };
    lemnis_data::enqueue(&project.repo(), &request, 0).expect("queues");
    dvc.run(&project, &["exp", "run", "--queue", "-n", "theirs", "-S", "seed=9"]);
    let listed = dvc.run(&project, &["queue", "status"]);
    assert!(listed.contains("ours") && listed.contains("theirs"), "{listed}");
    let shown = dvc.run(&project, &["exp", "show", "--json"]);
    assert!(shown.contains("\"seed\": 8"), "{shown}");
    let tasks = lemnis_data::queue_tasks(&project.repo()).expect("lists");
    let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
    assert_eq!(names, ["ours", "theirs"]);
    let task = lemnis_data::take_task(&project.repo(), &tasks[1].rev).expect("takes").expect("is free");
    lemnis_data::reproduce(&task.run.repo, &task.run.request, &mut common::Seen::default()).expect("runs");
    let done = lemnis_data::end_task(&project.repo(), task, true, "2026-01-31T12:00:00.000Z").expect("ends");
    assert_eq!(done.as_deref(), Some("theirs"));
    dvc.run(&project, &["queue", "remove", "ours"]);
    assert!(dvc.run(&project, &["queue", "status"]).contains("Success"));
    assert!(dvc.run(&project, &["exp", "list", "--name-only"]).contains("theirs"));
}
