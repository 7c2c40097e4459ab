//! Wrong input gets one clear error with a remedy, the right exit code, and leaves nothing half-made.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on ends"
)]

mod support;

use std::fmt::Write as _;
use std::path::Path;

use support::{run, stderr};

/// Runs quickstart on `csv` and returns the exit code and what it said; nothing may be left behind.
fn refused(csv: &[u8], arguments: &[&str]) -> (i32, String) {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data.csv");
    std::fs::write(&data, csv).unwrap();
    let mut all = vec!["quickstart", "data.csv", "--dir", "made", "--port", "0", "--exit"];
    all.extend(arguments);
    let output = run(home.path(), &all);
    assert!(!home.path().join("made").exists(), "something was made: {}", stderr(&output));
    (output.status.code().unwrap(), stderr(&output))
}

fn rows(header: &str, row: impl Fn(usize) -> String, count: usize) -> Vec<u8> {
    let mut text = format!("{header}\n");
    for number in 0..count {
        writeln!(text, "{}", row(number)).unwrap();
    }
    text.into_bytes()
}

#[test]
fn a_missing_target_is_refused_with_the_columns() {
    let csv = rows("a,b", |row| format!("{row},{}", row % 2), 80);
    let (code, said) = refused(&csv, &["--target", "nothing"]);
    assert_eq!(code, 2);
    assert!(said.contains("\"nothing\"") && said.contains("a, b"), "{said}");
}

#[test]
fn a_target_with_one_class_is_refused() {
    let csv = rows("a,b", |row| format!("{},same", row % 7), 80);
    let (code, said) = refused(&csv, &["--target", "b"]);
    assert_eq!(code, 2);
    assert!(said.contains("nothing to learn"), "{said}");
}

#[test]
fn an_empty_file_is_refused() {
    let (code, said) = refused(b"", &[]);
    assert_eq!(code, 2);
    assert!(said.contains("empty"), "{said}");
}

#[test]
fn a_ragged_row_is_refused_with_its_line() {
    let mut csv = rows("a,b", |row| format!("{row},{}", row % 2), 60);
    csv.extend_from_slice(b"1,2,3\n");
    let (code, said) = refused(&csv, &[]);
    assert_eq!(code, 2);
    assert!(said.contains("line 62"), "{said}");
}

#[test]
fn a_file_that_is_not_utf_8_is_refused_with_its_line() {
    let mut csv = rows("a,b", |row| format!("{row},{}", row % 2), 60);
    csv.extend_from_slice(b"caf\xe9,1\n");
    let (code, said) = refused(&csv, &[]);
    assert_eq!(code, 2);
    assert!(said.contains("UTF-8") && said.contains("62"), "{said}");
}

#[test]
fn a_file_that_is_too_large_is_refused_before_it_is_read() {
    let home = tempfile::tempdir().unwrap();
    let data = std::fs::File::create(home.path().join("data.csv")).unwrap();
    data.set_len(2 << 30).unwrap();
    let started = std::time::Instant::now();
    let output = run(home.path(), &["quickstart", "data.csv", "--dir", "made", "--exit"]);
    assert!([1, 2].contains(&output.status.code().unwrap()));
    assert!(stderr(&output).contains("GB"), "{}", stderr(&output));
    assert!(started.elapsed().as_secs() < 20, "the file was read");
    assert!(!home.path().join("made").exists());
}

#[test]
fn a_missing_file_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let output = run(home.path(), &["quickstart", "none.csv", "--dir", "made", "--exit"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("none.csv"), "{}", stderr(&output));
}

#[test]
fn a_directory_with_something_else_in_it_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let made = home.path().join("made");
    std::fs::create_dir(&made).unwrap();
    std::fs::write(made.join("lemnis.yaml"), "project: other\n").unwrap();
    let output = run(home.path(), &["quickstart", "--dir", "made", "--exit"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("already holds a project"), "{}", stderr(&output));
    let left: Vec<_> = std::fs::read_dir(&made).unwrap().collect();
    assert_eq!(left.len(), 1);
}

#[test]
fn a_port_in_use_is_refused_with_a_remedy() {
    let home = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(home.path(), &["up", "--dir", "project", "--port", &port]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&port) && stderr(&output).contains("--port"), "{}", stderr(&output));
}

#[test]
fn git_that_must_not_guess_a_name_gets_a_remedy() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("gitconfig");
    std::fs::write(&config, "[user]\n\tuseConfigOnly = true\n").unwrap();
    let mut command = support::lemnis(home.path());
    command.env("GIT_CONFIG_GLOBAL", &config).args(["quickstart", "--dir", "made", "--exit"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("user.name"), "{}", stderr(&output));
    assert!(!Path::new(&home.path().join("made")).exists());
}

#[test]
fn a_server_for_other_machines_wants_a_token() {
    let home = tempfile::tempdir().unwrap();
    let output = run(home.path(), &["up", "--dir", "project", "--host", "0.0.0.0", "--port", "0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("LEMNIS_TOKEN"), "{}", stderr(&output));
}

#[test]
fn no_command_acts_beside_a_server_that_wants_a_token() {
    let home = tempfile::tempdir().unwrap();
    let server = support::Up::start_with(home.path(), &[("LEMNIS_TOKEN", "s3cret")]);
    let output = run(home.path(), &["models", "promote", "churn/1"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("LEMNIS_TOKEN"), "{}", stderr(&output));
    let mut command = support::lemnis(home.path());
    let output = command.env("LEMNIS_TOKEN", "s3cret").args(["models", "list"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    drop(server);
}
