//! Experiments that wait, run in workspaces apart, and travel between Git repositories.

#![allow(clippy::expect_used, clippy::panic)] // a failing test may panic

mod common;

use std::path::Path;
use std::process::Command;

use common::{Directories, Project, Seen};
use lemnis_data::{
    ArtifactName, AskRemote, Baselines, DataStatusOptions, Enqueue, Environment, Get, Overrides,
    RemoveExperiments, Repo, Selection, ShareExperiments, ShowExperiments, TaskState, Transfer,
};

const NOW: &str = "2026-01-31T12:00:00.000Z";
const PIPELINE: &str = "stages:
  s:
    cmd: grep lr params.yaml > o; cat extra >> o 2>/dev/null || true; echo \"{\\\"acc\\\":1}\" > m.json
    deps: [a]
    params: [lr]
    outs: [o]
    metrics:
    - m.json:
        cache: false
";

fn git_in(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
        .args(args)
        .current_dir(dir)
        .output()
        .expect("git runs");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn git(project: &Project, args: &[&str]) -> String {
    git_in(project.path(), args)
}

fn committed() -> Project {
    let project = Project::new();
    git(&project, &["config", "user.name", "t"]);
    git(&project, &["config", "user.email", "t@example.com"]);
    project.write("a", "1").write("params.yaml", "lr: 1 # rate\n").write("dvc.yaml", PIPELINE);
    project.reproduce().expect("reproduces");
    git(&project, &["add", "-A"]);
    git(&project, &["commit", "-qm", "one"]);
    project
}

fn queue(project: &Project, name: &str, overrides: &[&str]) -> String {
    let params = overrides.iter().map(|one| (*one).to_owned()).collect();
    let overrides = Overrides { params, no_hydra: false };
    let request = Enqueue { name: Some(name.into()), overrides, ..Enqueue::default() };
    lemnis_data::enqueue(&project.repo(), &request, 0).expect("queues")
}

fn states(repo: &Repo) -> Vec<(String, TaskState)> {
    let tasks = lemnis_data::queue_tasks(repo).expect("lists");
    tasks.into_iter().map(|task| (task.name, task.state)).collect()
}

fn run_next(repo: &Repo) -> Option<String> {
    let commit = lemnis_data::waiting_tasks(repo).expect("lists").into_iter().next()?;
    let task = lemnis_data::take_task(repo, &commit).expect("takes")?;
    assert!(lemnis_data::take_task(repo, &commit).expect("asks").is_none(), "a task is taken once");
    lemnis_data::reproduce(&task.run.repo, &task.run.request, &mut Seen::default()).expect("runs");
    lemnis_data::end_task(repo, task, true, NOW).expect("ends")
}

#[test]
fn a_queued_experiment_leaves_the_workspace_alone_until_it_is_applied() {
    let project = committed();
    let repo = project.repo();
    let before = project.files();
    queue(&project, "q1", &["lr=7"]);
    assert_eq!(project.files(), before);
    assert_eq!(git(&project, &["status", "--porcelain"]), "");
    assert_eq!(states(&repo), [("q1".to_owned(), TaskState::Queued)]);
    let shown = lemnis_data::show_experiments(&repo, &ShowExperiments::default()).expect("shows").json();
    assert!(shown.contains("\"state\": \"queued\""), "{shown}");

    assert_eq!(run_next(&repo).as_deref(), Some("q1"));
    let mut after = project.files();
    after.retain(|file| before.contains(file) || !file.0.starts_with(".dvc/cache/"));
    assert_eq!(after, before, "only the cache grows");
    assert_eq!(states(&repo), [("q1".to_owned(), TaskState::Success)]);
    assert_eq!(git(&project, &["worktree", "list"]).lines().count(), 1);
    assert_eq!(git(&project, &["for-each-ref", "refs/exps/celery"]), "");
    lemnis_data::apply_experiment(&repo, "q1").expect("applies");
    assert_eq!(project.read("params.yaml"), "lr: 7 # rate\n");
}

#[test]
fn a_task_whose_process_is_gone_is_queued_again() {
    let project = committed();
    let repo = project.repo();
    queue(&project, "q1", &["lr=7"]);
    let commit = lemnis_data::waiting_tasks(&repo).expect("lists").remove(0);
    let task = lemnis_data::take_task(&repo, &commit).expect("takes").expect("is free");
    assert_eq!(states(&repo), [("q1".to_owned(), TaskState::Running)]);
    assert!(lemnis_data::remove_tasks(&repo, &["q1".into()], &[]).is_err(), "what runs is not removed");
    // What a killed process leaves behind: the claim is free, the workspace is there, no result.
    drop(task);
    assert_eq!(states(&repo), [("q1".to_owned(), TaskState::Queued)]);
    assert_eq!(lemnis_data::give_back_lost(&repo).expect("gives back"), ["q1"]);
    assert_eq!(git(&project, &["worktree", "list"]).lines().count(), 1);
    assert_eq!(run_next(&repo).as_deref(), Some("q1"));
    assert_eq!(states(&repo), [("q1".to_owned(), TaskState::Success)]);
}

#[test]
fn a_failed_task_is_told_and_can_be_removed() {
    let project = committed();
    let repo = project.repo();
    project
        .write("dvc.yaml", &PIPELINE.replace("grep lr", "false && grep lr").replace("|| true", "; exit 1"));
    queue(&project, "f1", &["lr=2"]);
    queue(&project, "f2", &["lr=3"]);
    let commit = lemnis_data::waiting_tasks(&repo).expect("lists").remove(0);
    let task = lemnis_data::take_task(&repo, &commit).expect("takes").expect("is free");
    lemnis_data::reproduce(&task.run.repo, &task.run.request, &mut Seen::default()).expect_err("fails");
    assert_eq!(lemnis_data::end_task(&repo, task, false, NOW).expect("ends"), None);
    assert_eq!(states(&repo), [("f2".to_owned(), TaskState::Queued), ("f1".to_owned(), TaskState::Failed)]);
    let all = [TaskState::Queued, TaskState::Failed];
    assert_eq!(lemnis_data::remove_tasks(&repo, &[], &all).expect("removes"), ["f2", "f1"]);
    assert_eq!(git(&project, &["for-each-ref", "refs/exps"]), "");
    assert!(states(&repo).is_empty());
}

#[test]
fn a_workspace_apart_gets_data_and_copies_and_is_gone_afterwards() {
    let project = committed();
    let repo = project.repo();
    project.write(".gitignore", "/o\n/extra\n").write("extra", "copied\n");
    let request = Enqueue {
        name: Some("t1".into()),
        overrides: Overrides { params: vec!["lr=9".into()], no_hydra: false },
        copy_paths: vec!["extra".into()],
        message: Some("mine".into()),
        ..Enqueue::default()
    };
    let apart = lemnis_data::open_apart(&repo, &request, 0).expect("opens");
    let root = apart.run.repo.root().to_path_buf();
    assert!(root.starts_with(project.path().join(".dvc/tmp/exps")));
    lemnis_data::reproduce(&apart.run.repo, &apart.run.request, &mut Seen::default()).expect("runs");
    assert_eq!(std::fs::read_to_string(root.join("o")).expect("reads"), "lr: 9 # rate\ncopied\n");
    let saved = lemnis_data::close_apart(&repo, apart, true).expect("closes").expect("is saved");
    assert!(!root.exists());
    assert_eq!(git(&project, &["log", "-1", "--format=%s", &saved.commit]), "mine\n");
    assert_eq!(project.read("params.yaml"), "lr: 1 # rate\n");
    let outside = Enqueue { copy_paths: vec!["../x".into()], ..Enqueue::default() };
    assert!(lemnis_data::open_apart(&repo, &outside, 0).is_err());
}

#[test]
fn changed_data_goes_with_a_queued_experiment() {
    let project = committed();
    project.write("d/x", "1");
    project.add(&["d"]).expect("adds");
    project.write("dvc.yaml", &PIPELINE.replace("deps: [a]", "deps: [a, d]").replace("cat extra", "cat d/x"));
    git(&project, &["add", "-A"]);
    git(&project, &["commit", "-qm", "two"]);
    project.write("d/x", "2");
    let record = project.read("d.dvc");
    queue(&project, "q1", &[]);
    assert_eq!(project.read("d.dvc"), record);
    project.write("d/x", "3");
    let repo = project.repo();
    let commit = lemnis_data::waiting_tasks(&repo).expect("lists").remove(0);
    let task = lemnis_data::take_task(&repo, &commit).expect("takes").expect("is free");
    assert_eq!(std::fs::read_to_string(task.run.repo.root().join("d/x")).expect("reads"), "2");
    lemnis_data::end_task(&repo, task, false, NOW).expect("ends");
}

#[test]
fn experiments_travel_with_their_data() {
    let project = committed();
    let repo = project.repo();
    lemnis_data::save_experiment(&repo, "e1", &lemnis_data::SaveExperiment::default()).expect("saves");
    let elsewhere = tempfile::tempdir().expect("temp dir");
    let bare = elsewhere.path().join("git");
    git(&project, &["clone", "-q", "--bare", ".", &bare.to_string_lossy()]);
    let url = bare.to_string_lossy().into_owned();
    let which = ShareExperiments::default();
    let pushed = lemnis_data::push_experiments(&repo, &url, &which).expect("pushes");
    assert_eq!((pushed.success.len(), pushed.diverged.len()), (1, 0));
    let again = lemnis_data::push_experiments(&repo, &url, &which).expect("pushes");
    assert_eq!((again.success.len(), again.up_to_date.len()), (0, 1));
    let transfer = Transfer {
        selection: Selection { commits: pushed.commits(), ..Selection::default() },
        ..Transfer::default()
    };
    project.write(
        ".dvc/config",
        &format!("[core]\n    remote = r\n['remote \"r\"']\n    url = {}/r\n", elsewhere.path().display()),
    );
    let sent = lemnis_data::push(&project.repo(), &transfer, &Directories, &Directories).expect("sends");
    assert_eq!(sent.pushed, 1);

    let listed = lemnis_data::list_remote_experiments(&repo, &url, &Baselines::default()).expect("lists");
    assert_eq!(listed[0].experiments[0].name, "e1");
    let all = RemoveExperiments { names: vec!["e1".into()], ..RemoveExperiments::default() };
    lemnis_data::remove_experiments(&repo, &all).expect("removes");
    let pulled = lemnis_data::pull_experiments(&repo, &url, &which).expect("pulls");
    assert_eq!(pulled.success[0].name, "e1");
    project.write("params.yaml", "lr: 4\n");
    lemnis_data::save_experiment(&repo, "e1", &lemnis_data::SaveExperiment::default()).expect("saves");
    let diverged = lemnis_data::push_experiments(&repo, &url, &which).expect("asks");
    assert_eq!((diverged.success.len(), diverged.diverged.len()), (0, 1));
    let forced = ShareExperiments { force: true, ..which };
    assert_eq!(lemnis_data::push_experiments(&repo, &url, &forced).expect("pushes").success.len(), 1);
    let there = RemoveExperiments { remote: Some(url.clone()), ..all };
    assert_eq!(lemnis_data::remove_experiments(&repo, &there).expect("removes"), ["e1"]);
    assert!(
        lemnis_data::list_remote_experiments(&repo, &url, &Baselines::default()).expect("lists").is_empty()
    );
    assert!(lemnis_data::push_experiments(&repo, "--upload-pack=x", &forced).is_err());
}

#[test]
fn data_status_names_what_the_remote_lacks() {
    let project = committed();
    project.write("d/x", "1").write("d/y", "2");
    project.add(&["d"]).expect("adds");
    let options = |granular| DataStatusOptions {
        granular,
        not_in_remote: Some(AskRemote::default()),
        ..DataStatusOptions::default()
    };
    let lacking = |granular| {
        let status = lemnis_data::data_status(&project.repo(), &options(granular), &Directories);
        status.expect("looks").not_in_remote
    };
    assert_eq!(lacking(false), ["d/", "o"], "without a remote it is everything");
    let remote = tempfile::tempdir().expect("temp dir");
    project.write(
        ".dvc/config",
        &format!("[core]\n    remote = r\n['remote \"r\"']\n    url = {}\n", remote.path().display()),
    );
    let selection = Selection { targets: vec!["d/x".into()], ..Selection::default() };
    let transfer = Transfer { selection, ..Transfer::default() };
    lemnis_data::push(&project.repo(), &transfer, &Directories, &Directories).expect("sends");
    assert_eq!(lacking(true), ["d/y", "o"]);
    lemnis_data::push(&project.repo(), &Transfer::default(), &Directories, &Directories).expect("sends");
    assert!(lacking(true).is_empty());
}

#[test]
fn an_artifact_is_found_by_version_and_stage() {
    let project = committed();
    let annotated = |tag: &str| git(&project, &["tag", "-a", "-m", "x", tag]);
    project.write("params.yaml", "lr: 1\nfile: model.txt\n").write("m/model.txt", "one");
    project.write("m/params.yaml", "file: model.txt\n");
    project.write("m/dvc.yaml", "artifacts:\n  model:\n    path: ${file}\n    type: model\n");
    git(&project, &["add", "-A"]);
    git(&project, &["commit", "-qm", "one"]);
    annotated("m=model@v1.9.0");
    annotated("m=model#prod#1");
    project.write("m/model.txt", "two");
    git(&project, &["commit", "-qam", "two"]);
    annotated("m=model@v1.10.0");
    let request = Get { url: project.path().display().to_string(), ..Get::default() };
    let find = |name: &str| {
        let name = ArtifactName { name: name.into(), ..ArtifactName::default() };
        lemnis_data::find_artifact(Path::new("/"), &request, &name, &Environment::default())
    };
    let text = |name: &str| {
        let found = find(name).expect("is there");
        git(&project, &["show", &format!("{}:{}", found.rev.expect("a commit"), found.path)])
    };
    assert_eq!(text("m:model"), "two");
    assert_eq!(text("m/dvc.yaml:model@v1.9.0"), "one");
    assert_eq!(text("m:model#prod"), "one");
    assert!(find("m:model@v2.0.0").is_err());
    assert!(find("model").is_err());
}
