//! Broken, hostile or inaccessible data gets an error that says where and how to mend it; the user's bytes stay, and
//! nothing wrong is taken for right.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on ends"
)]

mod support;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::{run, stderr};

/// A data repository without Git in a directory of its own.
fn repo() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    made(dir.path());
    dir
}

fn made(dir: &Path) {
    let output = run(dir, &["init", "-q", "--no-scm"]);
    assert!(output.status.success(), "{}", stderr(&output));
}

fn ok(dir: &Path, arguments: &[&str]) {
    let output = run(dir, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
}

/// Fails as DVC's verbs do, and says all of `parts`.
fn refused(dir: &Path, arguments: &[&str], parts: &[&str]) {
    said(&run(dir, arguments), parts);
}

fn said(output: &Output, parts: &[&str]) {
    let text = stderr(output);
    // which of them depends on the verb, as in DVC
    assert!(matches!(output.status.code(), Some(1 | 251 | 255)), "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

/// The objects of a cache or remote.
fn objects(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![root.join("files/md5")];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { waiting.push(path) } else { found.push(path) }
        }
    }
    found
}

fn cache(dir: &Path) -> Vec<PathBuf> {
    objects(&dir.join(".dvc/cache"))
}

/// Damages an object; `trusted` leaves it the mode of a sound one.
fn damage(path: &Path, bytes: &[u8], trusted: bool) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
    if trusted {
        fs::set_permissions(path, fs::Permissions::from_mode(0o444)).unwrap();
    }
}

#[test]
fn a_damaged_object_is_not_checked_out_and_the_workspace_heals_the_cache() {
    let dir = repo();
    fs::write(dir.path().join("a"), "good\n").unwrap();
    ok(dir.path(), &["add", "a"]);
    damage(&cache(dir.path())[0], b"bad\n", false);
    fs::rename(dir.path().join("a"), dir.path().join("kept")).unwrap();
    refused(dir.path(), &["checkout"], &["the cache lacks objects of 'a'", "hint: pull the data"]);
    assert!(!dir.path().join("a").exists());
    fs::rename(dir.path().join("kept"), dir.path().join("a")).unwrap();
    ok(dir.path(), &["commit", "-f"]);
    assert_eq!(fs::read_to_string(&cache(dir.path())[0]).unwrap(), "good\n");
}

#[test]
fn a_truncated_directory_object_is_not_believed() {
    let dir = repo();
    fs::create_dir(dir.path().join("d")).unwrap();
    fs::write(dir.path().join("d/a"), "good\n").unwrap();
    ok(dir.path(), &["add", "d"]);
    let object = cache(dir.path()).into_iter().find(|path| path.extension().is_some()).unwrap();
    let bytes = fs::read(&object).unwrap();
    damage(&object, &bytes[..20], true);
    fs::rename(dir.path().join("d"), dir.path().join("kept")).unwrap();
    refused(dir.path(), &["checkout"], &["the cache lacks objects of 'd'", "hint: pull the data"]);
    refused(dir.path(), &["gc", "-w", "-f", "--not-in-remote"], &["remote"]);
    assert!(!dir.path().join("d").exists());
    fs::rename(dir.path().join("kept"), dir.path().join("d")).unwrap();
    ok(dir.path(), &["commit", "-f"]);
    assert_eq!(fs::read(&object).unwrap(), bytes);
}

#[test]
fn gc_keeps_everything_when_the_files_of_a_directory_are_unknown() {
    let dir = repo();
    fs::create_dir(dir.path().join("d")).unwrap();
    fs::write(dir.path().join("d/a"), "good\n").unwrap();
    ok(dir.path(), &["add", "d"]);
    let object = cache(dir.path()).into_iter().find(|path| path.extension().is_some()).unwrap();
    fs::remove_file(object).unwrap();
    let output =
        support::lemnis(dir.path()).args(["gc", "-w"]).stdin(std::process::Stdio::null()).output().unwrap();
    assert!(!output.status.success());
    assert_eq!(cache(dir.path()).len(), 1);
}

