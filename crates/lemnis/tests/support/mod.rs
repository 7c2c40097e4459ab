//! What the tests of the binary share: running it in a clean environment, servers that end with the test.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on ends"
)]

pub mod judge;
pub mod mlflow;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The binary in a clean environment: an empty home, no Git configuration, no variables of ours.
pub fn lemnis(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lemnis"));
    command.current_dir(dir);
    clean(&mut command, dir);
    command
}

/// Takes away what a developer's machine has and a fresh one does not.
pub fn clean(command: &mut Command, home: &Path) {
    for name in ["MLFLOW_TRACKING_URI", "LEMNIS_SERVER", "LEMNIS_TOKEN", "MLFLOW_TRACKING_TOKEN", "DVC_STAGE"]
        .iter()
        .chain(&["LEMNIS_DATABASE_URL", "LEMNIS_ARTIFACTS"])
    {
        command.env_remove(name);
    }
    command.env("HOME", home).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
}

/// Runs `arguments` and returns what came out.
pub fn run(dir: &Path, arguments: &[&str]) -> Output {
    lemnis(dir).args(arguments).output().unwrap()
}

/// Runs `arguments` with `--json`, expecting success.
pub fn json(dir: &Path, arguments: &[&str]) -> Value {
    let output = lemnis(dir).args(arguments).arg("--json").output().unwrap();
    assert!(output.status.success(), "lemnis {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stdout)))
}

/// The last line of standard error and everything else, as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A server of a project, ended when dropped.
pub struct Up {
    child: Child,
    /// Where it answers.
    pub url: String,
}

impl Up {
    /// Starts `lemnis up` in `dir` on a free port.
    pub fn start(dir: &Path) -> Self {
        Self::start_with(dir, &[])
    }

    /// As [`Up::start`], with variables in its environment.
    pub fn start_with(dir: &Path, variables: &[(&str, &str)]) -> Self {
        let mut command = lemnis(dir);
        command.envs(variables.iter().copied());
        command.args(["up", "--port", "0", "--json"]).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let mut text = String::new();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        while !text.contains('}') {
            let mut line = String::new();
            assert!(reader.read_line(&mut line).unwrap() > 0, "the server ended before it listened");
            text.push_str(&line);
        }
        let said: Value = serde_json::from_str(&text).unwrap();
        Self { child, url: said["url"].as_str().unwrap().to_owned() }
    }

    /// The server's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The Python with mlflow, onnxruntime, scikit-learn and dvc; a test without it says so and passes over.
pub fn python(test: &str) -> Option<PathBuf> {
    let python = std::env::var_os("LEMNIS_TEST_PYTHON").map(PathBuf::from);
    if python.is_none() {
        eprintln!("skipped {test}: LEMNIS_TEST_PYTHON is not set (`cargo xtask test` sets it)");
    }
    python
}

/// A real data set, where the machine has it.
pub fn shared(test: &str, name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3)?;
    let path = root.join("shared/data").join(name);
    if path.is_file() {
        return Some(path);
    }
    eprintln!("skipped {test}: {} is not there", path.display());
    None
}
