//! What a user sees without DVC at hand: reproduction, recovery, refusals.

#![allow(clippy::expect_used, clippy::panic)] // a failing helper is a failing test

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use common::{Project, Seen, fill};
use lemnis_core::{Classify, ErrorKind};
use lemnis_data::{
    CheckoutOptions, Environment, InitOptions, OnError, Outcome, Repo, Reproduce, checkout, digest_of, lock,
    pipeline,
};

fn ready() -> Project {
    let project = Project::new();
    fill(&project);
    project.add(&["data/raw/t.csv", "data/imgs", "tool"]).expect("adds");
    project.reproduce().expect("reproduces");
    project
}

fn outcome(outcomes: &[(String, Outcome)], stage: &str) -> Outcome {
    outcomes.iter().find(|(name, _)| name == stage).unwrap_or_else(|| panic!("no {stage}")).1
}

#[test]
fn a_second_reproduction_asks_for_nothing() {
    let project = ready();
    let mut seen = Seen::default();
    let outcomes = project.reproduce_with(&Reproduce::default(), &mut seen).expect("reproduces");
    assert!(outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Skipped));
    assert!(seen.will_run.is_empty());
    assert_eq!(project.status(), "{}");
}

#[test]
fn only_what_depends_on_a_change_runs_and_old_inputs_restore_old_results() {
    let project = ready();
    let (old, params) = (project.read("dvc.lock"), project.read("params.yaml"));
    project.write("params.yaml", &params.replace("lr: 0.1", "lr: 0.2"));
    let outcomes = project.reproduce().expect("reproduces");
    assert_eq!(outcome(&outcomes, "prepare"), Outcome::Skipped);
    assert_eq!(outcome(&outcomes, "train"), Outcome::Ran);
    assert_eq!(outcome(&outcomes, "evaluate"), Outcome::Skipped, "the model came out the same");
    project.write("params.yaml", &params);
    assert_eq!(outcome(&project.reproduce().expect("reproduces"), "train"), Outcome::Restored);
    assert_eq!(project.read("dvc.lock"), old);
}

#[test]
fn a_parameter_called_size_does_not_restore_a_stale_result() {
    let project = Project::new();
    project.write("params.yaml", "size: 1\n");
    project
        .write("dvc.yaml", "stages:\n  s:\n    cmd: cp params.yaml o\n    params: [size]\n    outs: [o]\n");
    project.reproduce().expect("reproduces");
    project.write("params.yaml", "size: 2\n");
    assert_eq!(outcome(&project.reproduce().expect("reproduces"), "s"), Outcome::Ran);
    assert_eq!(project.read("o"), "size: 2\n");
}

#[test]
fn the_command_sees_its_environment_and_its_lines_are_observed() {
    let project = Project::new();
    project.write(
        "dvc.yaml",
        "stages:\n  s:\n    cmd: echo $DVC_STAGE $A $B; echo oops >&2; pwd\n    wdir: sub\n",
    );
    project.write("sub/x", "");
    let how = Reproduce { env: vec![("A".into(), "1".into())], ..Reproduce::default() };
    let mut seen = Seen { env: vec![("B".into(), "2".into())], ..Seen::default() };
    project.reproduce_with(&how, &mut seen).expect("reproduces");
    // Standard output keeps its order; standard error comes when it comes.
    let oops = seen.lines.iter().position(|line| line == "oops").expect("oops");
    seen.lines.remove(oops);
    assert_eq!(seen.lines[0], "s 1 2");
    assert!(seen.lines[1].ends_with("/sub"));
    let log = project.read(".dvc/tmp/lemnis/logs/s.log");
    assert!(log.starts_with("> ") && log.contains("oops\n") && log.contains("s 1 2\n"), "{log}");
    assert!(seen.will_run[0].1.ends_with("it always runs"));
}

