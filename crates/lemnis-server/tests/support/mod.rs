//! A server over a real store and real files in a temporary folder.
#![allow(clippy::unwrap_used, dead_code, reason = "shared by tests, each of which uses a part")]

use std::sync::Arc;

use lemnis_core::{FixedClock, Principal};
use lemnis_server::{Access, Router, Server};
use serde_json::Value;

/// The moment that every test starts at: 2025-01-01T00:00:00Z.
pub const NOW_MS: i64 = 1_735_689_600_000;

/// A router and what must outlive it.
pub struct TestServer {
    pub router: Router,
    pub app: Arc<lemnis_app::App>,
    pub clock: Arc<FixedClock>,
    pub dir: tempfile::TempDir,
}

pub async fn server() -> TestServer {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(FixedClock::new(NOW_MS));
    let app = lemnis_testkit::app(dir.path(), clock.clone()).await.unwrap();
    let server = Server {
        app: app.clone(),
        principal: Arc::new(Principal::local("test")),
        instance: Arc::from("test"),
        directory: Arc::from(dir.path()),
    };
    TestServer { router: lemnis_server::router(server, Access::default()), app, clock, dir }
}

impl TestServer {
    /// Sends `body` and returns status and answer, which must be JSON.
    pub async fn json(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = (!body.is_null()).then(|| body.to_string());
        let (status, bytes) = lemnis_server::call(&self.router, method, path, body).await;
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    /// Posts to MLflow's API and returns the answer, which must be a success.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.json("POST", &format!("/api/2.0/mlflow/{path}"), body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// Sends a request that must be refused; returns status, code and message.
    pub async fn refused(&self, method: &str, path: &str, body: Value) -> (u16, String, String) {
        let (status, answer) = self.json(method, path, body).await;
        assert!((400..500).contains(&status), "{path}: {status} {answer}");
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        (status, text("error_code"), text("message"))
    }
}