#[test]
fn what_a_remote_holds_under_a_wrong_name_stays_there() {
    for (tracked, damaged) in [("a", ""), ("d", ".dir")] {
        let dir = repo();
        fs::create_dir(dir.path().join("remote")).unwrap();
        fs::create_dir(dir.path().join("d")).unwrap();
        fs::write(dir.path().join("d/x"), "one\n").unwrap();
        fs::write(dir.path().join("a"), "two\n").unwrap();
        ok(dir.path(), &["add", tracked]);
        ok(dir.path(), &["remote", "add", "-d", "there", dir.path().join("remote").to_str().unwrap()]);
        ok(dir.path(), &["push"]);
        let remote = objects(&dir.path().join("remote"));
        let object = remote.iter().find(|path| path.to_str().unwrap().ends_with(damaged)).unwrap();
        damage(object, b"[]", true);
        fs::remove_dir_all(dir.path().join(".dvc/cache")).unwrap();
        fs::rename(dir.path().join(tracked), dir.path().join("kept")).unwrap();
        let place = object.to_str().unwrap();
        let hint = "hint: remove it there and push it again from a repository that has it";
        refused(dir.path(), &["pull"], &[place, "is damaged: its content hashes to", hint]);
        assert!(
            cache(dir.path())
                .iter()
                .all(|path| !place.ends_with(path.file_name().unwrap().to_str().unwrap()))
        );
        assert!(!dir.path().join(tracked).exists());
    }
}

/// A small file system of its own, where the machine lets us.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path, test: &str) -> Option<Self> {
        fs::create_dir(at).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(at).output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(Self(at.to_path_buf()));
        }
        eprintln!("skipped {test}: only root can mount a small file system");
        None
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

/// Bytes that do not compress and differ everywhere.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[test]
fn a_disk_that_is_full_amid_an_add_costs_nothing() {
    let home = tempfile::tempdir().unwrap();
    let Some(small) = Small::mount(&home.path().join("small"), "a_disk_that_is_full_amid_an_add") else {
        return;
    };
    made(&small.0);
    let bytes = noise(700_000);
    fs::write(small.0.join("big"), &bytes).unwrap();
    let parts = ["cannot copy into the cache", "/big", "No space left", "hint: free some disk space"];
    refused(&small.0, &["add", "big"], &parts);
    assert_eq!(fs::read(small.0.join("big")).unwrap(), bytes);
    assert!(cache(&small.0).is_empty() && !small.0.join("big.dvc").exists());
    // nothing half-made keeps the space
    fs::write(small.0.join("little"), noise(100_000)).unwrap();
    ok(&small.0, &["add", "little"]);
}

#[test]
fn a_disk_that_is_full_amid_a_pull_costs_nothing() {
    let home = tempfile::tempdir().unwrap();
    let Some(small) = Small::mount(&home.path().join("small"), "a_disk_that_is_full_amid_a_pull") else {
        return;
    };
    let remote = home.path().join("remote");
    fs::create_dir(&remote).unwrap();
    let source = repo();
    fs::write(source.path().join("big"), noise(700_000)).unwrap();
    ok(source.path(), &["add", "big"]);
    ok(source.path(), &["remote", "add", "-d", "there", remote.to_str().unwrap()]);
    ok(source.path(), &["push"]);
    made(&small.0);
    ok(&small.0, &["remote", "add", "-d", "there", remote.to_str().unwrap()]);
    fs::copy(source.path().join("big.dvc"), small.0.join("big.dvc")).unwrap();
    // the object fits, its copy in the workspace does not
    refused(&small.0, &["pull"], &["big", "No space left", "hint: free some disk space"]);
    assert_eq!(cache(&small.0).len(), 1);
    assert!(!small.0.join("big").exists());
    // a hard link fits
    ok(&small.0, &["config", "cache.type", "hardlink"]);
    ok(&small.0, &["pull"]);
    assert_eq!(fs::read(small.0.join("big")).unwrap(), noise(700_000));
}