#[test]
fn a_failing_stage_keeps_earlier_ones_and_gets_no_entry() {
    let project = Project::new();
    project.write(
        "dvc.yaml",
        "stages:\n  a:\n    cmd: echo 1 > a\n    outs: [a]\n  b:\n    cmd: echo 2 > b; exit 3\n    deps: [a]\n    outs: [b]\n",
    );
    let error = project.reproduce().expect_err("fails");
    assert_eq!(error.to_string(), "stage 'b' failed: its command ended with exit code 3");
    assert!(error.hint().expect("hint").contains("exit 3"));
    let log = std::error::Error::source(&error).expect("names its log").to_string();
    assert_eq!(log, ".dvc/tmp/lemnis/logs/b.log ends with\n    > echo 2 > b; exit 3");
    let locked = lock(&project.repo()).expect("reads");
    assert_eq!(locked.iter().map(|stage| stage.name.as_str()).collect::<Vec<_>>(), ["a"]);
    let outcomes = project.reproduce().expect_err("fails again").to_string();
    assert!(outcomes.contains("'b'"));
}

#[test]
fn independent_stages_run_side_by_side_and_each_is_recorded() {
    let project = Project::new();
    // Each of the first two ends only when the other runs too.
    let meet = |own: &str, other: &str| {
        format!("touch m{own}; until test -e m{other}; do sleep 0.01; done; echo {own} > {own}")
    };
    project.write(
        "dvc.yaml",
        &format!(
            "stages:\n  c:\n    cmd: cat a b > c\n    deps: [a, b]\n    outs: [c]\n  a:\n    cmd: {}\n    outs: [a]\n  b:\n    cmd: {}\n    outs: [b]\n",
            meet("a", "b"),
            meet("b", "a")
        ),
    );
    let how = Reproduce { jobs: 2, ..Reproduce::default() };
    let outcomes = project.reproduce_with(&how, &mut Seen::default()).expect("reproduces");
    assert_eq!(outcomes.last().expect("three").0, "c");
    assert_eq!(project.read("c"), "a\nb\n");
    assert_eq!(lock(&project.repo()).expect("reads").len(), 3);
    assert_eq!(project.status(), "{}");
}

#[test]
fn what_runs_beside_a_failure_is_recorded_and_nothing_new_starts() {
    let project = Project::new();
    project.write(
        "dvc.yaml",
        "stages:\n  a:\n    cmd: until test -e go; do sleep 0.01; done; exit 1\n  b:\n    cmd: touch go; echo b > b\n    outs: [b]\n  c:\n    cmd: cp b c\n    deps: [b]\n    outs: [c]\n",
    );
    let how = Reproduce { jobs: 2, on_error: OnError::KeepGoing, ..Reproduce::default() };
    let error = project.reproduce_with(&how, &mut Seen::default()).expect_err("fails");
    assert_eq!(error.to_string(), "a failed");
    assert_eq!(project.read("c"), "b\n");
    let names: Vec<String> =
        lock(&project.repo()).expect("reads").into_iter().map(|stage| stage.name).collect();
    assert_eq!(names, ["b", "c"]);
}

#[test]
fn reasons_name_every_change_with_its_values() {
    let project = Project::new();
    project.write("params.yaml", "lr: 0.1\n").write("in", "1").write(
        "dvc.yaml",
        "stages:\n  s:\n    cmd: cp in o\n    deps: [in]\n    params: [lr]\n    outs: [o]\n",
    );
    project.reproduce().expect("reproduces");
    project.write("params.yaml", "lr: 0.2\n").write("in", "2").remove("o");
    let mut seen = Seen::default();
    project.reproduce_with(&Reproduce::default(), &mut seen).expect("reproduces");
    assert_eq!(
        seen.will_run[0].1,
        "in is modified; lr in params.yaml is modified (0.1, now 0.2); o is deleted"
    );
}

#[test]
fn a_dry_run_changes_nothing_and_plans_what_cannot_be_hashed_yet() {
    let project = Project::new();
    project.write(
        "dvc.yaml",
        "stages:\n  a:\n    cmd: echo 1 > a\n    outs: [a]\n  b:\n    cmd: cp a b\n    deps: [a]\n    outs: [b]\n",
    );
    let how = Reproduce { dry: true, ..Reproduce::default() };
    let outcomes = project.reproduce_with(&how, &mut Seen::default()).expect("plans");
    assert_eq!(outcomes.iter().map(|it| it.1).collect::<Vec<_>>(), [Outcome::Planned, Outcome::Planned]);
    assert!(!project.has("a") && !project.has("dvc.lock"));
}

