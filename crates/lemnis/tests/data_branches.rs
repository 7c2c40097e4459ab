//! Branches of data as they are typed: merged by path, judged by the real DVC, killed on the way.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on ends"
)]

mod support;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use serde_json::Value;
use support::{clean, json, lemnis, python, run, stderr};

/// A repository with Git, data and linked files.
struct Repo {
    dir: tempfile::TempDir,
}

impl Repo {
    fn new() -> Self {
        let repo = Self { dir: tempfile::tempdir().unwrap() };
        repo.git(&["init", "-q", "-b", "main"]);
        repo.git(&["config", "user.name", "Ada"]);
        repo.git(&["config", "user.email", "ada@example.org"]);
        repo.lemnis(&["init"]);
        repo.lemnis(&["config", "cache.type", "hardlink"]);
        repo
    }

    /// With a tracked directory, a tracked file and a pipeline of one stage, committed.
    fn filled() -> Self {
        let repo = Self::new();
        for (name, text) in [("a", "1"), ("b", "1"), ("sub/c", "1")] {
            repo.write(&format!("data/raw/{name}.txt"), text);
        }
        repo.write("labels.csv", "id,label\n1,x\n");
        repo.lemnis(&["add", "data/raw", "labels.csv"]);
        repo.write("code.py", "one\n\n\n\n\n\n\n\ntwo\n");
        repo.write("notes.txt", "1\n");
        repo.write(
            "dvc.yaml",
            "stages:\n  count:\n    cmd: mkdir -p out && cat labels.csv > out/labels && wc -l < labels.csv > out/n\n    \
             deps: [labels.csv]\n    outs: [out]\n  note:\n    cmd: cp notes.txt note.out\n    deps: [notes.txt]\n    \
             outs: [note.out]\n",
        );
        repo.lemnis(&["repro"]);
        repo.commit("start");
        repo
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        clean(&mut command, self.path());
        let output = command.arg("-C").arg(self.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", stderr(&output));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn lemnis(&self, arguments: &[&str]) -> String {
        let output = run(self.path(), arguments);
        assert!(output.status.success(), "lemnis {arguments:?}: {}", stderr(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        json(self.path(), arguments)
    }

    fn fails(&self, arguments: &[&str]) -> Output {
        let output = run(self.path(), arguments);
        assert!(!output.status.success(), "lemnis {arguments:?} succeeded");
        output
    }

    /// Writes a file that may be a link to the cache.
    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::remove_file(&path).ok();
        fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn has(&self, name: &str) -> bool {
        self.path().join(name).exists()
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path().join(name)).unwrap();
    }

    /// Records all data and commits.
    fn commit(&self, message: &str) {
        self.lemnis(&["commit", "-f"]);
        self.git(&["add", "-A"]);
        self.git(&["commit", "-qm", message]);
    }

    /// HEAD, Git's view of the work tree, and all data.
    fn state(&self) -> (String, String, String) {
        let status = String::from_utf8_lossy(&run(self.path(), &["status", "--json"]).stdout).into_owned();
        (self.git(&["rev-parse", "HEAD"]), self.git(&["status", "--porcelain"]), status)
    }
}

/// The real DVC finds the repository clean, and makes the same data of it elsewhere.
fn dvc_agrees(test: &str, repo: &Repo) {
    let Some(python) = python(test) else { return };
    let dvc = |dir: &Path, arguments: &[&str]| {
        let mut command = Command::new(python.with_file_name("dvc"));
        clean(&mut command, repo.path());
        let site = repo.path().join(".git/site");
        command.env("DVC_NO_ANALYTICS", "1").env("DVC_SITE_CACHE_DIR", site);
        let output = command.args(arguments).current_dir(dir).output().unwrap();
        assert!(output.status.success(), "dvc {arguments:?}: {}", stderr(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let data = dvc(repo.path(), &["data", "status", "--json"]);
    let data: Value = serde_json::from_str(&data).unwrap();
    for kind in ["committed", "uncommitted", "not_in_cache"] {
        assert!(data.get(kind).is_none_or(|changes| changes == &serde_json::json!({})), "{data}");
    }
    let clone = tempfile::tempdir().unwrap();
    let there = clone.path().join("clone");
    repo.git(&["clone", "-q", repo.path().to_str().unwrap(), there.to_str().unwrap()]);
    let cache = repo.path().join(".dvc/cache");
    dvc(&there, &["cache", "dir", "--local", cache.to_str().unwrap()]);
    dvc(&there, &["checkout"]);
    for name in ["data/raw/a.txt", "data/raw/b.txt", "labels.csv", "out/labels", "note.out"] {
        let (here, there) = (repo.path().join(name), there.join(name));
        assert_eq!(fs::read(here).ok(), fs::read(there).ok(), "{name}");
    }
}

#[test]
fn a_branch_is_listed_with_its_data_made_and_deleted() {
    let repo = Repo::filled();
    repo.lemnis(&["data", "branch", "prices"]);
    repo.lemnis(&["data", "switch", "prices"]);
    repo.write("data/raw/a.txt", "22");
    repo.commit("new a");
    let listed = repo.json(&["data", "branch"]);
    let branch =
        |name: &str| listed.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone();
    let output = |name: &str, path: &str| {
        let outputs = branch(name)["outputs"].as_array().unwrap().clone();
        outputs.into_iter().find(|one| one["path"] == path).unwrap()
    };
    assert_eq!((&branch("prices")["current"], &branch("main")["current"]), (&true.into(), &false.into()));
    let (old, new) = (output("main", "data/raw"), output("prices", "data/raw"));
    assert_ne!(old["digest"], new["digest"]);
    assert_eq!((&new["files"], &new["size_bytes"], &old["size_bytes"]), (&3.into(), &4.into(), &3.into()));
    assert_eq!(
        (&new["last_change"]["subject"], &old["last_change"]["subject"]),
        (&"new a".into(), &"start".into())
    );
    assert_eq!(output("prices", "out")["last_change"]["subject"], "start");
    assert!(repo.lemnis(&["data", "branch"]).contains("* prices"));

    let error = stderr(&repo.fails(&["data", "branch", "--delete", "prices"]));
    assert!(error.contains("checked out") && error.contains("hint"), "{error}");
    repo.lemnis(&["data", "switch", "main"]);
    assert!(stderr(&repo.fails(&["data", "branch", "-d", "prices"])).contains("--force"));
    assert!(stderr(&repo.fails(&["data", "branch", "prices"])).contains("already"));
    repo.lemnis(&["data", "branch", "-d", "-f", "prices"]);
    assert!(stderr(&repo.fails(&["data", "branch", "--list", "prices"])).contains("no branch"));
    assert!(stderr(&repo.fails(&["data", "branch", "a..b"])).contains("cannot be the name"));
}

#[test]
fn a_switch_links_the_data_of_the_branch_and_loses_nothing() {
    let repo = Repo::filled();
    repo.lemnis(&["data", "switch", "--create", "prices"]);
    repo.write("data/raw/new.txt", "new");
    repo.remove("data/raw/b.txt");
    repo.commit("prices");
    repo.lemnis(&["data", "switch", "main"]);
    assert!(!repo.has("data/raw/new.txt") && repo.has("data/raw/b.txt"));
    assert!(fs::metadata(repo.path().join("data/raw/a.txt")).unwrap().nlink() > 1, "a link, not a copy");
    assert_eq!(repo.state().2.trim(), "{}");

    repo.write("data/raw/a.txt", "not saved");
    let before = repo.state();
    let error = stderr(&repo.fails(&["data", "switch", "prices"]));
    assert!(error.contains("data/raw/a.txt") && error.contains("hint"), "{error}");
    assert_eq!(repo.state(), before);
    repo.lemnis(&["checkout", "--force"]);
    repo.lemnis(&["data", "switch", "prices"]);
    assert!(repo.has("data/raw/new.txt") && !repo.has("data/raw/b.txt"));

    // What the cache lacks is said before anything moves.
    repo.lemnis(&["data", "switch", "main"]);
    let cached = repo.path().join(".dvc/cache/files/md5");
    let object = walk(&cached).into_iter().find(|path| fs::read_to_string(path).unwrap() == "new").unwrap();
    fs::remove_file(object).unwrap();
    let before = repo.state();
    assert!(stderr(&repo.fails(&["data", "switch", "prices"])).contains("the cache lacks 1 object"));
    assert_eq!(repo.state(), before);
}

fn walk(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

/// Two branches that changed different files of one directory, one tracked file, and different stages.
fn diverged() -> Repo {
    let repo = Repo::filled();
    repo.lemnis(&["data", "switch", "-c", "theirs"]);
    repo.write("data/raw/b.txt", "2");
    repo.write("data/raw/new.txt", "new");
    repo.remove("data/raw/sub/c.txt");
    repo.write("labels.csv", "id,label\n1,x\n2,y\n");
    repo.write("code.py", "one\n\n\n\n\n\n\n\nTWO\n");
    repo.lemnis(&["add", "labels.csv"]);
    repo.lemnis(&["repro"]);
    repo.commit("theirs");
    repo.lemnis(&["data", "switch", "main"]);
    repo.write("data/raw/a.txt", "2");
    repo.write("notes.txt", "2\n");
    repo.write("code.py", "ONE\n\n\n\n\n\n\n\ntwo\n");
    repo.lemnis(&["repro"]);
    repo.commit("ours");
    repo
}

#[test]
fn both_sides_come_together_by_path_and_dvc_agrees() {
    let repo = diverged();
    let dry = repo.json(&["data", "merge", "theirs", "--dry-run"]);
    assert_eq!((&dry["commit"], &dry["conflicts"]), (&Value::Null, &serde_json::json!([])));
    let before = repo.state();
    let merged = repo.json(&["data", "merge", "theirs", "-m", "both"]);
    assert_ne!(repo.state().0, before.0);
    assert_eq!(dry["outputs"], merged["outputs"]);
    let raw = merged["outputs"].as_array().unwrap().iter().find(|one| one["path"] == "data/raw").unwrap();
    assert_eq!(
        (&raw["added"], &raw["modified"], &raw["deleted"]),
        (&1.into(), &1.into(), &1.into()),
        "{merged}"
    );
    assert_eq!(repo.read("data/raw/a.txt") + &repo.read("data/raw/b.txt"), "22");
    assert!(repo.has("data/raw/new.txt") && !repo.has("data/raw/sub/c.txt"));
    assert_eq!(repo.read("labels.csv"), "id,label\n1,x\n2,y\n");
    assert_eq!(repo.read("out/labels"), repo.read("labels.csv"));
    assert_eq!(
        (repo.read("note.out").as_str(), repo.read("code.py").as_str()),
        ("2\n", "ONE\n\n\n\n\n\n\n\nTWO\n")
    );
    let (_, git, data) = repo.state();
    assert_eq!((git.as_str(), data.trim()), ("", "{}"));
    assert_eq!(repo.git(&["log", "-1", "--format=%s %p"]).split(' ').count(), 3);
    assert!(fs::metadata(repo.path().join("data/raw/b.txt")).unwrap().nlink() > 1, "a link, not a copy");
    dvc_agrees("dvc on a merge", &repo);
    assert_eq!(repo.json(&["data", "merge", "theirs"])["up_to_date"], true);
    // The same object as of adding the merged directory.
    repo.lemnis(&["add", "data/raw"]);
    assert_eq!(repo.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_merge_into_another_branch_leaves_the_workspace_alone() {
    let repo = diverged();
    repo.lemnis(&["data", "switch", "-c", "third"]);
    let before = repo.state();
    let merged = repo.json(&["data", "merge", "theirs", "--into", "main"]);
    assert_eq!(repo.state(), before);
    assert_eq!(repo.git(&["rev-parse", "main"]), merged["commit"].as_str().unwrap());
    repo.lemnis(&["data", "switch", "main"]);
    assert!(repo.has("data/raw/new.txt"));
    assert_eq!(repo.state().2.trim(), "{}");
}

/// Two branches that changed the same file of a directory, the same tracked file, and the inputs of the same stage.
fn conflicting() -> Repo {
    let repo = Repo::filled();
    repo.lemnis(&["data", "switch", "-c", "theirs"]);
    for (text, message) in [("theirs", "theirs"), ("ours", "ours")] {
        repo.write("data/raw/a.txt", text);
        repo.write(&format!("data/raw/only-{message}.txt"), text);
        repo.write("labels.csv", &format!("id,label\n1,{text}\n"));
        repo.lemnis(&["add", "labels.csv"]);
        repo.lemnis(&["repro"]);
        repo.commit(message);
        repo.lemnis(&["data", "switch", "main"]);
    }
    repo
}

#[test]
fn conflicts_are_named_by_path_and_change_nothing() {
    let repo = conflicting();
    let before = repo.state();
    let output = lemnis(repo.path()).args(["data", "merge", "theirs", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let paths: Vec<&str> =
        report["conflicts"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["data/raw/a.txt", "labels.csv", "out/labels"]);
    assert!(report["conflicts"][0]["base"].as_str().unwrap().starts_with("md5:"));
    assert_eq!(repo.state(), before);
    let said = run(repo.path(), &["data", "merge", "theirs"]);
    assert!(stderr(&said).contains("data/raw/a.txt") && stderr(&said).contains("--strategy"));
}

#[test]
fn a_strategy_settles_conflicts_and_keeps_what_does_not_conflict() {
    for side in ["ours", "theirs"] {
        let repo = conflicting();
        repo.lemnis(&["data", "merge", "theirs", "--strategy", side]);
        assert_eq!(repo.read("data/raw/a.txt"), side);
        assert!(repo.has("data/raw/only-ours.txt") && repo.has("data/raw/only-theirs.txt"));
        assert_eq!(repo.read("labels.csv"), format!("id,label\n1,{side}\n"));
        let (_, git, _) = repo.state();
        assert_eq!(git, "");
        dvc_agrees("dvc on a merge with a strategy", &repo);
        repo.lemnis(&["repro"]);
        assert_eq!(repo.state().2.trim(), "{}");
    }
}

#[test]
fn a_conflict_of_git_and_a_dirty_workspace_are_refused() {
    let repo = diverged();
    repo.write("code.py", "another\n");
    repo.commit("code");
    let before = repo.state();
    let output = lemnis(repo.path()).args(["data", "merge", "theirs", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["conflicts"][0]["path"], &report["conflicts"][0]["kind"]),
        (&"code.py".into(), &"git".into())
    );
    assert_eq!(repo.state(), before);
    repo.git(&["reset", "-q", "--hard", "HEAD~1"]);

    repo.write("code.py", "edited\n");
    assert!(stderr(&repo.fails(&["data", "merge", "theirs"])).contains("not committed: code.py"));
    repo.git(&["checkout", "-q", "code.py"]);
    repo.write("data/raw/a.txt", "edited");
    assert!(stderr(&repo.fails(&["data", "merge", "theirs"])).contains("not committed: data/raw"));
    repo.lemnis(&["checkout", "--force"]);
    repo.lemnis(&["data", "merge", "theirs"]);
}

#[test]
fn a_file_in_the_way_and_data_that_is_not_in_the_cache_are_refused() {
    let repo = Repo::filled();
    repo.lemnis(&["data", "switch", "-c", "theirs"]);
    repo.write("more.csv", "a\n1\n");
    repo.write("doc.md", "text\n");
    repo.lemnis(&["add", "more.csv"]);
    repo.commit("more");
    repo.lemnis(&["data", "switch", "main"]);
    repo.write("notes.txt", "2\n");
    repo.lemnis(&["repro"]);
    repo.commit("ours");
    repo.write("more.csv", "mine\n");
    let before = repo.state();
    assert!(stderr(&repo.fails(&["data", "merge", "theirs"])).contains("more.csv"));
    assert_eq!((repo.state(), repo.read("more.csv").as_str()), (before, "mine\n"));
    repo.remove("more.csv");
    repo.write("doc.md", "mine\n");
    assert!(stderr(&repo.fails(&["data", "merge", "theirs"])).contains("'doc.md' is in the way"));
    repo.remove("doc.md");
    let object = walk(&repo.path().join(".dvc/cache/files/md5"));
    let object = object.into_iter().find(|path| fs::read_to_string(path).unwrap() == "a\n1\n").unwrap();
    fs::remove_file(object).unwrap();
    let before = repo.state();
    assert!(stderr(&repo.fails(&["data", "merge", "theirs"])).contains("the cache lacks 1 object"));
    assert_eq!(repo.state(), before);
}

#[test]
fn killed_at_many_moments_a_merge_leaves_the_old_state_or_the_new_one() {
    let repo = diverged();
    let old = repo.git(&["rev-parse", "HEAD"]);
    let started = Instant::now();
    repo.lemnis(&["data", "merge", "theirs"]);
    let whole = started.elapsed();
    let tree = repo.git(&["rev-parse", "HEAD^{tree}"]);
    let mut outcomes = [0, 0];
    for kill in 0..24u32 {
        repo.git(&["reset", "-q", "--hard", &old]);
        repo.lemnis(&["checkout", "--force"]);
        let mut command = lemnis(repo.path());
        // A group of its own, so that git dies with it.
        command
            .args(["data", "merge", "theirs"])
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(whole * (kill + 1) / 24);
        Command::new("kill").args(["-9", "--", &format!("-{}", child.id())]).output().unwrap();
        child.wait().unwrap();
        // Any command on data finishes what was begun.
        repo.lemnis(&["checkout"]);
        let (head, git, data) = repo.state();
        assert_eq!((git.as_str(), data.trim()), ("", "{}"), "kill {kill}");
        let is_new = repo.git(&["rev-parse", "HEAD^{tree}"]) == tree;
        assert!(is_new || head == old, "kill {kill}");
        assert_eq!(repo.has("data/raw/new.txt"), is_new, "kill {kill}");
        outcomes[usize::from(is_new)] += 1;
    }
    assert!(outcomes[0] > 0, "some kills came before the end");
    repo.git(&["reset", "-q", "--hard", &old]);
    repo.lemnis(&["checkout", "--force"]);
    repo.lemnis(&["data", "merge", "theirs"]);
    assert_eq!(repo.git(&["rev-parse", "HEAD^{tree}"]), tree);
}

#[test]
fn an_interrupted_merge_is_finished_and_a_later_edit_is_kept() {
    let repo = diverged();
    let old = repo.git(&["rev-parse", "HEAD"]);
    repo.lemnis(&["data", "merge", "theirs"]);
    let new = repo.git(&["rev-parse", "HEAD"]);
    repo.git(&["reset", "-q", "--hard", &old]);
    repo.lemnis(&["checkout", "--force"]);
    let note = repo.path().join(".dvc/tmp/lemnis/merge.json");
    let text = serde_json::json!({ "branch": "main", "old": old, "new": new, "why": "merge" }).to_string();
    fs::write(&note, &text).unwrap();
    fs::write(repo.path().join(".git/index.lock"), "").unwrap();
    fs::write(repo.path().join(".git/refs/heads/main.lock"), "").unwrap();
    repo.write("code.py", "edited after the crash\n");
    let error = stderr(&repo.fails(&["checkout"]));
    assert!(error.contains("'code.py' was edited"), "{error}");
    assert_eq!(repo.read("code.py"), "edited after the crash\n");
    // what Git leaves when it is killed while it writes is no edit
    let whole = repo.git(&["show", &format!("{new}:code.py")]);
    repo.write("code.py", &whole[..whole.len() / 2]);
    repo.lemnis(&["data", "branch"]);
    repo.lemnis(&["checkout"]);
    assert_eq!((repo.git(&["rev-parse", "HEAD"]), note.exists()), (new, false));
    assert_eq!((repo.state().1.as_str(), repo.state().2.trim()), ("", "{}"));
}

#[test]
fn the_history_of_a_path_names_only_commits_that_changed_it() {
    let repo = diverged();
    repo.lemnis(&["data", "merge", "theirs", "-m", "both"]);
    repo.lemnis(&["remove", "--outs", "labels.csv.dvc"]);
    repo.git(&["add", "-A"]);
    repo.git(&["commit", "-qm", "gone"]);
    let subjects = |path: &str| -> Vec<String> {
        let log = repo.json(&["data", "log", path]);
        let row =
            |one: &Value| format!("{} {}", one["subject"].as_str().unwrap(), one["kind"].as_str().unwrap());
        log.as_array().unwrap().iter().map(row).collect()
    };
    assert_eq!(subjects("data/raw"), ["both modified", "ours modified", "theirs modified", "start added"]);
    assert_eq!(subjects("data/raw/a.txt"), ["ours modified", "start added"]);
    assert_eq!(subjects("data/raw/sub/c.txt"), ["theirs deleted", "start added"]);
    assert_eq!(subjects("labels.csv"), ["gone deleted", "theirs modified", "start added"]);
    assert_eq!(subjects("note.out"), ["ours modified", "start added"]);
    let log = repo.json(&["data", "log", "data/raw.dvc", "-n", "1"]);
    assert_eq!((log.as_array().unwrap().len(), &log[0]["files"]), (1, &3.into()));
    assert!(stderr(&repo.fails(&["data", "log", "code.py"])).contains("code.py"));
}

#[test]
fn tables_are_compared_between_revisions_inside_directories_and_as_plain_files() {
    let repo = Repo::filled();
    let table = |rows: usize, shift: f64, extra: bool| {
        let mut text = String::from(if extra { "id,price,city,extra\n" } else { "id,price,city\n" });
        for row in 0..rows {
            let city = ["Rome", "Oslo", ""][row % 3];
            text.push_str(&format!("{row},{},{city}", row as f64 * 0.5 + shift));
            text.push_str(if extra { ",true\n" } else { "\n" });
        }
        text
    };
    repo.write("data/raw/prices.csv", &table(300, 0.0, false));
    repo.commit("prices");
    repo.write("data/raw/prices.csv", &table(400, 1000.0, true));
    repo.write("data/raw/broken.csv", "a,b\n1\n");
    repo.commit("more prices");
    let diff = repo.json(&["data", "diff", "HEAD~1", "HEAD", "data/raw/prices.csv", "--drift"]);
    let one = &diff["tables"][0];
    assert_eq!(
        (&one["path"], &one["rows_old"], &one["rows_new"]),
        (&"data/raw/prices.csv".into(), &300.into(), &400.into())
    );
    assert_eq!(one["columns_added"], serde_json::json!([{ "column": "extra", "kind": "bool" }]));
    let price = one["columns"].as_array().unwrap().iter().find(|column| column["column"] == "price").unwrap();
    assert_eq!(
        (&price["old"]["numbers"]["min"], &price["new"]["numbers"]["min"]),
        (&0.0.into(), &1000.0.into())
    );
    assert_eq!(price["old"]["estimated"], false);
    let drifted = one["drift"]["columns"].as_array().unwrap().iter();
    assert!(drifted.clone().any(|column| column["column"] == "price" && column["status"] == "drift"));
    let text = repo.lemnis(&["data", "diff", "HEAD~1", "HEAD"]);
    assert!(text.contains("300 → 400 rows (+100)") && text.contains("columns added: extra (bool)"), "{text}");
    let markdown = repo.lemnis(&["data", "diff", "HEAD~1", "--markdown"]);
    assert!(
        markdown.contains("#### `data/raw/prices.csv`: 300 → 400 rows") && markdown.contains("| column"),
        "{markdown}"
    );

    repo.write("data/raw/broken.csv", "a,b\n1,2,3\n");
    repo.commit("still broken");
    let diff = repo.json(&["data", "diff", "HEAD~1"]);
    assert!(diff["not_compared"][0]["reason"].as_str().unwrap().contains("line 2"), "{diff}");

    let plain = tempfile::tempdir().unwrap();
    fs::write(plain.path().join("old.csv"), table(30, 0.0, false)).unwrap();
    fs::write(plain.path().join("new.csv"), table(30, 0.0, false)).unwrap();
    let diff = json(plain.path(), &["data", "diff", "old.csv", "new.csv"]);
    assert!(diff["tables"][0]["columns"].as_array().unwrap().iter().all(|column| column["changed"] == false));
    let error = stderr(&repo.fails(&["data", "diff", "HEAD", "nosuch", "data/raw"]));
    assert!(error.contains("'nosuch' is no revision"), "{error}");
    // Where the command works does not matter.
    let inner = repo.path().join("data");
    let diff = json(&inner, &["data", "diff", "HEAD~2", "HEAD", "raw/prices.csv"]);
    assert_eq!(diff["tables"][0]["rows_new"], 400);
}

#[test]
fn branches_outlast_linked_worktrees_and_reject_unrelated_history() {
    let repo = diverged();
    let aside = tempfile::tempdir().unwrap();
    let place = aside.path().join("tree");
    repo.git(&["worktree", "add", "-q", place.to_str().unwrap(), "theirs"]);
    let error = stderr(&repo.fails(&["data", "merge", "main", "--into", "theirs"]));
    assert!(error.contains("another work tree"), "{error}");
    repo.git(&["worktree", "remove", "--force", place.to_str().unwrap()]);
    repo.git(&["switch", "-q", "--orphan", "lonely"]);
    repo.git(&["commit", "-q", "--allow-empty", "-m", "lonely"]);
    repo.git(&["switch", "-q", "main"]);
    assert!(stderr(&repo.fails(&["data", "merge", "lonely"])).contains("no common history"));
}
