//! Drives the crate from the command line, for tests against DVC:
//! `drive init|add|status|repro|checkout|digest DIR [ARG…]`, with `-f` to force.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lemnis_core::Classify;
use lemnis_data::{
    AddOptions, CheckoutOptions, Environment, InitOptions, Observer, Repo, Reproduce, StageOutcome,
    StatusOptions, add, checkout, digest_of, reproduce, status,
};

struct Print;

impl Observer for Print {
    fn stage_will_run(
        &mut self,
        stage: &str,
        why: &str,
    ) -> Result<Vec<(String, String)>, Box<dyn std::error::Error + Send + Sync>> {
        println!("run {stage}: {why}");
        Ok(vec![("OBSERVED".into(), "yes".into())])
    }

    fn stage_line(&mut self, _stage: &str, line: &str) {
        println!("  {line}");
    }

    fn stage_done(&mut self, outcome: &StageOutcome) {
        println!("{:?} {}: {}", outcome.outcome, outcome.stage, outcome.reason);
    }
}

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let force = args.iter().any(|arg| arg == "-f");
    args.retain(|arg| arg != "-f");
    let [command, dir, rest @ ..] = args.as_slice() else {
        eprintln!("usage: drive COMMAND DIR [ARG…]");
        return ExitCode::from(2);
    };
    match run(command, Path::new(dir), rest, force) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = std::error::Error::source(&error);
            while let Some(source) = cause {
                eprintln!("  because {source}");
                cause = source.source();
            }
            if let Some(hint) = error.hint() {
                eprintln!("  hint: {hint}");
            }
            ExitCode::from(error.kind().exit_code())
        }
    }
}

fn run(command: &str, dir: &Path, rest: &[String], force: bool) -> lemnis_data::Result<()> {
    if command == "init" {
        Repo::init(
            dir,
            InitOptions { no_scm: rest.iter().any(|arg| arg == "--no-scm"), ..InitOptions::default() },
            &Environment::default(),
        )?;
        return Ok(());
    }
    let repo = Repo::discover(dir, &Environment::default())?;
    match command {
        "add" => {
            let targets: Vec<PathBuf> = rest.iter().map(PathBuf::from).collect();
            for added in add(&repo, &targets, &AddOptions::default())? {
                println!("{} {}", added.path, added.digest);
            }
        }
        "status" => {
            let options = StatusOptions { targets: rest.to_vec(), ..StatusOptions::default() };
            println!("{}", serde_json::to_string(&status(&repo, &options, None)?).unwrap_or_default());
        }
        "repro" => {
            let how = Reproduce { targets: rest.to_vec(), force, ..Reproduce::default() };
            reproduce(&repo, &how, &mut Print)?;
        }
        "checkout" => {
            let done = checkout(&repo, rest, CheckoutOptions { force, ..CheckoutOptions::default() })?;
            println!("{}", serde_json::to_string(&done).unwrap_or_default());
        }
        "digest" => {
            for path in rest {
                println!("{:?}", digest_of(&repo, Path::new(path))?);
            }
        }
        other => eprintln!("unknown command {other}"),
    }
    Ok(())
}