#[test]
fn a_stage_can_be_cancelled() {
    let project = Project::new();
    project.write("dvc.yaml", "stages:\n  s:\n    cmd: sleep 60\n");
    let how = Reproduce { cancel: Some(Arc::new(AtomicBool::new(true))), ..Reproduce::default() };
    let error = project.reproduce_with(&how, &mut Seen::default()).expect_err("stops");
    assert_eq!(error.to_string(), "stage 's' was interrupted");
}

/// Entry point of the process that [`a_killed_reproduction_is_repaired_by_the_next`] starts and that its
/// stages kill. Does nothing when run as a test of its own.
#[test]
#[allow(clippy::disallowed_methods)] // the parent test hands over the directory
fn killed_child() {
    if let Ok(dir) = std::env::var("LEMNIS_TEST_KILLED_DIR") {
        let repo = Repo::discover(dir.as_ref(), &Environment::default()).expect("is a repository");
        let _ = lemnis_data::reproduce(&repo, &Reproduce::default(), &mut Seen::default());
    }
}

#[test]
#[allow(clippy::disallowed_methods)] // starts this very test binary
fn a_killed_reproduction_is_repaired_by_the_next() {
    for (place, script) in [
        ("before the output", "KILL; echo 1 > o"),
        ("inside the output", "mkdir o; echo 1 > o/a; KILL; echo 2 > o/b"),
        ("after the output", "echo 1 > o; KILL"),
        (
            "while the command goes on",
            "test -e killed || { touch killed; kill -9 $PPID; sleep 60; }; echo 1 > o",
        ),
    ] {
        let project = Project::new();
        let kill = "{ test -e killed || { touch killed; kill -9 $PPID; }; }";
        let command = script.replace("KILL", kill);
        project.write("in", "x\n");
        project.write(
            "dvc.yaml",
            &format!("stages:\n  first:\n    cmd: cp in p\n    deps: [in]\n    outs: [p]\n  s:\n    cmd: '{command}'\n    deps: [p]\n    outs: [o]\n"),
        );
        let status = Command::new(std::env::current_exe().expect("this binary"))
            .args(["killed_child", "--exact"])
            .env("LEMNIS_TEST_KILLED_DIR", project.path())
            .output()
            .expect("starts");
        assert!(!status.status.success(), "{place}: was killed");
        assert!(!project.read("dvc.lock").contains("path: o"), "{place}: no entry");
        let outcomes = project.reproduce().expect("reproduces");
        assert_eq!(outcome(&outcomes, "first"), Outcome::Skipped, "{place}");
        assert_eq!(outcome(&outcomes, "s"), Outcome::Ran, "{place}");
        assert_eq!(project.status(), "{}", "{place}");
    }
}

#[test]
fn deleted_and_damaged_outputs_come_back_from_the_cache() {
    let project = ready();
    project.remove("models");
    project.write("data/imgs/x", "changed\n");
    project.remove("data/raw/t.csv");
    let repo = project.repo();
    let error = checkout(&repo, &[], CheckoutOptions::default()).expect_err("unsaved edits are kept");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(!project.has("models/m/a"), "nothing is touched before all is judged");
    assert_eq!(project.read("data/imgs/x"), "changed\n");
    checkout(&repo, &[], CheckoutOptions { force: true, ..CheckoutOptions::default() }).expect("checks out");
    assert_eq!(project.read("data/imgs/x"), "1\n");
    assert_eq!(project.status(), "{}");
}

