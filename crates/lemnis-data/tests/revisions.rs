//! The repository at other revisions: what changed, which values, and experiments beside the branches.

#![allow(clippy::expect_used, clippy::panic)] // a failing test may panic

mod common;

use std::process::Command;

use common::Project;
use lemnis_data::{CompareOptions, DataStatusOptions, ListOptions, Overrides, SaveExperiment};

fn git(project: &Project, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
        .args(args)
        .current_dir(project.path())
        .output()
        .expect("git runs");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn committed() -> Project {
    let project = Project::new();
    git(&project, &["config", "user.name", "t"]);
    git(&project, &["config", "user.email", "t@example.com"]);
    project.write("f", "1").write("d/a", "1").write("d/b", "2").write("params.yaml", "lr: 1\n");
    project.add(&["f", "d"]).expect("adds");
    git(&project, &["add", "-A"]);
    git(&project, &["commit", "-qm", "one"]);
    project
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("serialises")
}

#[test]
fn a_diff_names_files_of_directories_and_renamings() {
    let project = committed();
    std::fs::rename(project.path().join("d/b"), project.path().join("d/c")).expect("renames");
    project.write("f", "new");
    let diff = lemnis_data::diff(&project.repo(), "HEAD", None, &[], &common::Directories).expect("compares");
    assert_eq!(
        json(&diff.without_hashes()),
        r#"{"added":[],"deleted":[],"modified":[{"path":"d/"},{"path":"f"}],"renamed":[{"path":{"old":"d/b","new":"d/c"}}],"not in cache":[]}"#
    );
    let none = lemnis_data::diff(&project.repo(), "HEAD", Some("HEAD"), &[], &common::Directories)
        .expect("compares");
    assert!(none.is_empty());
    assert!(lemnis_data::diff(&project.repo(), "nosuch", None, &[], &common::Directories).is_err());
    assert!(
        lemnis_data::diff(&project.repo(), "HEAD", None, &["nosuch".to_owned()], &common::Directories)
            .is_err()
    );
}

#[test]
fn data_status_tells_recorded_changes_from_those_of_the_workspace() {
    let project = committed();
    project.write("f", "2");
    project.add(&["f"]).expect("adds");
    project.write("d/a", "x");
    let options = DataStatusOptions { granular: true, ..DataStatusOptions::default() };
    let status = lemnis_data::data_status(&project.repo(), &options, &common::Directories).expect("looks");
    assert_eq!(json(&status.committed), r#"{"modified":["f"]}"#);
    assert_eq!(json(&status.uncommitted), r#"{"modified":["d/","d/a"]}"#);
    assert_eq!(status.unchanged, ["d/b"]);
}

#[test]
fn a_listing_of_a_revision_shows_tracked_data_of_that_time() {
    let project = committed();
    project.remove("f.dvc");
    project.remove("f");
    let source = lemnis_data::open_source(
        project.path(),
        ".",
        Some("HEAD"),
        project.path(),
        &lemnis_data::Environment::default(),
    )
    .expect("opens");
    let options = ListOptions { recursive: true, dvc_only: true, ..ListOptions::default() };
    let listed = lemnis_data::list(&source, &options, false, &common::Directories).expect("lists");
    assert_eq!(listed.iter().map(|one| one.path.as_str()).collect::<Vec<_>>(), ["d/a", "d/b", "f"]);
}

#[test]
fn a_directory_that_the_cache_lacks_is_listed_from_the_remote() {
    let project = committed();
    let remote = tempfile::tempdir().expect("temp dir");
    let url = remote.path().display();
    project.write(".dvc/config", &format!("[core]\n    remote = r\n['remote \"r\"']\n    url = {url}\n"));
    let request = lemnis_data::Transfer::default();
    lemnis_data::push(&project.repo(), &request, &common::Directories, &common::Directories).expect("pushes");
    project.remove(".dvc/cache");
    project.remove("d");
    let list = |project: &Project, recursive: bool| {
        let environment = lemnis_data::Environment::default();
        let source = lemnis_data::open_source(project.path(), ".", None, project.path(), &environment);
        let options = ListOptions { recursive, dvc_only: true, ..ListOptions::default() };
        lemnis_data::list(&source.expect("opens"), &options, false, &common::Directories)
    };
    let listed = list(&project, true).expect("lists");
    let shown: Vec<_> = listed.iter().map(|one| (one.path.as_str(), one.size, one.isout)).collect();
    assert_eq!(shown, [("d/a", None, true), ("d/b", None, true), ("f", Some(1), true)]);
    assert!(listed.iter().all(|one| one.md5.is_some()));
    assert!(!project.has(".dvc/cache/files"), "a look brings nothing into the cache");
    let options = DataStatusOptions { granular: true, ..DataStatusOptions::default() };
    let status = lemnis_data::data_status(&project.repo(), &options, &common::Directories).expect("looks");
    assert_eq!(status.not_in_cache, ["d/", "d/a", "d/b", "f"]);
    assert_eq!(json(&status.uncommitted), r#"{"deleted":["d/","d/a","d/b"]}"#);
    std::fs::remove_dir_all(remote.path()).expect("removes");
    assert!(list(&project, true).is_err());
    assert_eq!(list(&project, false).expect("lists").len(), 2);
}

#[test]
fn a_repository_inside_is_listed_only_when_it_is_asked_for() {
    let project = committed();
    project.write("inner/.dvc/config", "").write("inner/plain", "p");
    project.write("inner/m.dvc", "outs:\n- md5: 60b725f10c9c85c70d97880dfe8191b3\n  size: 2\n  path: m\n");
    git(&project, &["add", "-A"]);
    git(&project, &["commit", "-qm", "inner"]);
    for rev in [None, Some("HEAD")] {
        let environment = lemnis_data::Environment::default();
        let source = lemnis_data::open_source(project.path(), ".", rev, project.path(), &environment);
        let source = source.expect("opens");
        let names = |path: Option<&str>| -> Vec<String> {
            let options = ListOptions { path: path.map(str::to_owned), ..ListOptions::default() };
            let listed = lemnis_data::list(&source, &options, false, &common::Directories).expect("lists");
            listed.into_iter().map(|one| format!("{} {}", one.path, one.isout)).collect()
        };
        assert!(!names(None).iter().any(|name| name.starts_with("inner")), "{rev:?}");
        assert_eq!(names(Some("inner")), ["m true", "m.dvc false", "plain false"], "{rev:?}");
    }
}

#[test]
fn an_experiment_leaves_branch_and_index_alone_and_can_be_applied() {
    let project = committed();
    let repo = project.repo();
    let overrides = Overrides { params: vec!["lr=5".to_owned()], no_hydra: false };
    lemnis_data::override_params(&repo, &overrides).expect("sets");
    assert_eq!(project.read("params.yaml"), "lr: 5\n");
    let head = git(&project, &["rev-parse", "HEAD"]);
    let name = lemnis_data::experiment_name(&repo, Some("e1"), false, 0).expect("is free");
    let saved = lemnis_data::save_experiment(&repo, &name, &SaveExperiment::default()).expect("saves");
    assert_eq!(git(&project, &["rev-parse", "HEAD"]), head);
    assert_eq!(git(&project, &["diff", "--cached", "--name-only"]), "");
    assert_eq!(git(&project, &["rev-parse", &format!("{}^", saved.commit)]), head);
    assert!(lemnis_data::experiment_name(&repo, Some("e1"), false, 0).is_err());

    let options = CompareOptions { old: "HEAD".into(), new: "e1".into(), ..CompareOptions::default() };
    let diff = lemnis_data::params_diff(&repo, &options).expect("compares");
    assert_eq!(diff.json(), r#"{"params.yaml": {"lr": {"old": 1, "new": 5, "diff": 4}}}"#);

    project.write("params.yaml", "lr: 7\n");
    lemnis_data::apply_experiment(&repo, "e1").expect("applies");
    assert_eq!(project.read("params.yaml"), "lr: 5\n");
    assert_eq!(git(&project, &["show", "refs/exps/apply/stash:params.yaml"]), "lr: 7\n");
    lemnis_data::rename_experiment(&repo, "e1", "e2", false, None).expect("renames");
    let removed = lemnis_data::remove_experiments(
        &repo,
        &lemnis_data::RemoveExperiments { names: vec!["e2".into()], ..Default::default() },
    )
    .expect("removes");
    assert_eq!(removed.len(), 1);
    assert_eq!(lemnis_data::experiments(&repo).expect("lists"), []);
}

#[test]
fn an_experiment_does_not_overwrite_what_git_does_not_know() {
    let project = committed();
    let repo = project.repo();
    project.write("note", "kept with the experiment");
    let options = SaveExperiment { include: vec!["note".into()], ..SaveExperiment::default() };
    lemnis_data::save_experiment(&repo, "e1", &options).expect("saves");
    project.write("note", "only here");
    assert!(lemnis_data::apply_experiment(&repo, "e1").is_err());
    assert_eq!(project.read("note"), "only here");
}

#[test]
fn declarations_may_be_templates() {
    let project = committed();
    project.write("params.yaml", "name: m\naxis: step\n").write("m.json", "{\"acc\": 1}").write(
        "dvc.yaml",
        "metrics:\n- ${name}.json\nstages:\n  draw:\n    foreach: [a, b]\n    do:\n      cmd: \"true\"\n      plots:\n      - ${item}.csv:\n          x: ${axis}\n          cache: false\n",
    );
    project.write("a.csv", "step,loss\n1,2\n").write("b.csv", "step,loss\n1,3\n");
    let repo = project.repo();
    let metrics =
        lemnis_data::metrics_show(&repo, &[], lemnis_data::RevisionScope::default()).expect("shows");
    assert!(metrics.json().contains("\"m.json\": {\"data\": {\"acc\": 1}}"), "{}", metrics.json());
    let options = lemnis_data::PlotOptions::default();
    let plots = lemnis_data::plots(&repo, &["workspace".to_owned()], &options).expect("collects");
    let shown = plots.json(&project.path().join("out"), false).expect("shows");
    assert!(shown.contains("b.csv") && shown.contains("\"field\": \"step\""), "{shown}");
}

fn csv(repo: &lemnis_data::Repo, what: &lemnis_data::ShowExperiments) -> Vec<Vec<String>> {
    let options = lemnis_data::TableOptions {
        style: lemnis_data::Style::Csv { precision: None },
        sort_by: Some("lr".into()),
        descending: true,
        only_changed: false,
        drop: vec!["Created".into(), "parent".into(), "d$".into()],
        keep: vec!["typ".into()],
    };
    let table =
        lemnis_data::show_experiments(repo, what).expect("shows").table(&options).expect("is ordered");
    std::iter::once(table.headings).chain(table.rows).collect()
}

#[test]
fn experiments_are_rows_in_the_order_that_is_asked_for() {
    let project = committed();
    let repo = project.repo();
    for (name, lr) in [("low", "2"), ("high", "9")] {
        project.write("params.yaml", &format!("lr: {lr}\n"));
        lemnis_data::save_experiment(&repo, name, &SaveExperiment::default()).expect("saves");
    }
    let what = lemnis_data::ShowExperiments { sha_only: true, ..Default::default() };
    let rows = csv(&repo, &what);
    assert_eq!(rows[0][..3], ["Experiment", "rev", "typ"]);
    let names: Vec<(&str, &str)> = rows[1..].iter().map(|row| (row[0].as_str(), row[2].as_str())).collect();
    let tree = [("", "baseline"), ("", "baseline"), ("high", "branch_commit"), ("low", "branch_base")];
    assert_eq!(names, tree);
    assert_eq!(rows[1][1], "workspace");

    project.write("dvc.yaml", "stages: [a\n");
    let shown = lemnis_data::show_experiments(&repo, &what).expect("shows the rest").json();
    assert!(shown.contains(r#""data": null"#) && shown.contains(r#""type": "YAMLSyntaxError""#), "{shown}");
    assert_eq!(csv(&repo, &what).len(), 5);
}

#[test]
fn what_is_kept_stays_and_an_unknown_name_removes_nothing() {
    let project = committed();
    let repo = project.repo();
    for name in ["e1", "e2"] {
        lemnis_data::save_experiment(&repo, name, &SaveExperiment::default()).expect("saves");
    }
    let of = |names: &[&str], keep| lemnis_data::RemoveExperiments {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        keep,
        ..Default::default()
    };
    lemnis_data::remove_experiments(&repo, &of(&["e1", "none"], false)).expect_err("one is not known");
    assert_eq!(lemnis_data::remove_experiments(&repo, &of(&["e1"], true)).expect("removes"), ["e2"]);
    assert_eq!(lemnis_data::experiments(&repo).expect("lists").len(), 1);
}
