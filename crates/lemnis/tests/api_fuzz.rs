//! Every call of the OpenAPI document, asked by schemathesis: no 5xx, no hang, and answers as the document says.
//!
//! `LEMNIS_FUZZ_EXAMPLES` asks more of each call than the few of an ordinary run, `LEMNIS_FUZZ_SEED` asks others.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that cannot go on ends")]

mod support;

use std::path::Path;
use std::process::Command;

use support::{Up, clean, json, python, run};

const TOKEN: &str = "a-token-for-the-fuzzer";

#[test]
fn every_call_answers_as_the_document_says() {
    let Some(python) = python("schemathesis on the OpenAPI document") else { return };
    let has = Command::new(&python).args(["-c", "import schemathesis"]).output().unwrap();
    if !has.status.success() {
        eprintln!("skipped schemathesis on the OpenAPI document: {} has none", python.display());
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("project");
    json(home.path(), &["quickstart", "--dir", dir.to_str().unwrap(), "--port", "0", "--exit"]);
    let server = Up::start_with(&dir, &[("LEMNIS_TOKEN", TOKEN)]);
    let asked = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/python/api_fuzz.py");
    let mut command = Command::new(python);
    command.arg(script).arg(&server.url);
    command.args([asked("LEMNIS_FUZZ_EXAMPLES", "3"), asked("LEMNIS_FUZZ_SEED", "1"), TOKEN.to_owned()]);
    clean(&mut command, home.path());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    // All of them, and the server is still there.
    let document = document(home.path());
    let paths = document["paths"].as_object().unwrap();
    let calls: usize = paths.values().map(|path| path.as_object().unwrap().len()).sum();
    assert!(said.contains(&format!("Selected: {calls}/{calls}")), "{said}");
    assert!(calls > 180, "{calls} calls");
    // A fuzzer whose requests are all refused at the door would find nothing.
    let succeeded = said.split("answered with success: ").nth(1).and_then(|rest| rest.split(' ').next());
    assert!(succeeded.unwrap().parse::<usize>().unwrap() > 140, "{said}");
}

/// What `lemnis openapi` prints, outside of a project.
fn document(dir: &Path) -> serde_json::Value {
    let output = run(dir, &["openapi"]);
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}
