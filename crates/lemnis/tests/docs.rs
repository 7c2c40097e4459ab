//! The examples of the pages for users run as they stand there: each page's `sh` blocks, one after the other.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on ends"
)]

mod support;

use std::path::Path;
use std::process::Command;

use support::{clean, stderr};

/// Runs the page's blocks as one script in an empty directory and returns what it printed.
fn run_page(name: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    let text = std::fs::read_to_string(&page).unwrap();
    let mut script = String::from("set -eu\n");
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside {
            script.push_str(line);
            script.push('\n');
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    clean(&mut command, dir.path());
    let program = Path::new(env!("CARGO_BIN_EXE_lemnis")).parent().unwrap().to_path_buf();
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", program.display()));
    for (name, value) in [("AUTHOR", "Ada"), ("COMMITTER", "Ada")] {
        command.env(format!("GIT_{name}_NAME"), value).env(format!("GIT_{name}_EMAIL"), "ada@example.org");
    }
    let output = command.args(["-c", &script]).current_dir(dir.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{name}: {said}{}", stderr(&output));
    said
}

#[test]
fn the_examples_on_branches_of_data_run() {
    let said = run_page("data-branches.md");
    assert!(said.contains("merged prices into main"), "{said}");
    assert!(said.contains("columns added: currency"), "{said}");
}

#[test]
fn the_rules_that_the_page_shows_are_read() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/data-branches.md");
    let text = std::fs::read_to_string(page).unwrap();
    let block = text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("lemnis.yaml"), format!("project: p\n{block}")).unwrap();
    let output = support::run(dir.path(), &["trigger", "new-prices"]);
    // The rules are read; there is no pipeline to run here.
    assert!(stderr(&output).contains("not inside a data repository"), "{}", stderr(&output));
}
