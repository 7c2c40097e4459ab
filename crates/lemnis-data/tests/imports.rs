//! What a user sees of imports, of `.dvc` files of other shapes, and of transfers without a remote. The expected values
//! are what DVC 3.67 answers.

#![allow(clippy::expect_used, clippy::panic)] // a failing helper is a failing test

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::{Directories, Project, Seen};
use lemnis_data::{
    CheckoutOptions, CommitOptions, DataStatusOptions, Environment, Extent, ImportUrl, ListOptions, ListUrl,
    Outcome, Outside, Reproduce, Selection, Settings, Transfer, UpdateOptions, add, checkout, cloud_status,
    commit, data_status, fetch, import_url, list, list_url, open_source, push, set_frozen, status, update,
};

const ONE: &str = "b026324c6904b2a9cb4b88d6d61c81d1";
const CRLF: &str = "dd8c6a395b5dd36c56d23275028f526c";

fn with_outside<T>(work: impl FnOnce(&Outside<'_>) -> T) -> T {
    let environment = Environment::default();
    work(&Outside { stores: &Directories, progress: &Directories, jobs: None, environment: &environment })
}

fn bring(project: &Project, url: &str, out: &str, extent: Extent) {
    let request = ImportUrl { url: url.into(), out: Some(out.into()), extent, ..ImportUrl::default() };
    with_outside(|outside| import_url(&project.repo(), &request, outside)).expect("imports");
}

/// `imp`, an import of `src` that follows it, and a stage that reads it.
fn following() -> Project {
    let project = Project::new();
    project.write("src", "1\n");
    bring(&project, "src", "imp", Extent::Whole);
    set_frozen(&project.repo(), &["imp.dvc".into()], false).expect("unfreezes");
    project.write("dvc.yaml", "stages:\n  s:\n    cmd: cat imp > o\n    deps: [imp]\n    outs: [o]\n");
    project.reproduce().expect("reproduces");
    project
}

fn force() -> CommitOptions {
    CommitOptions { force: true, ..CommitOptions::default() }
}

fn commit_all(project: &Project, targets: &[&str]) {
    let targets: Vec<String> = targets.iter().map(|target| (*target).to_owned()).collect();
    commit(&project.repo(), &targets, force(), None, &mut |_| true).expect("commits");
}

#[test]
fn an_import_that_is_not_frozen_follows_its_source() {
    let project = following();
    assert_eq!(project.status(), "{}");
    project.write("src", "22\n");
    assert_eq!(project.status(), r#"{"imp.dvc":[{"changed deps":{"src":"modified"}}]}"#);
    let done = project.reproduce().expect("reproduces");
    assert_eq!(done, [("imp.dvc".to_owned(), Outcome::Imported), ("s".to_owned(), Outcome::Ran)]);
    assert_eq!((project.read("imp").as_str(), project.read("o").as_str()), ("22\n", "22\n"));
    assert_eq!(project.status(), "{}");
    let how = Reproduce { targets: vec!["imp.dvc".into()], force: true, ..Reproduce::default() };
    let done = project.reproduce_with(&how, &mut Seen::default()).expect("reproduces");
    assert_eq!(done, [("imp.dvc".to_owned(), Outcome::Imported)]);
    project.remove("imp");
    assert_eq!(project.reproduce().expect("restores")[0].1, Outcome::Restored);
    project.remove("src");
    assert_eq!(project.status(), r#"{"imp.dvc":[{"changed deps":{"src":"deleted"}}]}"#);
    project.reproduce().expect_err("there is no source");
    assert_eq!(project.read("imp"), "22\n", "the only copy stays");
}

#[test]
fn a_commit_records_what_the_source_of_an_import_is_now() {
    let project = following();
    project.write("src", "333\n");
    commit_all(&project, &["imp.dvc"]);
    let text = project.read("imp.dvc");
    assert!(text.starts_with("md5: "), "{text}");
    assert!(text.contains("deps:\n- md5: 40b134ab8a3dee5dd9760a7805fd495c\n  size: 4\n"), "{text}");
    assert!(text.contains(&format!("outs:\n- md5: {ONE}\n")), "{text}");
    assert_eq!(project.status(), "{}");
}

#[test]
fn a_frozen_import_is_recorded_as_the_workspace_has_it() {
    let project = Project::new();
    project.write("src", "1\n");
    bring(&project, "src", "imp", Extent::Whole);
    project.write("imp", "22\n");
    let how = Reproduce { targets: vec!["imp.dvc".into()], ..Reproduce::default() };
    let done = project.reproduce_with(&how, &mut Seen::default()).expect("reproduces");
    assert_eq!(done, [("imp.dvc".to_owned(), Outcome::Committed)]);
    assert_eq!(project.status(), "{}");
}

#[test]
fn an_import_that_was_only_written_down_has_another_checksum_and_comes_with_repro() {
    let project = Project::new();
    project.write("src", "1\n");
    bring(&project, "src", "imp", Extent::NoExec);
    let expected = r#"{"imp.dvc":[{"changed outs":{"imp":"deleted"}},"changed checksum"]}"#;
    assert_eq!(project.status(), expected);
    let how = Reproduce { targets: vec!["imp.dvc".into()], ..Reproduce::default() };
    project.reproduce_with(&how, &mut Seen::default()).expect("reproduces");
    assert_eq!((project.read("imp").as_str(), project.status().as_str()), ("1\n", "{}"));
}

#[test]
fn an_import_takes_the_mode_and_the_hash_of_its_source() {
    let project = Project::new();
    let outside = tempfile::tempdir().expect("temp dir");
    let source = outside.path().join("f");
    fs::write(&source, "1\n").expect("writes");
    fs::set_permissions(&source, fs::Permissions::from_mode(0o755)).expect("chmod");
    let source = source.to_string_lossy().into_owned();
    bring(&project, &source, "f", Extent::Whole);
    project.remove("f");
    checkout(&project.repo(), &[], CheckoutOptions::default()).expect("checks out");
    let mode = fs::metadata(project.path().join("f")).expect("stat").permissions().mode();
    assert_eq!(mode & 0o100, 0o100);
    bring(&project, &source, "g", Extent::NoDownload);
    bring(&project, &source, "h", Extent::NoExec);
    let found = data_status(&project.repo(), &DataStatusOptions::default(), &Directories).expect("status");
    assert_eq!(found.not_in_cache, ["g"]);
    assert_eq!(found.uncommitted.deleted, ["g"]);
    let opened = open_source(project.path(), ".", None, outside.path(), &Environment::default());
    let options = ListOptions { dvc_only: true, ..ListOptions::default() };
    let listed = list(&opened.expect("opens"), &options, false, &Directories).expect("lists");
    let rows: Vec<_> = listed.iter().map(|one| (one.path.as_str(), one.size, one.md5.as_deref())).collect();
    assert_eq!(rows, [("f", Some(2), Some(ONE)), ("g", Some(2), Some(ONE)), ("h", None, None)]);
}

#[test]
fn an_update_without_the_data_removes_what_is_no_more_recorded() {
    let project = Project::new();
    project.write("src", "1\n");
    bring(&project, "src", "imp", Extent::Whole);
    let run = |no_download, rev: Option<&str>| {
        let targets = vec!["imp.dvc".into()];
        let rev = rev.map(str::to_owned);
        let options = UpdateOptions { targets, rev, no_download, ..UpdateOptions::default() };
        with_outside(|outside| update(&project.repo(), &options, outside)).map(drop)
    };
    run(false, Some("a revision that means nothing here")).expect("updates");
    run(true, None).expect("updates");
    assert!(project.has("imp"), "nothing changed");
    project.write("src", "22\n");
    run(true, None).expect("updates");
    assert!(!project.has("imp"));
    run(false, None).expect("updates");
    assert_eq!(project.read("imp"), "22\n");
    project.write("imp", "mine\n").write("src", "333\n");
    run(true, None).expect_err("the only copy");
    assert_eq!(project.read("imp"), "mine\n");
}

#[test]
fn outputs_that_share_a_file_are_recorded_one_by_one() {
    let project = Project::new();
    project.write("multi.dvc", "outs:\n- path: m1\n- path: m2\n").write("m1", "1\n").write("m2", "2\n");
    project.add(&["m1"]).expect("adds");
    let one = format!("- path: m1\n  md5: {ONE}\n  size: 2\n  hash: md5\n");
    assert_eq!(project.read("multi.dvc"), format!("outs:\n{one}- path: m2\n"));
    assert_eq!(project.status(), r#"{"multi.dvc":[{"changed outs":{"m2":"modified"}}]}"#);
    commit_all(&project, &[]);
    let two = "- path: m2\n  md5: 26ab0db90d72e28ad0ba1e22ee510510\n  size: 2\n  hash: md5\n";
    assert_eq!(project.read("multi.dvc"), format!("outs:\n{one}{two}"));
    assert_eq!(project.read(".gitignore"), "/m1\n/m2\n");
    project.write("m1", "2\n").write("m2", "1\n");
    project.add(&["m1", "m2"]).expect("adds");
    assert_eq!(project.status(), "{}");
}

#[test]
fn what_dvc_2_recorded_stays_until_it_changes() {
    let project = Project::new();
    let record = format!("outs:\n- md5: {CRLF}\n  size: 6\n  path: f\n");
    let object = format!(".dvc/cache/{}/{}", &CRLF[..2], &CRLF[2..]);
    project.write("f", "a\r\nb\r\n").write("f.dvc", &record);
    project.add(&["f"]).expect("adds");
    assert_eq!((project.read("f.dvc"), project.read(&object).as_str()), (record.clone(), "a\r\nb\r\n"));
    for way in ["repro", "commit"] {
        project.remove(".dvc/cache");
        match way {
            "commit" => commit_all(&project, &[]),
            _ => {
                let how = Reproduce { targets: vec!["f.dvc".into()], ..Reproduce::default() };
                project.reproduce_with(&how, &mut Seen::default()).expect("reproduces");
            }
        }
        assert!(project.read("f.dvc") == record && project.has(&object), "{way}");
    }
    project.write("f", "x\n");
    project.add(&["f"]).expect("adds");
    assert!(project.read("f.dvc").contains("  hash: md5\n"));
}

#[test]
fn what_dvc_2_recorded_of_a_stage_stays_until_it_changes() {
    let project = Project::new();
    let entry = |path: &str| format!("    - path: {path}\n      md5: {CRLF}\n      size: 6\n");
    let lock = format!(
        "schema: '2.0'\nstages:\n  s:\n    cmd: cat in > out\n    deps:\n{}    outs:\n{}",
        entry("in"),
        entry("out")
    );
    project.write("dvc.yaml", "stages:\n  s:\n    cmd: cat in > out\n    deps: [in]\n    outs: [out]\n");
    project.write("dvc.lock", &lock).write("in", "a\r\nb\r\n").write("out", "a\r\nb\r\n");
    assert_eq!(project.status(), r#"{"s":[{"changed outs":{"out":"not in cache"}}]}"#);
    assert_eq!(project.reproduce().expect("reproduces"), [("s".to_owned(), Outcome::Ran)]);
    assert_eq!((project.read("dvc.lock"), project.status().as_str()), (lock.clone(), "{}"));
    project.remove(".dvc/cache");
    commit_all(&project, &[]);
    assert_eq!((project.read("dvc.lock"), project.status().as_str()), (lock, "{}"));
    project.remove("out");
    assert_eq!(project.reproduce().expect("restores"), [("s".to_owned(), Outcome::Restored)]);
}

fn pass(project: &Project, request: &Transfer) -> [bool; 3] {
    let repo = project.repo();
    let (stores, progress) = (&Directories, &Directories);
    [
        cloud_status(&repo, request, stores, progress).is_ok(),
        fetch(&repo, request, stores, progress).is_ok(),
        push(&repo, request, stores, progress).is_ok(),
    ]
}

#[test]
fn a_remote_is_needed_only_where_there_is_something_for_it() {
    let project = Project::new();
    assert_eq!(pass(&project, &Transfer::default()), [true, true, false]);
    project.write("a", "1\n");
    project.add(&["a"]).expect("adds");
    assert_eq!(pass(&project, &Transfer::default()), [false, true, false]);
    let nosuch = Transfer { remote: Some("nosuch".into()), ..Transfer::default() };
    assert_eq!(pass(&project, &nosuch), [false; 3]);
    project.remove(".dvc/cache");
    let fetched = fetch(&project.repo(), &Transfer::default(), &Directories, &Directories).expect("fetches");
    assert_eq!(fetched.missing, ["a"]);
    project.write("b.dvc", &format!("outs:\n- md5: {ONE}\n  hash: md5\n  path: b\n  remote: nosuch\n"));
    assert_eq!(pass(&project, &Transfer::default()), [false; 3]);
}

#[test]
fn a_directory_that_is_nowhere_is_not_part_of_the_cloud_status() {
    let project = Project::new();
    let settings = Settings::open(project.path(), &Environment::default()).expect("opens");
    settings.add_remote(None, "r", "remote", true, false).expect("adds");
    project.write("d/x", "1\n");
    project.add(&["d"]).expect("adds");
    project.remove(".dvc/cache");
    let (_, found) =
        cloud_status(&project.repo(), &Transfer::default(), &Directories, &Directories).expect("status");
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn without_git_other_revisions_are_the_workspace() {
    let project = Project::new();
    project.write("a", "1\n");
    let settings = Settings::open(project.path(), &Environment::default()).expect("opens");
    settings.add_remote(None, "r", "remote", true, false).expect("adds");
    project.write(
        ".dvc/config",
        &project.read(".dvc/config").replace("[core]\n", "[core]\n    no_scm = true\n"),
    );
    project.remove(".git");
    add(&project.repo(), &["a".into()], &lemnis_data::AddOptions::default()).expect("adds");
    let selection =
        Selection { all_branches: true, all_tags: true, all_commits: true, ..Selection::default() };
    assert_eq!(pass(&project, &Transfer { selection, ..Transfer::default() }), [true; 3]);
    let options = lemnis_data::GcOptions { all_commits: true, ..Default::default() };
    lemnis_data::gc(&project.repo(), &options).expect("collects");
    assert!(project.has(&format!(".dvc/cache/files/md5/{}/{}", &ONE[..2], &ONE[2..])));
}

#[test]
fn an_output_stands_alone_also_with_its_dependencies() {
    let project = following();
    let found = |target: &str| {
        let options = lemnis_data::StatusOptions {
            targets: vec![target.into()],
            with_deps: true,
            ..Default::default()
        };
        let found = status(&project.repo(), &options, None).expect("status");
        found.stages.keys().cloned().collect::<Vec<_>>()
    };
    project.write("src", "22\n");
    project.remove("o");
    assert_eq!((found("o"), found("s")), (vec!["s".to_owned()], vec!["imp.dvc".to_owned(), "s".to_owned()]));
}

#[test]
fn a_path_is_listed_like_a_url() {
    let dir = tempfile::tempdir().expect("temp dir");
    fs::create_dir(dir.path().join("e")).expect("creates");
    fs::write(dir.path().join("x"), "1\n").expect("writes");
    fs::write(dir.path().join("e/y"), "1\n").expect("writes");
    let found = |url: &str, recursive| {
        let request = ListUrl { url: url.into(), recursive, ..ListUrl::default() };
        let listed = with_outside(|outside| list_url(dir.path(), &request, outside))?;
        Ok::<_, lemnis_data::Error>(listed.into_iter().map(|one| (one.path, one.isdir)).collect::<Vec<_>>())
    };
    let row = |path: &str, isdir| (path.to_owned(), isdir);
    assert_eq!(found(".", false).expect("lists"), [row("e", true), row("x", false)]);
    assert_eq!(found(".", true).expect("lists"), [row("e/y", false), row("x", false)]);
    let itself = Path::new(dir.path()).join("x").display().to_string();
    assert_eq!(found("x", false).expect("lists"), [row(&itself, false)]);
    found("nosuch", false).expect_err("nothing is there");
}
