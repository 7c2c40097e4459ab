//! What a user sees of the verbs that change what is tracked, without DVC at hand.

#![allow(clippy::expect_used, clippy::panic)] // a failing helper is a failing test

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Directories, Project};
use lemnis_data::{
    AddOptions, CheckoutOptions, CommitOptions, Environment, Error, GcOptions, GcRemote, Outcome, Outside,
    Selection, Transfer, add, add_to_remote, checkout, commit, gc, gc_with_remote, move_output, remove,
    set_frozen, unprotect,
};

fn git(project: &Project, args: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@t"];
    let output =
        Command::new("git").args(identity).args(args).current_dir(project.path()).output().expect("git");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn save(project: &Project, tag: &str) {
    git(project, &["add", "-A"]);
    git(project, &["commit", "-q", "-m", tag]);
    git(project, &["tag", tag]);
}

fn objects(project: &Project) -> usize {
    project.files().iter().filter(|(name, ..)| name.starts_with(".dvc/cache/files/md5/")).count()
}

/// Two revisions: `v1` with f and d, `v2` with both changed and one file more.
fn two_revisions() -> Project {
    let project = Project::new();
    project.write("f", "1").write("d/a", "a").write("d/b", "b");
    project.add(&["f", "d"]).expect("adds");
    save(&project, "v1");
    project.write("f", "22").write("d/a", "changed").write("only", "x");
    project.add(&["f", "d", "only"]).expect("adds");
    save(&project, "v2");
    project
}

#[test]
fn a_checkout_of_another_revision_removes_what_it_lacks_and_keeps_what_is_unsaved() {
    let project = two_revisions();
    git(&project, &["checkout", "-q", "v1"]);
    project.write("d/mine", "not in any cache");
    let repo = project.repo();
    match checkout(&repo, &[], CheckoutOptions::default()).expect_err("refuses") {
        Error::Unsaved { paths } => assert_eq!(paths, ["d/mine"]),
        other => panic!("{other}"),
    }
    assert!(project.has("only") && project.read("f") == "22", "nothing was touched");
    project.remove("d/mine");
    let done = checkout(&repo, &[], CheckoutOptions::default()).expect("checks out");
    assert_eq!((done.modified, done.deleted), (vec!["d/".into(), "f".into()], vec!["only".into()]));
    assert!(!project.has("only") && project.read("f") == "1" && project.read("d/a") == "a");
    assert_eq!(project.status(), "{}");
}

#[test]
fn an_edited_output_of_another_revision_is_not_removed() {
    let project = two_revisions();
    project.write("only", "edited");
    git(&project, &["checkout", "-q", "v1"]);
    checkout(&project.repo(), &[], CheckoutOptions::default()).expect("checks out");
    assert_eq!(project.read("only"), "edited");
}

#[test]
fn a_checkout_without_objects_says_so_and_does_the_rest() {
    let project = two_revisions();
    fs::remove_dir_all(project.path().join(".dvc/cache/files/md5/b6")).expect("md5 of 22");
    project.remove("f");
    project.remove("d");
    match checkout(&project.repo(), &[], CheckoutOptions::default()).expect_err("fails") {
        Error::Incomplete { done } => {
            assert_eq!((done.added, done.failed), (vec!["d/".into()], vec!["f".into()]))
        }
        other => panic!("{other}"),
    }
    let lenient = CheckoutOptions { allow_missing: true, ..CheckoutOptions::default() };
    checkout(&project.repo(), &[], lenient).expect("is content");
}

#[test]
fn one_path_of_a_directory_is_added_without_the_others() {
    let project = Project::new();
    project.write("d/a", "1").write("d/b", "2");
    project.add(&["d"]).expect("adds");
    project.write("d/a", "changed").write("d/c", "3");
    let added = project.add(&["d/c"]).expect("adds");
    assert_eq!((added[0].nfiles, added[0].size_bytes), (Some(3), 3));
    assert!(project.status().contains("modified"), "d/a was not taken in");
    project.remove("d/b");
    assert_eq!(project.add(&["d/b", "d/a"]).expect("adds")[1].nfiles, Some(2));
    assert_eq!(project.status(), "{}");
}

#[test]
fn a_failed_add_takes_its_gitignore_lines_back() {
    let project = Project::new();
    project.write("a", "1").write(".gitignore", "/own\n");
    project.add(&["a", "none"]).expect_err("fails");
    assert_eq!(project.read(".gitignore"), "/own\n");
    project.write(".gitignore", "*.dvc\n").write("b", "1");
    let error = project.add(&["b"]).expect_err("its record would be lost");
    assert!(error.to_string().contains("Git ignores 'b.dvc'"), "{error}");
}

#[test]
fn patterns_pass_over_dot_files_and_descend() {
    let project = Project::new();
    project.write("x/a.csv", "1").write("x/y/b.csv", "2").write("x/.c.csv", "3");
    let options = AddOptions { glob: true, ..AddOptions::default() };
    let added = add(&project.repo(), &[PathBuf::from("x/**/*.csv")], &options).expect("adds");
    assert_eq!(added.iter().map(|one| one.path.as_str()).collect::<Vec<_>>(), ["x/a.csv", "x/y/b.csv"]);
    add(&project.repo(), &[PathBuf::from("*.none")], &options).expect_err("nothing matches");
}

#[test]
fn a_file_from_anywhere_is_brought_in_but_overwrites_nothing() {
    let (project, other) = (Project::new(), tempfile::tempdir().expect("temp dir"));
    let source = other.path().join("ext");
    fs::write(&source, "external").expect("writes");
    let options = AddOptions { out: Some("in".into()), ..AddOptions::default() };
    add(&project.repo(), std::slice::from_ref(&source), &options).expect("adds");
    assert_eq!((project.read("in"), project.status()), ("external".into(), "{}".into()));
    add(&project.repo(), std::slice::from_ref(&source), &options).expect_err("is there");
    add(&project.repo(), &[source], &AddOptions { force: true, ..options }).expect("replaces");
}

#[test]
fn a_commit_records_changes_only_when_agreed() {
    let project = two_revisions();
    project.write("f", "edited");
    let mut asked = Vec::new();
    let mut refuse = |question: &str| {
        asked.push(question.to_owned());
        false
    };
    commit(&project.repo(), &[], CommitOptions::default(), None, &mut refuse).expect_err("refused");
    assert!(asked[0].starts_with("outputs ['f'] of stage: 'f.dvc' changed."), "{asked:?}");
    assert!(project.status().contains("modified"));
    commit(&project.repo(), &[], CommitOptions::default(), None, &mut |_| true).expect("agreed");
    assert_eq!(project.status(), "{}");
}

#[test]
fn what_was_added_without_commit_is_committed_without_a_question() {
    let project = Project::new();
    project.write("f", "1");
    let options = AddOptions { no_commit: true, ..AddOptions::default() };
    add(&project.repo(), &["f".into()], &options).expect("adds");
    assert_eq!(objects(&project), 0);
    commit(&project.repo(), &[], CommitOptions::default(), None, &mut |_| panic!("asks")).expect("commits");
    assert_eq!((objects(&project), project.status()), (1, "{}".into()));
}

#[test]
fn moved_data_keeps_its_record_and_overwrites_nothing() {
    let project = two_revisions();
    project.write("taken", "mine");
    fs::create_dir(project.path().join("sub")).expect("dir");
    let go = |from: &str, to: &str| move_output(&project.repo(), Path::new(from), Path::new(to));
    go("f", "taken").expect_err("something is there");
    assert_eq!(project.read("taken"), "mine");
    assert_eq!(go("f", "sub").expect("moves").dvc_file, "sub/f.dvc");
    assert!(!project.has("f") && !project.has("f.dvc"));
    assert_eq!(project.read("sub/.gitignore"), "/f\n");
    assert_eq!(project.read(".gitignore"), "/d\n/only\n");
    assert_eq!(project.status(), "{}");
}

#[test]
fn removal_keeps_the_data_loose_from_the_cache_and_the_pipeline_readable() {
    let project = Project::new();
    project.write(".dvc/config", "[cache]\n    type = hardlink\n").write("f", "1");
    project.add(&["f"]).expect("adds");
    project.write(
        "dvc.yaml",
        "stages:\n  s: # mine\n    cmd: echo 1 > o\n    outs: [o]\n  t:\n    cmd: echo 2 > p\n    outs: [p]\n# end\n",
    );
    project.reproduce().expect("reproduces");
    remove(&project.repo(), &["f".into()], false).expect_err("f is data");
    remove(&project.repo(), &["f.dvc".into(), "s".into()], false).expect("removes");
    let meta = fs::metadata(project.path().join("f")).expect("stays");
    assert_eq!((meta.nlink(), meta.permissions().mode() & 0o200), (1, 0o200));
    assert_eq!(project.read("dvc.yaml"), "stages:\n  t:\n    cmd: echo 2 > p\n    outs: [p]\n# end\n");
    assert!(!project.read("dvc.lock").contains("path: o"));
    remove(&project.repo(), &["t".into()], true).expect("removes");
    assert!(
        !project.has("p")
            && !project.has("dvc.yaml")
            && !project.has("dvc.lock")
            && !project.has(".gitignore")
    );
}

#[test]
fn freezing_leaves_comments_alone() {
    let project = Project::new();
    let text = "stages:\n  s: # mine\n    cmd: cp a b # copy\n    deps: [a]\n    outs: [b]\n";
    project.write("a", "1").write("dvc.yaml", text);
    assert_eq!(set_frozen(&project.repo(), &["s".into()], true).expect("freezes"), ["s"]);
    assert_eq!(project.read("dvc.yaml"), format!("{text}    frozen: true\n"));
    assert!(set_frozen(&project.repo(), &["s".into()], true).expect("is frozen").is_empty());
    set_frozen(&project.repo(), &["s".into()], false).expect("unfreezes");
    assert_eq!(project.read("dvc.yaml"), text);
    set_frozen(&project.repo(), &["none".into()], true).expect_err("no such stage");
}

#[test]
fn unprotected_files_may_be_written_without_harm_to_the_cache() {
    let project = Project::new();
    project.write(".dvc/config", "[cache]\n    type = symlink\n").write("d/x", "1");
    project.add(&["d"]).expect("adds");
    assert!(project.path().join("d/x").is_symlink());
    unprotect(&project.repo(), &["d".into()]).expect("unprotects");
    project.write("d/x", "2");
    let force = CheckoutOptions { force: true, ..CheckoutOptions::default() };
    checkout(&project.repo(), &[], force).expect("checks out");
    assert_eq!(project.read("d/x"), "1");
    assert!(project.path().join("d/x").is_symlink());
}

#[test]
fn collection_keeps_what_its_scope_uses() {
    let project = two_revisions();
    let all = objects(&project);
    let run = |options: &GcOptions| gc(&project.repo(), options);
    run(&GcOptions::default()).expect_err("no scope");
    run(&GcOptions { workspace: true, num: Some(2), ..GcOptions::default() }).expect_err("--num of nothing");
    run(&GcOptions { rev: Some("none".into()), ..GcOptions::default() }).expect_err("no such revision");
    let kept = GcOptions { rev: Some("v2".into()), num: Some(2), ..GcOptions::default() };
    for options in [
        GcOptions { all_commits: true, ..GcOptions::default() },
        GcOptions { all_tags: true, ..GcOptions::default() },
        kept,
    ] {
        assert!(run(&options).expect("collects").removed.is_empty(), "{options:?}");
    }
    let workspace = GcOptions { workspace: true, dry: true, ..GcOptions::default() };
    assert_eq!(run(&workspace).expect("looks").removed.len(), 3);
    assert_eq!(objects(&project), all, "a dry run removes nothing");
    assert_eq!(run(&GcOptions { dry: false, ..workspace }).expect("collects").removed.len(), 3);
    assert_eq!((objects(&project), project.status()), (all - 3, "{}".into()));
}

#[test]
fn collection_stops_when_a_directorys_files_are_unknown() {
    let project = two_revisions();
    let dir = project
        .read("d.dvc")
        .lines()
        .find_map(|line| Some(line.split_once("md5: ")?.1.to_owned()))
        .expect("md5");
    project.remove(&format!(".dvc/cache/files/md5/{}/{}", &dir[..2], &dir[2..]));
    let before = objects(&project);
    let options = GcOptions { workspace: true, ..GcOptions::default() };
    gc(&project.repo(), &options).expect_err("unknown");
    assert_eq!(objects(&project), before);
    gc(&project.repo(), &GcOptions { force: true, ..options }).expect("collects");
    assert!(objects(&project) < before);
}

#[test]
fn collection_on_a_remote_keeps_what_is_used() {
    let project = two_revisions();
    let remote = tempfile::tempdir().expect("temp dir");
    let url = remote.path().display().to_string();
    project.write(".dvc/config", &format!("[core]\n    remote = r\n['remote \"r\"']\n    url = {url}\n"));
    let environment = Environment::default();
    let outside =
        Outside { stores: &Directories, progress: &Directories, jobs: None, environment: &environment };
    let all_commits = Selection { all_commits: true, ..Selection::default() };
    let request = Transfer { selection: all_commits, ..Transfer::default() };
    lemnis_data::push(&project.repo(), &request, &Directories, &Directories).expect("pushes");
    let run = |options: &GcOptions, how: GcRemote| {
        gc_with_remote(&project.repo(), options, &how, &outside).expect("collects")
    };
    let everything = GcOptions { all_commits: true, ..GcOptions::default() };
    let workspace = GcOptions { workspace: true, ..GcOptions::default() };
    assert!(run(&everything, GcRemote::Collect(None)).removed_from_remotes.is_empty());
    let dry = GcOptions { dry: true, ..workspace.clone() };
    assert_eq!(run(&dry, GcRemote::Collect(None)).removed_from_remotes.len(), 3);
    let done = run(&workspace, GcRemote::Collect(Some("r".into())));
    assert_eq!((done.removed.len(), done.removed_from_remotes.len()), (3, 3));
    assert!(done.removed_from_remotes[0].ends_with(".dir"), "a directory goes before its files");
    run(&workspace, GcRemote::KeepUnsent(None));
    assert_eq!(objects(&project), 0, "the remote has all of it");
    assert!(run(&workspace, GcRemote::Collect(None)).removed_from_remotes.is_empty(), "known from there");
}

#[test]
fn data_goes_to_a_remote_without_a_copy_here() {
    let project = Project::new();
    let (remote, source) = (tempfile::tempdir().expect("temp dir"), tempfile::tempdir().expect("temp dir"));
    let url = remote.path().display().to_string();
    project.write(".dvc/config", &format!("[core]\n    remote = r\n['remote \"r\"']\n    url = {url}\n"));
    let big = source.path().join("big");
    fs::create_dir(&big).expect("dir");
    for (name, text) in [("a", "1"), ("b", "2"), ("same", "1")] {
        fs::write(big.join(name), text).expect("writes");
    }
    let environment = Environment::default();
    let outside =
        Outside { stores: &Directories, progress: &Directories, jobs: None, environment: &environment };
    let source = big.display().to_string();
    let options = AddOptions::default();
    let added = add_to_remote(&project.repo(), &source, None, &options, &outside).expect("sends");
    assert_eq!((added.path.as_str(), added.dvc_file.as_str()), ("big", "big.dvc"));
    assert_eq!((added.size_bytes, added.nfiles, objects(&project)), (3, Some(3), 0));
    lemnis_data::pull(&project.repo(), &Transfer::default(), false, false, &Directories, &Directories)
        .expect("pulls");
    assert_eq!((project.read("big/a"), project.read("big/same")), ("1".into(), "1".into()));
    add_to_remote(&project.repo(), "nowhere", None, &options, &outside).expect_err("no source");
    let inside = AddOptions { out: Some("big/new".into()), ..options };
    add_to_remote(&project.repo(), &source, None, &inside, &outside).expect_err("inside tracked data");
}

#[test]
fn a_checkout_names_what_was_never_recorded_and_keeps_it() {
    let project = Project::new();
    project.write("dvc.yaml", "stages:\n  a: {cmd: echo x > a, outs: [a]}\n").write("a", "mine\n");
    let forced = CheckoutOptions { force: true, ..CheckoutOptions::default() };
    let error = checkout(&project.repo(), &[], forced).expect_err("fails");
    assert_eq!(error.to_string(), "nothing is recorded of 'a'");
    assert_eq!(project.read("a"), "mine\n");
    project.remove("a");
    checkout(&project.repo(), &[], CheckoutOptions::default()).expect_err("fails");
    let lenient = CheckoutOptions { allow_missing: true, ..CheckoutOptions::default() };
    checkout(&project.repo(), &[], lenient).expect("is content");
}

#[test]
fn an_ignored_output_is_refused_by_name_of_the_pattern() {
    let project = Project::new();
    project.write("data/f", "1").write(".dvcignore", "# none\n/data\n");
    let error = project.add(&["data"]).expect_err("is ignored").to_string();
    assert_eq!(error, "'data' is ignored by .dvcignore:2:/data");
    assert!(!project.has("data.dvc") && !project.has(".gitignore"));
    project.write(".dvcignore", "a/**\n").add(&["data"]).expect("adds");
    std::fs::create_dir(project.path().join("a")).expect("creates");
    project.add(&["a"]).expect_err("is ignored");
    project.write(".dvcignore", "/data\n");
    for error in [
        project.add(&["data"]).map(drop),
        checkout(&project.repo(), &[], CheckoutOptions::default()).map(drop),
    ] {
        assert!(error.expect_err("fails").to_string().contains(".dvcignore:1:/data"));
    }
}

#[test]
fn what_is_ignored_is_not_lost_in_a_checkout() {
    for kind in ["copy", "hardlink", "symlink"] {
        let project = Project::new();
        project.write(".dvc/config", &format!("[cache]\n    type = {kind}\n"));
        project.write("d/f", "1").write("d/sub/g", "2").add(&["d"]).expect("adds");
        project.remove("d/sub/g");
        project.write(".dvcignore", "d/sub\n").write("d/sub/g", "mine");
        let result = checkout(&project.repo(), &[], CheckoutOptions::default());
        assert_eq!(result.is_err(), kind == "copy", "{kind}");
        assert_eq!(project.read("d/sub/g"), "mine", "{kind}");
        let forced = CheckoutOptions { force: true, ..CheckoutOptions::default() };
        let done = checkout(&project.repo(), &[], forced).expect("checks out");
        assert_eq!(done.modified, ["d/"], "{kind}");
        assert_eq!(project.read("d/sub/g") == "2", kind == "copy", "{kind}");
    }
}

#[test]
fn a_pull_removes_what_no_stage_has_any_more_and_refuses_before_it_changes_anything() {
    let project = Project::new();
    let remote = tempfile::tempdir().expect("temp dir");
    let url = remote.path().display().to_string();
    project.write(".dvc/config", &format!("[core]\n    remote = r\n['remote \"r\"']\n    url = {url}\n"));
    let stage = |name: &str| format!("  {name}: {{cmd: echo {name} > {name}, outs: [{name}]}}\n");
    project
        .write("dvc.yaml", &format!("stages:\n{}{}", stage("a"), stage("b")))
        .reproduce()
        .expect("reproduces");
    project.write("dvc.yaml", &format!("stages:\n{}", stage("b")));
    let pull = |targets: &[&str]| {
        let mut request = Transfer::default();
        request.selection.targets = targets.iter().map(|target| (*target).to_owned()).collect();
        lemnis_data::pull(&project.repo(), &request, false, false, &Directories, &Directories)
    };
    assert!(pull(&["b"]).expect("pulls").checkout.deleted.is_empty() && project.has("a"));
    assert_eq!(pull(&[]).expect("pulls").checkout.deleted, ["a"]);
    assert!(!project.has("a"));
    project.write("c", "1").add(&["c"]).expect("adds");
    project.remove("c");
    project.write("b", "mine\n");
    pull(&[]).expect_err("b would be lost");
    assert!(!project.has("c") && project.read("b") == "mine\n");
}

#[test]
fn a_commit_keeps_results_of_outputs_without_a_cache_as_well() {
    let project = Project::new();
    project.write(
        "dvc.yaml",
        "stages:\n  a:\n    cmd: cp in out\n    deps: [in]\n    outs:\n    - out: {cache: false}\n",
    );
    project.write("in", "x\n").reproduce().expect("reproduces");
    assert!(!project.has(".dvc/cache/runs"), "a run keeps none");
    let options = CommitOptions { force: true, ..CommitOptions::default() };
    commit(&project.repo(), &[], options, None, &mut |_| true).expect("commits");
    project.remove("out");
    let outcomes = project.reproduce().expect("reproduces");
    assert_eq!(outcomes, [("a".to_owned(), Outcome::Restored)]);
}