#[test]
fn of_two_at_once_one_waits_or_says_who_is_in_the_way() {
    let dir = repo();
    fs::write(dir.path().join("a"), "x").unwrap();
    let lock = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(dir.path().join(".dvc/tmp/lock"))
        .unwrap();
    lock.lock().unwrap();
    fs::write(dir.path().join(".dvc/tmp/lock"), " 4321\n").unwrap();
    let parts = [
        "locked by another process (process 4321)",
        "hint: wait for the other command to end",
        "--wait-for-lock",
    ];
    refused(dir.path(), &["add", "a"], &parts);
    drop(lock);
    let names: Vec<String> = (0..8).map(|number| format!("f{number}")).collect();
    names.iter().for_each(|name| fs::write(dir.path().join(name), name).unwrap());
    let children: Vec<_> = names
        .iter()
        .map(|name| support::lemnis(dir.path()).args(["add", "-q", "--wait-for-lock", name]).spawn().unwrap())
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(cache(dir.path()).len(), 8);
    let status = run(dir.path(), &["status", "--json"]);
    assert_eq!(String::from_utf8_lossy(&status.stdout).trim(), "{}");
}

/// What a pipeline of this text is refused with.
fn pipeline(text: &str, parts: &[&str]) {
    let dir = repo();
    fs::write(dir.path().join("dvc.yaml"), text).unwrap();
    refused(dir.path(), &["repro"], parts);
    assert!(!dir.path().join("dvc.lock").exists() && !dir.path().join("ran").exists());
}

#[test]
fn a_graph_that_cannot_be_is_refused_before_anything_runs() {
    let hint = "hint: let each output belong to one stage";
    pipeline(
        "stages:\n  a: {cmd: touch ran a, deps: [b], outs: [a]}\n  b: {cmd: touch ran b, deps: [a], outs: [b]}\n",
        &["dvc.yaml:3: 'b' and 'a' depend on each other", hint],
    );
    pipeline(
        "stages:\n  a: {cmd: touch ran; mkdir d, outs: [d]}\n  b: {cmd: touch ran d/b, outs: [d/b]}\n",
        &["dvc.yaml:3: the output 'd/b' of 'b' lies inside the output 'd' of 'a'", hint],
    );
    pipeline(
        "stages:\n  a: {cmd: touch ran d, outs: [d]}\n  b: {cmd: touch ran d, outs: [d]}\n",
        &["dvc.yaml:3: the output 'd' belongs to both 'a' and 'b'", hint],
    );
    pipeline(
        "stages:\n  a: {cmd: touch ran d, deps: [none], outs: [d]}\n",
        &["dependency 'none' of stage 'a' does not exist", "hint: bring 'none' back"],
    );
}

#[test]
fn hostile_yaml_is_refused_at_its_line() {
    let hint = "hint: mend that line of dvc.yaml";
    let mut bomb = String::from("vars:\n- b0: &b0 [x, x, x, x, x, x, x, x, x, x]\n");
    for number in 1..10 {
        let before = format!("*b{}", number - 1);
        let list = vec![before; 10].join(", ");
        bomb += &format!("- b{number}: &b{number} [{list}]\n");
    }
    bomb += "stages:\n  a: {cmd: touch ran}\n";
    pipeline(&bomb, &["dvc.yaml:7: aliases expand to too many values", hint]);
    pipeline(
        "stages:\n  a: {cmd: touch ran}\n  a: {cmd: touch ran}\n",
        &["dvc.yaml:3: the key 'a' stands twice", hint],
    );
    pipeline(&format!("vars: {}", "[".repeat(100_000)), &["dvc.yaml:1: ", hint]);
    pipeline("stages:\n  a:\n    cmd: touch ran\n    nonsense: 1\n", &["dvc.yaml:4: ", "nonsense", hint]);
    pipeline("stages:\n  a: {cmd: touch ran\n", &["dvc.yaml:", hint]);
}

#[test]
fn a_pipeline_of_any_size_is_read_or_refused() {
    let dir = repo();
    let file = dir.path().join("dvc.yaml");
    let mut text = b"stages:\n  a: {cmd: 'true'}\n#".to_vec();
    text.resize(60 << 20, b'x');
    fs::write(&file, text).unwrap();
    ok(dir.path(), &["status"]);
    for (mib, limit) in [(96, 64), (300, 256)] {
        fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(mib << 20).unwrap();
        refused(dir.path(), &["status"], &[&format!("dvc.yaml is larger than {limit} MiB")]);
    }
}

