//! Artifacts on S3, through the server's proxy: whole, in ranges and in parts, with the same memory for any size.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on ends"
)]

mod support;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::{Up, python};

const MIB: usize = 1 << 20;
const LARGE_MIB: usize = 96;

/// The S3 of moto, a mock of AWS that speaks its protocol, in a process of its own.
struct S3 {
    child: Child,
    url: String,
}

impl S3 {
    async fn start(python: &Path) -> Option<Self> {
        let there =
            Command::new(python).args(["-c", "import moto.server"]).stderr(Stdio::null()).status().unwrap();
        if !there.success() {
            eprintln!("skipped: moto is not installed (cargo xtask setup installs it)");
            return None;
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(python)
            .args([
                "-c",
                "import sys; from moto.server import main; main(sys.argv[1:])",
                "-p",
                &port.to_string(),
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let this = Self { child, url: format!("http://127.0.0.1:{port}") };
        let started = Instant::now();
        while reqwest::Client::new().put(format!("{}/models", this.url)).send().await.is_err() {
            assert!(started.elapsed() < Duration::from_secs(120), "moto did not start");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Some(this)
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The most memory that the process has had, in bytes.
fn peak(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[tokio::test]
async fn artifacts_on_s3_stream_through_the_proxy() {
    let Some(python) = python("artifacts_on_s3_stream_through_the_proxy") else { return };
    let Some(s3) = S3::start(&python).await else { return };
    let dir = tempfile::tempdir().unwrap();
    let variables = [
        ("LEMNIS_ARTIFACTS", "s3://models/lemnis"),
        ("AWS_ENDPOINT_URL", s3.url.as_str()),
        ("AWS_ACCESS_KEY_ID", "someone"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "us-east-1"),
    ];
    let server = Up::start_with(dir.path(), &variables);
    let at = |path: &str| format!("{}/api/2.0/mlflow-artifacts/artifacts/{path}", server.url);
    let http = reqwest::Client::new();

    let small = http.put(at("0/r/artifacts/a b.txt")).body("hello").send().await.unwrap();
    assert_eq!(small.status(), 200);
    assert_eq!(http.get(at("0/r/artifacts/a b.txt")).send().await.unwrap().text().await.unwrap(), "hello");
    let listed = http.get(format!("{}/api/2.0/mlflow-artifacts/artifacts?path=0/r/artifacts", server.url));
    let listed: serde_json::Value = listed.send().await.unwrap().json().await.unwrap();
    assert_eq!(listed["files"][0]["path"], "a b.txt");
    assert_eq!(http.get(at("0/r/artifacts/none")).send().await.unwrap().status(), 404);

    let large: Vec<u8> = (0..LARGE_MIB * MIB).map(|n| (n / 7 % 251) as u8).collect();
    let before = peak(server.pid());
    let put = http.put(at("0/r/artifacts/large.bin")).body(large.clone()).send().await.unwrap();
    assert_eq!(put.status(), 200);
    let back = http.get(at("0/r/artifacts/large.bin")).send().await.unwrap().bytes().await.unwrap();
    assert!(back == large, "the artifact came back different");
    let grown = peak(server.pid()).saturating_sub(before);
    assert!(grown < 64 * MIB, "{grown} bytes for {LARGE_MIB} MiB");

    let range = http.get(at("0/r/artifacts/large.bin")).header("range", "bytes=1000000-1000009").send().await;
    let range = range.unwrap();
    assert_eq!(range.status(), 206);
    assert_eq!(range.bytes().await.unwrap(), large[1_000_000..1_000_010]);
    assert!(!dir.path().join(".lemnis/artifacts/0").exists(), "nothing is kept in the project");
    assert_eq!(http.delete(at("0/r/artifacts/large.bin")).send().await.unwrap().status(), 200);
    assert_eq!(http.get(at("0/r/artifacts/large.bin")).send().await.unwrap().status(), 404);
}
