//! `cargo xtask test`: installs what the tests need, checks the rules, runs every test.

use std::process::Stdio;
use std::time::Instant;

use anyhow::Context;

use crate::workspace::Workspace;
use crate::{setup, tidy};

/// Runs everything; false where tidy or a test failed. `arguments` replace `--workspace`.
pub fn run(workspace: &Workspace, arguments: &[String]) -> anyhow::Result<bool> {
    let ready = setup::run(workspace)?;
    if !tidy::run(workspace)? {
        return Ok(false);
    }
    let nextest = workspace
        .cargo()
        .args(["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let mut tests = workspace.cargo();
    if nextest {
        tests.args(["nextest", "run"]);
    } else {
        tests.arg("test");
    }
    // One run tells of every failure.
    tests.arg("--no-fail-fast");
    if arguments.is_empty() {
        tests.arg("--workspace");
    }
    tests.args(arguments);
    if let Some(python) = &ready.python {
        tests.env("LEMNIS_TEST_PYTHON", python);
    }
    let start = Instant::now();
    let passed = tests.status().context("starting cargo's tests")?.success();
    println!("tests: {} in {:.0} s", if passed { "passed" } else { "failed" }, start.elapsed().as_secs_f64());
    for skipped in &ready.skipped {
        println!("skipped: {skipped}");
    }
    Ok(passed)
}