#[test]
fn a_damaged_object_is_not_believed() {
    let project = ready();
    let object = project.path().join(".dvc/cache/files/md5/e5/ebd4c02cefbe7955977c67ada242b7");
    fs::set_permissions(&object, fs::Permissions::from_mode(0o644)).expect("chmod");
    fs::write(&object, "garbage").expect("writes");
    assert!(project.status().contains("not in cache"));
    assert!(!object.exists());
    project.add(&["data/raw/t.csv"]).expect("adds again");
    assert_eq!(fs::metadata(&object).expect("is back").permissions().mode() & 0o7777, 0o444);
}

#[test]
fn a_hard_linked_output_is_replaced_and_never_written_through() {
    let project = Project::new();
    project.write(".dvc/config", "[cache]\n    type = hardlink\n");
    project.write("n", "1\n");
    project.write("dvc.yaml", "stages:\n  s:\n    cmd: cat n > o\n    deps: [n]\n    outs: [o]\n");
    project.reproduce().expect("reproduces");
    let first = fs::metadata(project.path().join("o")).expect("stat");
    assert_eq!((first.nlink(), first.permissions().mode() & 0o777), (2, 0o444));
    project.write("n", "2\n");
    project.reproduce().expect("reproduces");
    project.write("n", "1\n");
    assert_eq!(outcome(&project.reproduce().expect("reproduces"), "s"), Outcome::Restored);
    assert_eq!(project.read("o"), "1\n");
}

#[test]
fn a_hard_linked_program_can_still_be_run() {
    let project = Project::new();
    project.write(".dvc/config", "[cache]\n    type = hardlink\n");
    project.write("n", "true\n");
    // the metric is kept with the run, and holds what the program holds
    project.write(
        "dvc.yaml",
        "stages:\n  s:\n    cmd: cp n o && chmod +x o && cp n m\n    deps: [n]\n    outs: [o]\n    metrics: [{m: {cache: false}}]\n",
    );
    project.reproduce().expect("reproduces");
    let meta = fs::metadata(project.path().join("o")).expect("stat");
    assert_eq!((meta.nlink(), meta.permissions().mode() & 0o7777), (2, 0o544));
}

#[test]
fn paths_are_recorded_as_they_are_written() {
    let project = Project::new();
    project.write("n", "1\n").write("d/f", "2\n").write("t.toml", "x = 1\nday = 1979-05-27\n");
    project.write(
        "dvc.yaml",
        "stages:\n  s:\n    cmd: cat n > o\n    deps: [./n, d/, d/../n, ./n]\n    outs: [./o, ./o]\n    params: [./t.toml: [x]]\n",
    );
    project.reproduce().expect("a date that nobody asks for is in nobody's way");
    let lock = project.read("dvc.lock");
    let paths: Vec<&str> = lock.lines().filter_map(|line| line.trim().strip_prefix("- path: ")).collect();
    assert_eq!(paths, ["./n", "./n", "d/", "d/../n", "./o"]);
    assert!(lock.contains("./t.toml:\n        x: 1\n"), "{lock}");
    assert_eq!(project.status(), "{}");
    assert_eq!(outcome(&project.reproduce().expect("reproduces"), "s"), Outcome::Skipped);
    project.write("dvc.yaml", "stages:\n  s:\n    cmd: echo 1\n    params: [t.toml: [day]]\n");
    assert!(project.reproduce().expect_err("no date is recorded").to_string().contains("1979-05-27"));
}

#[test]
fn truths_in_names_are_spelt_as_python_does_where_they_come_from_an_expression() {
    let project = Project::new();
    project.write("params.yaml", "b: true\nbs: [true, false]\n");
    project.write(
        "dvc.yaml",
        "stages:\n  a: {foreach: '${bs}', do: {cmd: 'echo ${item}'}}\n  l: {foreach: [true, '${b}'], do: {cmd: echo}}\n  m: {matrix: {x: ['${b}'], y: [false]}, cmd: echo}\n",
    );
    let names: Vec<String> =
        pipeline(&project.repo()).expect("reads").stages.into_iter().map(|stage| stage.name).collect();
    assert_eq!(names, ["a@True", "a@False", "l@true", "l@True", "m@True-false"]);
    project.write("dvc.yaml", "stages: {}\nplots: ['${missing}']\n");
    assert!(pipeline(&project.repo()).is_err());
}

