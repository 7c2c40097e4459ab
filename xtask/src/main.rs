//! Development tasks: `cargo xtask TASK`.
//!
//! The tasks that run often compile in seconds on a fresh checkout: what is heavy hides behind a feature, and the task
//! that needs it starts itself again with it.

#[cfg(feature = "goldens")]
mod goldens;
mod setup;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use workspace::Workspace;

const HELP: &str = "\
usage: cargo xtask TASK

  tidy              layers, homes of heavy dependencies, file length, module docs, paths in *.md
  setup             what the tests need: Debian packages (as root), a Python environment in the target directory
  test [ARGS]       setup, tidy, then every test; ARGS go to cargo nextest in place of --workspace
  goldens [ARGS]    answers for the quality conformance kit (--kit DIR, --out FILE)
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    match run(&task, &rest) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs `task`; false where it found something wrong and has said so.
fn run(task: &str, rest: &[String]) -> anyhow::Result<bool> {
    match task {
        "tidy" => tidy::run(&Workspace::load()?),
        "setup" => setup::run(&Workspace::load()?).map(|_| true),
        "test" => test::run(&Workspace::load()?, rest),
        "goldens" => goldens(rest),
        "" | "help" | "-h" | "--help" => {
            print!("{HELP}");
            Ok(true)
        }
        other => anyhow::bail!("there is no task {other:?}\n\n{HELP}"),
    }
}

#[cfg(feature = "goldens")]
fn goldens(rest: &[String]) -> anyhow::Result<bool> {
    goldens::run(rest).map(|()| true)
}

#[cfg(not(feature = "goldens"))]
fn goldens(rest: &[String]) -> anyhow::Result<bool> {
    let workspace = Workspace::load()?;
    // Started where the task was, so that paths among the arguments keep their meaning.
    let mut again = workspace.cargo_here();
    again.args(["run", "--quiet", "--package", "xtask", "--features", "goldens", "--", "goldens"]).args(rest);
    Ok(again.status()?.success())
}
