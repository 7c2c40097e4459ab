//! Metrics, parameters and graphs of outputs, where DVC has rules of its own.

#![allow(clippy::expect_used, clippy::panic)] // a failing test may panic

mod common;

use std::process::Command;

use common::Project;
use lemnis_data::{CompareOptions, DagOptions, Environment, InitOptions, Repo, RevisionScope};

fn committed() -> Project {
    let project = Project::new();
    project
        .write("params.yaml", "lr: 1\n")
        .write("m.json", "{\"acc\": 1}")
        .write("dvc.yaml", "metrics:\n- m.json\n");
    let git = |args: &[&str]| {
        let own = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
        let status = Command::new("git").args(own).args(args).current_dir(project.path()).status();
        assert!(status.expect("git runs").success(), "{args:?}");
    };
    git(&["add", "-A"]);
    git(&["commit", "-qm", "one"]);
    git(&["tag", "v1"]);
    git(&["branch", "br"]);
    project
}

fn all(old: &str, new: &str) -> CompareOptions {
    CompareOptions { old: old.into(), new: new.into(), all: true, ..CompareOptions::default() }
}

#[test]
fn two_names_of_one_commit_have_nothing_to_compare() {
    let project = committed();
    let repo = project.repo();
    let json = |old, new| lemnis_data::params_diff(&repo, &all(old, new)).expect("compares").json();
    assert_eq!(json("v1", "br"), "{}");
    let same = r#"{"params.yaml": {"lr": {"old": 1, "new": 1, "diff": 0}}}"#;
    assert_eq!((json("v1", "v1").as_str(), json("v1", "workspace").as_str()), (same, same));
    assert!(lemnis_data::metrics_diff(&repo, &all("workspace", "workspace")).is_err());
}

#[test]
fn without_git_there_is_only_the_workspace() {
    let dir = tempfile::tempdir().expect("temp dir");
    let options = InitOptions { no_scm: true, ..InitOptions::default() };
    let repo = Repo::init(dir.path(), options, &Environment::default()).expect("initialises");
    std::fs::write(dir.path().join("m.json"), "{\"acc\": 1.5}").expect("writes");
    std::fs::write(dir.path().join("dvc.yaml"), "metrics:\n- m.json\n").expect("writes");
    let scope = RevisionScope { branches: true, ..RevisionScope::default() };
    let shown = lemnis_data::metrics_show(&repo, &[], scope).expect("shows");
    assert_eq!(shown.json(), r#"{"workspace": {"data": {"m.json": {"data": {"acc": 1.5}}}}}"#);
    assert!(lemnis_data::metrics_diff(&repo, &all("HEAD", "workspace")).is_err());
}

#[test]
fn a_directory_of_metrics_holds_no_definitions() {
    let project = committed();
    project.write("sub/x.json", "{\"b\": 223456789012345678901234567890, \"i\": -1e400}");
    project.write("sub/dvc.yaml", "stages:\n  s:\n    cmd: echo\n").write("sub/q/y.dvc", "outs: []\n");
    let scope = RevisionScope::default();
    let shown = lemnis_data::metrics_show(&project.repo(), &["sub".to_owned()], scope).expect("shows");
    let expected =
        r#"{"": {"data": {"sub/x.json": {"data": {"b": 223456789012345678901234567890, "i": -Infinity}}}}}"#;
    assert_eq!(shown.json(), expected);
}

#[test]
fn a_graph_of_outputs_follows_outputs_not_stages() {
    let project = Project::new();
    project.write(
        "dvc.yaml",
        "stages:\n  s: {cmd: echo, outs: [p, q]}\n  t: {cmd: echo, deps: [p], outs: [r]}\n  u: {cmd: echo, deps: [q, r]}\n  v: {cmd: echo, deps: [q], outs: [w]}\n",
    );
    let repo = project.repo();
    let dot = |target, full| {
        let options = DagOptions { outs: true, full, ..DagOptions::default() };
        lemnis_data::dag(&repo, Some(target), options).expect("draws").dot()
    };
    assert_eq!(dot("t", false), "strict digraph {\n\"p\";\n\"r\";\n\"p\" -> \"r\";\n}\n");
    assert_eq!(dot("p", false), "strict digraph {\n\"p\";\n}\n");
    assert_eq!(dot("q", true), "strict digraph {\n\"q\";\n\"w\";\n\"q\" -> \"w\";\n}\n");
    let whole = "strict digraph {\n\"p\";\n\"q\";\n\"r\";\n\"w\";\n\"p\" -> \"r\";\n\"q\" -> \"w\";\n}\n";
    assert_eq!(dot("u", false), whole, "a stage without outputs leaves nothing out");
}
