//! A data command that is killed at any moment loses nothing: every object of the cache is whole, every file for Git
//! can be read, what users made is still there, and the same command, run again, comes to what it would have made.
//!
//! `LEMNIS_KILLS` says how often each command is killed (default 5).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on ends"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use md5::{Digest as _, Md5};
use support::judge::Judge;

/// Numbers that look random and depend on `place` alone.
fn spread(place: u64) -> f64 {
    let mixed = (place + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}

/// A repository with a remote and a shared home beside it.
struct Place {
    _dir: tempfile::TempDir,
    home: PathBuf,
    repo: PathBuf,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("kill-").tempdir().unwrap();
        let home = dir.path().to_path_buf();
        let place = Self { repo: home.join("repo"), home, _dir: dir };
        fs::create_dir(&place.repo).unwrap();
        fs::create_dir(place.home.join("remote")).unwrap();
        let git = Command::new("git").args(["init", "-q"]).current_dir(&place.repo).status().unwrap();
        assert!(git.success());
        place.ok(&["init", "-q"]);
        fs::write(
            place.repo.join(".dvc/config"),
            "[core]\n    remote = there\n['remote \"there\"']\n    url = ../../remote\n",
        )
        .unwrap();
        place
    }

    fn copy(&self) -> Self {
        let dir = tempfile::Builder::new().prefix("kill-").tempdir().unwrap();
        let copied = Command::new("cp").arg("-a").arg(self.home.join(".")).arg(dir.path()).status().unwrap();
        assert!(copied.success());
        let home = dir.path().to_path_buf();
        Self { repo: home.join("repo"), home, _dir: dir }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = support::lemnis(&self.repo);
        command.args(arguments).env("HOME", &self.home);
        command
    }

    fn ok(&self, arguments: &[&str]) {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", support::stderr(&output));
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.repo.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::remove_file(&path).ok();
        fs::write(path, content).unwrap();
    }

    fn fill(&self) {
        for number in 0..60 {
            let line = format!("{number} of the data\n");
            self.write(&format!("data/part{}/f{number}", number % 4), &line.repeat(1 + 400 * (number % 7)));
        }
        self.write("big.bin", &"a line of a larger file\n".repeat(60_000));
    }

    fn remove(&self, path: &str) {
        let path = self.repo.join(path);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }

    /// Every file that is to be the same after a kill and without one, by path.
    fn files(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        walk(&self.home, &self.home, &mut files);
        files.retain(|name, _| {
            !name.starts_with("repo/.git/")
                && !name.starts_with("repo/.dvc/tmp/")
                && !name.starts_with("site/")
        });
        files
    }

    /// The contents that the workspace, the cache or the remote holds.
    fn contents(&self) -> BTreeSet<String> {
        self.files().into_values().collect()
    }
}

fn digest(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn walk(root: &Path, dir: &Path, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.insert(name, digest(&fs::read(&path).unwrap()));
        }
    }
}

/// What must hold at any moment.
fn assert_whole(place: &Place, made: &BTreeSet<String>, what: &str) {
    let files = place.files();
    for (name, digest) in &files {
        let object = name.split_once("files/md5/").map(|(_, rest)| rest);
        if let Some((head, tail)) = object.and_then(|object| object.split_once('/'))
            && head.len() == 2
            && tail.len() >= 30
        {
            let oid = format!("{head}{}", tail.trim_end_matches(".dir"));
            assert_eq!(&oid, digest, "{what}: {name} is torn");
        }
        let path = place.home.join(name);
        if name.ends_with(".dvc") || name.ends_with("dvc.lock") || name.ends_with("dvc.yaml") {
            let text = fs::read_to_string(&path).unwrap();
            let parsed: Result<serde_json::Value, _> = serde_saphyr::from_str(&text);
            assert!(parsed.is_ok_and(|value| value.is_object()), "{what}: {name} is {text:?}");
        }
    }
    let there: BTreeSet<String> = files.into_values().collect();
    let lost: Vec<&String> = made.difference(&there).collect();
    assert!(lost.is_empty(), "{what}: lost {lost:?}");
}

