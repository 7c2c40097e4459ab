//! The real DVC, one long-lived Python process that forks for each command line.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// What a command line came to.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// The server, ended when dropped: it follows the end of its standard input.
pub struct Judge {
    child: Child,
    socket: PathBuf,
    _home: tempfile::TempDir,
}

impl Judge {
    /// Starts it with the Python that has DVC.
    pub fn start(python: &Path) -> Self {
        let home = tempfile::tempdir().unwrap();
        let socket = home.path().join("socket");
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .unwrap()
            .join("tests/python/dvc_server.py");
        let mut child = Command::new(python)
            .args([&script, &socket])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONHASHSEED", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "the judge did not start");
        Self { child, socket, _home: home }
    }

    /// Runs `dvc ARGUMENTS` in `dir` with nothing but `env` in its environment.
    pub fn run(&self, dir: &Path, env: &[(String, String)], arguments: &[&str]) -> Answer {
        let env: serde_json::Map<String, Value> =
            env.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        let request = json!({"argv": arguments, "cwd": dir, "env": env});
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        stream.write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("dvc {arguments:?}: {error}: {line:?}"));
        let text = |name: &str| said[name].as_str().unwrap().to_owned();
        Answer { code: said["code"].as_i64().unwrap() as i32, out: text("out"), err: text("err") }
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}