#[test]
fn a_stage_that_is_defined_anew_runs_or_is_restored() {
    let project = Project::new();
    project.write("n", "1\n");
    let define = |uncached: &str| {
        project.write(
            "dvc.yaml",
            &format!("stages:\n  s:\n    cmd: cat n > o\n    deps: [n]\n    outs: [o{uncached}]\n"),
        );
    };
    let anew = Reproduce { anew: true, ..Reproduce::default() };
    let run = |how: &Reproduce| {
        outcome(&project.reproduce_with(how, &mut Seen::default()).expect("reproduces"), "s")
    };
    define(": {cache: false}");
    // a result with an output that is not cached is not kept
    assert_eq!(
        [run(&anew), run(&anew), run(&Reproduce::default())],
        [Outcome::Ran, Outcome::Ran, Outcome::Skipped]
    );
    define("");
    project.remove("o");
    assert_eq!([run(&anew), run(&anew)], [Outcome::Ran, Outcome::Restored]);
}

#[test]
fn comments_and_annotations_of_a_dvc_file_survive() {
    let project = ready();
    let text = project.read("data/raw/t.csv.dvc");
    project.write("data/raw/t.csv.dvc", &format!("# keep\n{text}  desc: rows # why\n"));
    project.write("data/raw/t.csv", "new\n");
    project.add(&["data/raw/t.csv"]).expect("adds");
    let text = project.read("data/raw/t.csv.dvc");
    assert!(text.starts_with("# keep\n") && text.ends_with("  desc: rows # why\n"), "{text}");
}

#[test]
fn views_tell_what_is_recorded() {
    let project = ready();
    let repo = project.repo();
    let names: Vec<String> =
        pipeline(&repo).expect("reads").stages.into_iter().map(|stage| stage.name).collect();
    let at = |name: &str| names.iter().position(|other| other == name).unwrap_or_else(|| panic!("no {name}"));
    assert!(
        at("data/raw/t.csv.dvc") < at("prepare")
            && at("prepare") < at("train")
            && at("train") < at("evaluate")
    );
    let digest =
        |path: &str| digest_of(&repo, path.as_ref()).expect("reads").map(|digest| digest.to_string());
    assert_eq!(digest("data/raw/t.csv").as_deref(), Some("md5:e5ebd4c02cefbe7955977c67ada242b7"));
    assert_eq!(digest("data/imgs/sub/y").as_deref(), Some("md5:26ab0db90d72e28ad0ba1e22ee510510"));
    assert_eq!(digest("nowhere"), None);
    assert_eq!(repo.params().expect("reads")["train"]["lr"], 0.1);
}

