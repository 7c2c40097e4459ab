//! Unmodified Python tools against what Lemnis made: mlflow loads the model and agrees, DVC finds nothing to do.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on ends"
)]

mod support;

use std::path::Path;
use std::process::Command;

use support::{Up, clean, json, python};

/// Runs `script` in `dir`, expecting success, and returns what it printed.
fn run_python(python: &Path, dir: &Path, script: &str, arguments: &[&str], tracking: Option<&str>) -> String {
    let mut command = Command::new(python);
    command.current_dir(dir).arg("-c").arg(script).args(arguments);
    clean(&mut command, dir);
    if let Some(url) = tracking {
        command.env("MLFLOW_TRACKING_URI", url);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const COMPARE: &str = r#"
import json, sys, urllib.request
import mlflow, pandas as pd
url, name = sys.argv[1], sys.argv[2]
frame = pd.read_parquet("data/prepared/train.parquet").drop(columns=[sys.argv[3]]).head(1000)
theirs = mlflow.pyfunc.load_model(f"models:/{name}@champion").predict(frame)
body = json.dumps({"dataframe_split": json.loads(frame.to_json(orient="split", double_precision=15))})
request = urllib.request.Request(f"{url}/endpoints/{name}/invocations", body.encode(), {"Content-Type": "application/json"})
ours = pd.DataFrame(json.load(urllib.request.urlopen(request))["predictions"])
assert len(ours) == len(theirs) == 1000, (len(ours), len(theirs))
assert list(ours.columns) == list(theirs.columns), (ours.columns, theirs.columns)
worst = float((ours["probability"] - theirs["probability"]).abs().max())
assert worst < 1e-6, worst
near = (theirs["probability"] - 0.5).abs() < 1e-6
assert ((ours["label"] == theirs["label"]) | near).all()
print(worst)
"#;

#[test]
fn mlflow_loads_the_champion_and_agrees_with_the_endpoint_and_dvc_finds_nothing_to_do() {
    let Some(python) = python("mlflow and dvc on a quickstart") else { return };
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("project");
    json(home.path(), &["quickstart", "--dir", dir.to_str().unwrap(), "--port", "0", "--exit"]);

    let server = Up::start(&dir);
    run_python(&python, &dir, COMPARE, &[&server.url, "churn", "churn"], Some(&server.url));

    let dvc = |arguments: &[&str]| {
        let mut command = Command::new(python.with_file_name("dvc"));
        command.current_dir(&dir).args(arguments);
        clean(&mut command, home.path());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        said
    };
    assert!(dvc(&["status"]).contains("up to date"), "dvc status sees changes");
    let repro = dvc(&["repro"]);
    assert!(repro.contains("up to date"), "dvc repro did something: {repro}");
    assert!(!repro.contains("Running stage"), "dvc repro ran a stage: {repro}");
}

#[test]
fn a_scikit_learn_project_runs_unmodified() {
    let Some(python) = python("the scikit-learn example") else { return };
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("churn-sklearn");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/churn-sklearn");
    copy(&example, &dir);
    for arguments in [
        &["init", "-q"][..],
        &["add", "."],
        &["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "start"],
    ] {
        let mut git = Command::new("git");
        git.args(arguments).current_dir(&dir);
        clean(&mut git, home.path());
        assert!(git.status().unwrap().success());
    }
    let server = Up::start(&dir);
    let mut repro = support::lemnis(&dir);
    let bin = python.parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(bin.to_path_buf()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    repro.env("PATH", path).arg("repro");
    let output = repro.output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        support::stderr(&output)
    );
    assert!(dir.join("metrics.json").is_file());
    let runs = json(&dir, &["runs", "list"]);
    assert!(!runs["runs"].as_array().unwrap().is_empty(), "{runs}");
    let again = json(&dir, &["repro"]);
    assert!(!again.to_string().contains("\"ran\""), "{again}");
    drop(server);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
