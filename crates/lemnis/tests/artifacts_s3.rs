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

    let begin = format!("{}/api/2.0/mlflow-artifacts/mpu/create/0/r/artifacts", server.url);
    let begin =
        http.post(begin).json(&serde_json::json!({"path": "x", "num_parts": 2})).send().await.unwrap();
    assert_eq!(begin.status(), 501, "clients may not go past the proxy unless the server says so");
    let begin: serde_json::Value = begin.json().await.unwrap();
    let words = "Multipart upload is not supported for the current artifact repository";
    assert!(begin["message"].as_str().unwrap().starts_with(words), "the client falls back on this: {begin}");
}

/// MLflow's client moves a file of three parts, and falls back to the proxy for a small one; what it printed.
const CLIENT: &str = r#"
import os, sys, mlflow
path = sys.argv[1]
with mlflow.start_run() as run:
    mlflow.log_artifact(path, "deep/er")
    mlflow.log_text("small", "small.txt")
back = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="deep/er/large.bin")
assert open(back, "rb").read() == open(path, "rb").read()
assert mlflow.artifacts.load_text(run.info.artifact_uri + "/small.txt") == "small"
print(run.info.experiment_id + "/" + run.info.run_id)
"#;

#[tokio::test]
async fn large_artifacts_go_past_the_server_where_it_lets_them() {
    let Some(python) = python("large_artifacts_go_past_the_server_where_it_lets_them") else { return };
    let Some(s3) = S3::start(&python).await else { return };
    let dir = tempfile::tempdir().unwrap();
    let variables = [
        ("LEMNIS_ARTIFACTS", "s3://models/lemnis"),
        ("LEMNIS_DIRECT_ARTIFACTS", "true"),
        ("AWS_ENDPOINT_URL", s3.url.as_str()),
        ("AWS_ACCESS_KEY_ID", "someone"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "us-east-1"),
    ];
    let server = Up::start_with(dir.path(), &variables);
    let large = dir.path().join("large.bin");
    let bytes: Vec<u8> = (0..13 * MIB).map(|n| (n / 7 % 251) as u8).collect();
    std::fs::write(&large, &bytes).unwrap();

    let mut client = Command::new(&python);
    client.args(["-c", CLIENT]).arg(&large).current_dir(dir.path());
    support::clean(&mut client, dir.path());
    client.env("MLFLOW_TRACKING_URI", &server.url).env("MLFLOW_DISABLE_TELEMETRY", "true");
    client.env("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", (6 * MIB).to_string());
    client.env("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", (5 * MIB).to_string());
    let output = client.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let run = said.lines().find(|line| line.contains('/') && !line.contains(' ')).unwrap().trim();

    let http = reqwest::Client::new();
    let object = format!("{}/models/lemnis/{run}/artifacts/deep/er/large.bin", s3.url);
    let object = http.head(object).send().await.unwrap();
    let tag = object.headers()["etag"].to_str().unwrap();
    assert!(tag.trim_matches('"').ends_with("-3"), "the client uploaded three parts by itself: {tag}");

    let (_, id) = run.split_once('/').unwrap();
    let ask = |call: &str, path: &str, seconds: i64| {
        let body = serde_json::json!({"run_id": id, "path": path, "expiration": seconds});
        http.post(format!("{}/api/2.0/mlflow/artifacts/{call}", server.url)).json(&body)
    };
    let up: serde_json::Value =
        ask("presigned-upload-url", "one.txt", 60).send().await.unwrap().json().await.unwrap();
    let put = http.put(up["presigned_url"].as_str().unwrap()).body("one").send().await.unwrap();
    assert_eq!(put.status(), 200);
    let down: serde_json::Value =
        ask("presigned-download-url", "one.txt", 60).send().await.unwrap().json().await.unwrap();
    assert_eq!(down["file_size"], 3);
    let got = http.get(down["presigned_url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(got.headers()["content-disposition"], "attachment");
    assert_eq!(got.text().await.unwrap(), "one");
    for (call, path, seconds, status) in [
        ("presigned-download-url", "none", 60, 404),
        ("presigned-download-url", "one.txt", 0, 400),
        ("presigned-download-url", "../../../x", 60, 400),
        ("presigned-upload-url", "../../../x", 60, 400),
    ] {
        assert_eq!(ask(call, path, seconds).send().await.unwrap().status(), status, "{call} {path}");
    }
    let upload = |step: &str, body: serde_json::Value| {
        http.post(format!("{}/api/2.0/mlflow-artifacts/mpu/{step}/{run}/artifacts", server.url)).json(&body)
    };
    for parts in [0, 10_001] {
        let begin = upload("create", serde_json::json!({"path": "x", "num_parts": parts}));
        assert_eq!(begin.send().await.unwrap().status(), 400, "{parts} parts");
    }
    let begun = upload("create", serde_json::json!({"path": "/home/me/x", "num_parts": 1}));
    let begun: serde_json::Value = begun.send().await.unwrap().json().await.unwrap();
    let gap = serde_json::json!({"path": "x", "upload_id": begun["upload_id"], "parts": [{"part_number": 2, "etag": "e"}]});
    assert_eq!(upload("complete", gap).send().await.unwrap().status(), 400);
    let abort = serde_json::json!({"path": "/home/me/x", "upload_id": begun["upload_id"]});
    assert_eq!(upload("abort", abort).send().await.unwrap().status(), 200);
}