#[test]
fn bad_pipelines_are_refused_before_anything_runs() {
    for (body, wanted) in [
        ("stages:\n  s:\n    cmd: x\n    foreach: [1]\n", "dvc.yaml:3: stage 's' has the unknown key 'cmd'"),
        (
            "stages:\n  s:\n    cmd: x\n    matrix: {a: 1}\n",
            "dvc.yaml:4: the matrix axis 'a' must be a list, not int",
        ),
        (
            "stages:\n  s:\n    foreach: ${nope}\n    do: {cmd: x}\n",
            "dvc.yaml:3: 'nope' is not defined in params.yaml or vars",
        ),
        (
            "stages:\n  s:\n    foreach: [a]\n    do: {cmd: x, vars: [item: 1]}\n",
            "dvc.yaml:4: 'item' is set by the group and cannot be defined again",
        ),
        ("vars: ['${x}']\n", "dvc.yaml:1: 'vars' cannot hold '${…}'"),
        ("vars: [none.yaml]\n", "dvc.yaml:1: cannot load 'none.yaml': the file does not exist"),
        ("plots: [{p: {z: 1}}]\n", "dvc.yaml:1: the plot 'p' has the unknown key 'z'"),
        ("artifacts: {m: {type: model}}\n", "dvc.yaml:1: the artifact 'm' has no 'path'"),
        ("stages:\n  s:\n    cmd: x\n    deps: [1]\n", "dvc.yaml:4: a dependency must be a string, not int"),
        (
            "stages:\n  s:\n    cmd: x\n    output: [1]\n",
            "dvc.yaml:4: stage 's' has the unknown key 'output'",
        ),
        ("stages:\n  s:\n    outs: [o]\n", "dvc.yaml:2: stage 's' has no 'cmd'"),
        (
            "stages:\n  s:\n    cmd: x\n    outs: [../o]\n",
            "dvc.yaml:4: the output '../o' lies outside the repository",
        ),
        (
            "stages:\n  s:\n    cmd: x\n    outs: [/etc/o]\n",
            "dvc.yaml:4: the output '/etc/o' lies outside the repository",
        ),
        (
            "stages:\n  s:\n    cmd: x\n    outs: [.git/o]\n",
            "dvc.yaml:4: the output '.git/o' lies in a directory that is not for data",
        ),
        ("stages:\n  s:\n    cmd: x\n    outs:\n    - o: {cache: ${x}}\n", "dvc.yaml:5: "),
        ("stages:\n  s:\n    cmd: x ${nope}\n", "dvc.yaml:3: 'nope' is not defined in params.yaml or vars"),
        (
            "stages:\n  a@b:\n    cmd: x\n",
            "dvc.yaml:2: the stage name 'a@b' may not be empty or hold '@' or ':'",
        ),
        (
            "stages:\n  a:\n    cmd: x\n    outs: [o]\n  b:\n    cmd: y\n    outs: [o]\n",
            "dvc.yaml:5: the output 'o' belongs to both 'a' and 'b'",
        ),
        (
            "stages:\n  a:\n    cmd: x\n    outs: [o]\n  b:\n    cmd: y\n    outs: [o/p]\n",
            "dvc.yaml:5: the output 'o/p' of 'b' lies inside the output 'o' of 'a'",
        ),
        (
            "stages:\n  a:\n    cmd: x\n    deps: [p]\n    outs: [o]\n  b:\n    cmd: y\n    deps: [o]\n    outs: [p]\n",
            "dvc.yaml:6: 'b' and 'a' depend on each other",
        ),
        (
            "stages:\n  a:\n    cmd: x\n    deps: [o]\n    outs: [o]\n",
            "dvc.yaml:2: stage 'a' names 'o' twice",
        ),
        ("stages:\n  a:\n    cmd: x\n  a:\n    cmd: y\n", "dvc.yaml:4: the key 'a' stands twice"),
    ] {
        let project = Project::new();
        project.write("dvc.yaml", body);
        let error = project.reproduce().expect_err(body);
        assert!(error.to_string().starts_with(wanted), "{body}\ngave {error}");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{body}");
    }
}

#[test]
fn bad_targets_are_refused() {
    let project = ready();
    project.write("sub/f", "1").write("a.dvc", "").write(".dvcignore", "*.tmp\n").write("x.tmp", "1");
    std::os::unix::fs::symlink("/tmp", project.path().join("away")).expect("links");
    std::os::unix::fs::symlink("loop", project.path().join("loop")).expect("links");
    fs::create_dir(project.path().join("dangling")).expect("creates");
    std::os::unix::fs::symlink("nowhere", project.path().join("dangling/l")).expect("links");
    for (target, wanted) in [
        ("nothing", "does not exist"),
        ("/etc/hostname", "lies outside the repository"),
        ("../x", "lies outside the repository"),
        (".dvc/config", "belongs to the repository itself"),
        ("a.dvc", "is a DVC file"),
        ("prep.csv", "which the stage 'prepare' makes"),
        ("data/imgs/none", "does not exist"),
        ("data", "lies inside the output 'data'"),
        ("x.tmp", "is ignored by .dvcignore"),
        ("dangling", "cannot follow the link"),
        ("loop", "loop"),
    ] {
        let error = project.add(&[target]).expect_err(target).to_string();
        assert!(error.contains(wanted), "{target} gave {error}");
        assert!(!project.has(&format!("{target}.dvc")) || target == "a.dvc", "{target} left a .dvc file");
    }
    assert_eq!(project.status(), "{}", "nothing half-made");
}