#[test]
fn records_are_refused_at_their_line_and_left_as_they_are() {
    let whole = "outs:\n- md5: b1946ac92492d2347c6235b4d2611184\n  size: 6\n  hash: md5\n  path: a\n";
    let cases = [
        (whole[..30].to_owned(), "a.dvc:2: an output has no 'path'"),
        (format!("{whole}  nonsense: 1\n"), "a.dvc:6: an output has the unknown key 'nonsense'"),
        (whole.replace("hash: md5", "hash: [md5"), "a.dvc:"),
        (whole.replace("path: a", "path: ../../evil"), "outside the repository"),
    ];
    for (text, message) in cases {
        let dir = repo();
        fs::write(dir.path().join("a"), "hello\n").unwrap();
        ok(dir.path(), &["add", "a"]);
        fs::write(dir.path().join("a.dvc"), &text).unwrap();
        for arguments in [&["add", "a"][..], &["checkout", "-f"]] {
            refused(dir.path(), arguments, &[message]);
        }
        assert_eq!(fs::read_to_string(dir.path().join("a.dvc")).unwrap(), text);
        assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "hello\n");
        assert!(!dir.path().join("../../evil").exists());
    }
}

#[test]
fn no_path_leads_out_of_the_repository() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("repo");
    fs::create_dir(&dir).unwrap();
    made(&dir);
    fs::write(home.path().join("outside"), "x").unwrap();
    refused(&dir, &["add", "../outside"], &["outside", "lies outside the repository"]);
    fs::write(dir.join("dvc.yaml"), "stages:\n  a: {cmd: touch ../ran, outs: [../ran]}\n").unwrap();
    refused(&dir, &["repro"], &["dvc.yaml:2: the output '../ran' lies outside the repository"]);
    fs::remove_file(dir.join("dvc.yaml")).unwrap();
    // a directory object whose files climb out of the directory
    fs::create_dir(dir.join("d")).unwrap();
    fs::write(dir.join("d/a"), "x").unwrap();
    ok(&dir, &["add", "d"]);
    let object = cache(&dir).into_iter().find(|path| path.extension().is_some()).unwrap();
    let climbing = fs::read_to_string(&object).unwrap().replace("\"a\"", "\"../../climbed\"");
    damage(&object, climbing.as_bytes(), true);
    fs::remove_dir_all(dir.join("d")).unwrap();
    refused(&dir, &["checkout", "-f"], &["the cache lacks objects of 'd'"]);
    assert!(!home.path().join("climbed").exists());
}

#[test]
fn links_that_lead_nowhere_or_to_themselves_are_named() {
    let dir = repo();
    let at = |name: &str| dir.path().join(name);
    symlink("loop", at("loop")).unwrap();
    refused(dir.path(), &["add", "loop"], &["/loop", "hint: a symlink there leads back to itself"]);
    fs::create_dir(at("d")).unwrap();
    fs::write(at("d/a"), "x").unwrap();
    symlink("x", at("d/x")).unwrap();
    refused(dir.path(), &["add", "d"], &["d/x", "hint: a symlink there leads back to itself"]);
    fs::remove_file(at("d/x")).unwrap();
    symlink("../none", at("d/x")).unwrap();
    refused(dir.path(), &["add", "d"], &["d/x", "hint: the symlink leads nowhere"]);
    fs::remove_file(at("d/x")).unwrap();
    // a link to a directory above is left out, not followed for ever
    symlink("../d", at("d/self")).unwrap();
    ok(dir.path(), &["add", "d"]);
}