/// A command, and the state in which it has most to do.
struct Case {
    name: &'static str,
    arguments: &'static [&'static str],
    /// What users made: it must not be lost. The command may remove the rest.
    keep: fn(&Place) -> BTreeSet<String>,
    prepare: fn(&Place),
}

const PIPELINE: &str = "stages:
  one: {cmd: sleep 0.05; cat data/part0/* > one.txt, deps: [data], outs: [one.txt]}
  two: {cmd: 'mkdir two; for i in 1 2 3 4 5 6; do cat one.txt > two/$i; echo $i >> two/$i; done', deps: [one.txt], outs: [two]}
  three: {cmd: sleep 0.05; cat two/* > three.txt, deps: [two], outs: [three.txt]}
";

fn all(place: &Place) -> BTreeSet<String> {
    place.contents()
}

/// What the workspace holds.
fn workspace(place: &Place) -> BTreeSet<String> {
    let files = place.files();
    let own = |name: &String| name.starts_with("repo/") && !name.starts_with("repo/.dvc/");
    files.into_iter().filter(|(name, _)| own(name)).map(|(_, digest)| digest).collect()
}

/// The data files alone: records of what was are replaced.
fn data(place: &Place) -> BTreeSet<String> {
    let files = place.files();
    let own = |name: &String| name.starts_with("repo/data/") || name.ends_with("big.bin");
    files.into_iter().filter(|(name, _)| own(name)).map(|(_, digest)| digest).collect()
}

fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "add",
            arguments: &["add", "data", "big.bin"],
            keep: data,
            prepare: |place| place.fill(),
        },
        Case {
            name: "checkout",
            arguments: &["checkout"],
            keep: all,
            prepare: |place| {
                place.fill();
                place.ok(&["add", "-q", "data", "big.bin"]);
                place.remove("data/part1");
                place.remove("big.bin");
                place.write("data/part2/f2", "0 of the data\n");
                place.ok(&["add", "-q", "data"]);
                place.remove("data");
            },
        },
        Case {
            name: "pull",
            arguments: &["pull"],
            keep: all,
            prepare: |place| {
                place.fill();
                place.ok(&["add", "-q", "data", "big.bin"]);
                place.ok(&["push", "-q"]);
                ["data", "big.bin", ".dvc/cache"].iter().for_each(|path| place.remove(path));
            },
        },
        Case {
            name: "push",
            arguments: &["push"],
            keep: all,
            prepare: |place| {
                place.fill();
                place.ok(&["add", "-q", "data", "big.bin"]);
            },
        },
        Case {
            name: "repro",
            arguments: &["repro"],
            keep: data,
            prepare: |place| {
                place.fill();
                place.ok(&["add", "-q", "data", "big.bin"]);
                place.write("dvc.yaml", PIPELINE);
                place.ok(&["repro", "-q"]);
                place.write("data/part0/f4", "another\n");
                place.write("data/part0/new", "new\n");
            },
        },
        Case {
            name: "gc",
            arguments: &["gc", "-w", "-f"],
            keep: workspace,
            prepare: |place| {
                place.fill();
                place.ok(&["add", "-q", "data", "big.bin"]);
                for number in 0..50 {
                    place
                        .write(&format!("data/part{}/f{number}", number % 4), &format!("changed {number}\n"));
                }
                place.ok(&["add", "-q", "data"]);
            },
        },
        Case {
            name: "commit",
            arguments: &["commit", "-f"],
            keep: data,
            prepare: |place| {
                place.fill();
                place.ok(&["add", "-q", "data", "big.bin"]);
                place.write("dvc.yaml", PIPELINE);
                place.ok(&["repro", "-q"]);
                for number in 0..30 {
                    place
                        .write(&format!("data/part{}/f{number}", number % 4), &format!("changed {number}\n"));
                }
                place.write("one.txt", "by hand\n");
            },
        },
        Case {
            name: "move",
            arguments: &["move", "data", "moved"],
            keep: data,
            prepare: |place| {
                place.fill();
                place.ok(&["add", "-q", "data", "big.bin"]);
            },
        },
    ]
}

/// Starts the command and kills it after `delay`; whether it was still running.
fn kill_after(place: &Place, arguments: &[&str], delay: Duration) -> bool {
    let mut child = place
        .command(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + delay;
    while Instant::now() < deadline {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    let killed = child.try_wait().unwrap().is_none();
    child.kill().ok();
    child.wait().unwrap();
    killed
}

fn check(case: &Case, judge: Option<&Judge>, kills: u64) {
    let template = Place::new();
    (case.prepare)(&template);
    let made = (case.keep)(&template);
    let whole = template.copy();
    let started = Instant::now();
    whole.ok(case.arguments);
    let mut length = started.elapsed();
    let expected = whole.files();
    let mut killed = 0u64;
    for number in 0..kills {
        // Evenly spread over the whole length, which follows the machine's load.
        let share = (number as f64 + spread(number)) / kills as f64;
        let delay = length.mul_f64(share);
        let what = format!("{} killed after {delay:?} of {length:?}", case.name);
        let place = template.copy();
        let caught = kill_after(&place, case.arguments, delay);
        killed += u64::from(caught);
        if !caught {
            length = length.mul_f64(0.9);
        } else if share > 0.8 {
            length = length.mul_f64(1.1);
        }
        assert_whole(&place, &made, &what);
        let output = place.command(case.arguments).output().unwrap();
        if case.name == "move" && !output.status.success() && !place.repo.join("data.dvc").exists() {
            // It was already done.
            assert!(support::stderr(&output).contains("data"), "{what}: {}", support::stderr(&output));
        } else {
            assert!(output.status.success(), "{what}, then: {}", support::stderr(&output));
        }
        assert_whole(&place, &made, &format!("{what}, run again"));
        let now = place.files();
        // what a kill at the very end left empty-handed goes with the next transfer
        let differ = |name: &&String| !name.contains("/.lemnis-") && now.get(*name) != expected.get(*name);
        let different: Vec<&String> = now.keys().chain(expected.keys()).filter(differ).collect();
        assert!(different.is_empty(), "{what}, run again: {different:?} differ");
        let output = place.command(&["status", "--json"]).output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            "{}",
            "{what}: {}",
            support::stderr(&output)
        );
        if matches!(case.name, "push" | "pull") {
            place.write("one more", &what);
            place.ok(&["add", "-q", "one more"]);
            place.ok(&["push", "-q"]);
            ["one more", ".dvc/cache"].iter().for_each(|path| place.remove(path));
            place.ok(&["pull", "-q"]);
            let left: Vec<String> =
                place.files().into_keys().filter(|name| name.contains("/.lemnis-")).collect();
            assert!(left.is_empty(), "{what}: {left:?} stay");
        }
        if let Some(judge) = judge {
            let home = place.home.to_str().unwrap().to_owned();
            let site = format!("{home}/site");
            let env = [("HOME", home.as_str()), ("DVC_NO_ANALYTICS", "1"), ("DVC_SITE_CACHE_DIR", &site)];
            let env: Vec<(String, String)> =
                env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let said = judge.run(&place.repo, &env, &["status", "--json"]);
            assert_eq!((said.code, said.out.trim()), (0, "{}"), "{what}: dvc: {}", said.err);
        }
    }
    eprintln!("{}: caught {killed} of {kills} times within {length:?}", case.name);
}

fn run(name: &str) {
    let kills = std::env::var("LEMNIS_KILLS").map_or(5, |text| text.parse().unwrap());
    let judge = support::python(name).map(|python| Judge::start(&python));
    let case = cases().into_iter().find(|case| case.name == name).unwrap();
    check(&case, judge.as_ref(), kills);
}

#[test]
fn add_survives_a_kill() {
    run("add");
}

#[test]
fn checkout_survives_a_kill() {
    run("checkout");
}

#[test]
fn pull_survives_a_kill() {
    run("pull");
}

#[test]
fn push_survives_a_kill() {
    run("push");
}

#[test]
fn repro_survives_a_kill() {
    run("repro");
}

#[test]
fn gc_survives_a_kill() {
    run("gc");
}

#[test]
fn commit_survives_a_kill() {
    run("commit");
}

#[test]
fn move_survives_a_kill() {
    run("move");
}