#[test]
fn what_git_tracks_is_not_taken_over() {
    let project = Project::new();
    project.write("f", "1");
    assert!(
        Command::new("git").args(["add", "f"]).current_dir(project.path()).status().expect("git").success()
    );
    let error = project.add(&["f"]).expect_err("refuses");
    assert_eq!(error.to_string(), "'f' is already tracked by git");
    assert!(error.hint().expect("hint").contains("git rm -r --cached 'f'"));
    assert!(!project.has(".gitignore") && !project.has("f.dvc"));
}

#[test]
fn a_repository_needs_a_place_of_its_own() {
    let dir = tempfile::tempdir().expect("temp dir");
    assert_eq!(
        Repo::init(dir.path(), InitOptions::default(), &Environment::default()).expect_err("no git").kind(),
        ErrorKind::Invalid
    );
    assert_eq!(
        Repo::discover(dir.path(), &Environment::default()).expect_err("none").kind(),
        ErrorKind::NotFound
    );
    assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 0, "nothing half-made");
    Repo::init(dir.path(), InitOptions { no_scm: true, ..InitOptions::default() }, &Environment::default())
        .expect("initialises");
    assert_eq!(
        Repo::init(
            dir.path(),
            InitOptions { no_scm: true, ..InitOptions::default() },
            &Environment::default()
        )
        .expect_err("twice")
        .kind(),
        ErrorKind::AlreadyExists
    );
}

#[test]
fn a_forced_init_begins_anew_and_a_sub_repository_must_be_asked_for() {
    let project = Project::new();
    project.write("f", "1").write(".dvc/config", "[core]\n    autostage = true\n").add(&["f"]).expect("adds");
    let none = Environment::default();
    let forced = InitOptions { force: true, ..InitOptions::default() };
    Repo::init(project.path(), forced, &none).expect("replaces");
    assert_eq!(project.read(".dvc/config"), "");
    assert!(!project.has(".dvc/cache") && project.has("f.dvc") && project.has("f"));
    let below = project.path().join("sub");
    fs::create_dir(&below).expect("creates");
    assert!(Repo::init(&below, InitOptions::default(), &none).is_err());
    let subdir = InitOptions { subdir: true, ..InitOptions::default() };
    let inner = Repo::init(&below, subdir, &none).expect("initialises");
    assert_eq!(inner.root(), below);
}

#[test]
fn destruction_leaves_the_data() {
    let project = Project::new();
    project.write(".dvc/config", "[cache]\n    type = symlink\n").write("d/x", "1");
    project.write("dvc.yaml", "stages:\n  s:\n    cmd: cp d/x y\n    deps: [d/x]\n    outs: [y]\n");
    project.add(&["d"]).expect("adds");
    project.reproduce().expect("runs");
    assert_eq!(lemnis_data::destroy(project.repo()).expect("destroys"), 2);
    for gone in [".dvc", ".dvcignore", "d.dvc", "dvc.yaml", "dvc.lock"] {
        assert!(!project.has(gone), "{gone}");
    }
    assert_eq!((project.read("d/x").as_str(), project.read("y").as_str()), ("1", "1"));
}

#[test]
fn the_pattern_that_decides_is_named_with_its_line() {
    let project = Project::new();
    project.write(".dvcignore", "# temporary\n*.tmp\n!keep.tmp\nlogs/\n").write("s/.dvcignore", "foo\n");
    let look = |target: &str| lemnis_data::check_ignore(&project.repo(), target).expect("looks");
    assert_eq!(look("s/x.tmp").patterns, [".dvcignore:2:*.tmp"]);
    assert!(!look("keep.tmp").ignored);
    assert_eq!(look("keep.tmp").patterns, [".dvcignore:3:!keep.tmp"]);
    assert_eq!(look("logs/x/y").patterns, [".dvcignore:4:logs/"]);
    assert_eq!(look("s/foo").patterns, ["s/.dvcignore:1:foo"]);
    assert_eq!(look("foo").patterns, Vec::<String>::new());
}
