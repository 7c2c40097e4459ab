//! The unmodified Python client against a server on a real port: log, search, register, alias, load.
//!
//! Runs where `LEMNIS_TEST_PYTHON` names a Python that has `mlflow` and `scikit-learn`.

mod support;

use std::process::Stdio;

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_logs_registers_and_loads_a_model() {
    #[allow(clippy::disallowed_methods, reason = "the only way to hand a test the interpreter")]
    let Ok(python) = std::env::var("LEMNIS_TEST_PYTHON") else {
        eprintln!("skipped: LEMNIS_TEST_PYTHON names no Python with mlflow and scikit-learn");
        return;
    };
    let server = support::server().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let until = async move {
        let _ = stopped.await;
    };
    let serving = tokio::spawn(lemnis_server::serve(listener, server.router.clone(), 64, until));
    let output = tokio::process::Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mlflow_client.py"))
        .arg(&url)
        .current_dir(server.dir.path())
        .env("MLFLOW_TRACKING_URI", &url)
        .env("MLFLOW_DISABLE_TELEMETRY", "true")
        .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        .env("GIT_PYTHON_REFRESH", "quiet")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said =
        format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("all checks passed"), "{said}");
    drop(stop);
    serving.await.unwrap().unwrap();
}