#[test]
fn names_that_are_not_utf_8_are_refused_before_anything_is_stored() {
    let dir = repo();
    let odd = std::ffi::OsStr::from_bytes(b"odd\xff");
    fs::create_dir(dir.path().join("d")).unwrap();
    fs::write(dir.path().join("d").join(odd), "x").unwrap();
    fs::write(dir.path().join(odd), "x").unwrap();
    let parts = ["the name of", "odd", "is not valid UTF-8", "hint: rename"];
    refused(dir.path(), &["add", "d"], &parts);
    said(&support::lemnis(dir.path()).arg("add").arg(odd).output().unwrap(), &parts);
    assert!(cache(dir.path()).is_empty());
}

/// Runs as a user who owns nothing, where we are root; as ourselves elsewhere.
fn as_nobody(dir: &Path, arguments: &[&str]) -> Output {
    let owner = Command::new("id").arg("-u").output().unwrap();
    let mut command = support::lemnis(dir);
    command.args(arguments);
    if owner.stdout == b"0\n" {
        let mut other = Command::new("setpriv");
        other.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        other.arg(command.get_program()).args(command.get_args()).current_dir(dir);
        support::clean(&mut other, dir);
        command = other;
    }
    command.output().unwrap()
}

#[test]
fn what_may_not_be_read_or_written_is_named_and_nothing_changes() {
    let dir = repo();
    let readable = as_nobody(Path::new("/"), &["--version"]);
    if !readable.status.success() {
        eprintln!("skipped what_may_not_be_read: another user cannot run the binary");
        return;
    }
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let chown = |owner: &str| {
        Command::new("chown").args(["-R", owner]).arg(dir.path()).output().ok();
    };
    mode(dir.path(), 0o755);
    let secret = dir.path().join("secret");
    fs::write(&secret, "x").unwrap();
    chown("65534:65534");
    mode(&secret, 0);
    said(
        &as_nobody(dir.path(), &["add", "secret"]),
        &["cannot read", "/secret", "Permission denied", "hint: check who owns"],
    );
    mode(&secret, 0o644);
    fs::create_dir_all(dir.path().join(".dvc/cache/files/md5")).unwrap();
    mode(&dir.path().join(".dvc/cache/files/md5"), 0o555);
    said(
        &as_nobody(dir.path(), &["add", "secret"]),
        &[".dvc/cache/files/md5", "Permission denied", "hint: check who owns"],
    );
    assert_eq!(fs::read_to_string(&secret).unwrap(), "x");
    assert!(!dir.path().join("secret.dvc").exists());
    mode(&dir.path().join(".dvc/cache/files/md5"), 0o755);
}

#[test]
fn pull_brings_an_import_that_was_only_noted_and_refuses_another_version() {
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir(outside.path().join("d")).unwrap();
    fs::write(outside.path().join("f"), "one\n").unwrap();
    fs::write(outside.path().join("d/a"), "a\n").unwrap();
    let dir = repo();
    let note = |name: &str| {
        let source = outside.path().join(name);
        ok(dir.path(), &["import-url", "-q", "--no-download", source.to_str().unwrap(), name]);
    };
    note("f");
    note("d");
    let before = fs::read(dir.path().join("f.dvc")).unwrap();
    ok(dir.path(), &["pull"]);
    assert_eq!(fs::read_to_string(dir.path().join("f")).unwrap(), "one\n");
    assert_eq!(fs::read_to_string(dir.path().join("d/a")).unwrap(), "a\n");
    assert_eq!(fs::read(dir.path().join("f.dvc")).unwrap(), before, "what it brought is not recorded yet");
    fs::write(dir.path().join("f"), "mine\n").unwrap();
    ok(dir.path(), &["pull"]);
    assert_eq!(
        fs::read_to_string(dir.path().join("f")).unwrap(),
        "mine\n",
        "what stands there is left alone"
    );
    ok(dir.path(), &["update", "-q", "d.dvc"]);
    assert!(
        fs::read_to_string(dir.path().join("d.dvc")).unwrap().contains("nfiles: 1"),
        "recorded by an update"
    );
    fs::remove_file(dir.path().join("f")).unwrap();
    fs::write(outside.path().join("f"), "another\n").unwrap();
    refused(dir.path(), &["pull"], &["has changed since 'f.dvc' noted it", "lemnis update f.dvc"]);
}
