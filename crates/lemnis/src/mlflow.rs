//! Logging of the built-in stages over MLflow's REST API, as a Python script's `mlflow` client would do it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use lemnis_core::{ErrorKind, Millis};
use serde_json::{Value, json};

use crate::output::{Failure, io_failure};

/// The most metrics that one batch may hold (MLflow's own limit is 1000).
const BATCH: usize = 500;

/// A client of one MLflow server.
pub struct Mlflow {
    base: String,
    token: Option<String>,
    http: reqwest::Client,
}

/// A run that has started.
pub struct Run {
    pub id: String,
    pub artifact_uri: String,
}

impl Mlflow {
    /// A client of the server at `uri`, such as `http://127.0.0.1:8000`.
    pub fn new(uri: &str, token: Option<String>) -> Result<Self, Failure> {
        if !uri.starts_with("http://") && !uri.starts_with("https://") {
            return Err(Failure::usage(format!("the tracking URI {uri:?} is not an http address"))
                .with_hint("start `lemnis up` and use the address that it prints"));
        }
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(60))
            .build()
            .map_err(|error| Failure::new(ErrorKind::Internal, error.to_string()))?;
        Ok(Self { base: uri.trim_end_matches('/').to_owned(), token, http })
    }

    /// The id of the experiment `name`, made when it is not there.
    pub async fn experiment(&self, name: &str) -> Result<String, Failure> {
        let found = self.get("experiments/get-by-name", &[("experiment_name", name)]).await;
        match found {
            Ok(body) => text(&body, "/experiment/experiment_id"),
            Err(failure) if failure.kind == ErrorKind::NotFound => {
                match self.post("experiments/create", &json!({ "name": name })).await {
                    Ok(body) => text(&body, "/experiment_id"),
                    // Another stage made it in between.
                    Err(_) => {
                        let body = self.get("experiments/get-by-name", &[("experiment_name", name)]).await?;
                        text(&body, "/experiment/experiment_id")
                    }
                }
            }
            Err(failure) => Err(failure),
        }
    }

    /// Starts a run with `tags`.
    pub async fn start_run(
        &self,
        experiment_id: &str,
        name: &str,
        now: Millis,
        tags: &[(String, String)],
    ) -> Result<Run, Failure> {
        let tags: Vec<Value> =
            tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        let body =
            json!({ "experiment_id": experiment_id, "run_name": name, "start_time": now, "tags": tags });
        let answer = self.post("runs/create", &body).await?;
        Ok(Run {
            id: text(&answer, "/run/info/run_id")?,
            artifact_uri: text(&answer, "/run/info/artifact_uri")?,
        })
    }

    /// Logs params and the last value of metrics.
    pub async fn log(
        &self,
        run: &str,
        params: &[(String, String)],
        metrics: &BTreeMap<String, f64>,
        now: Millis,
    ) -> Result<(), Failure> {
        let params: Vec<Value> =
            params.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        let metrics: Vec<Value> = metrics
            .iter()
            .map(|(key, value)| json!({ "key": key, "value": value, "timestamp": now, "step": 0 }))
            .collect();
        for params in params.chunks(100) {
            self.post("runs/log-batch", &json!({ "run_id": run, "params": params })).await?;
        }
        for metrics in metrics.chunks(BATCH) {
            self.post("runs/log-batch", &json!({ "run_id": run, "metrics": metrics })).await?;
        }
        Ok(())
    }

    /// Logs one metric at many steps.
    pub async fn log_history(
        &self,
        run: &str,
        key: &str,
        history: &[(usize, f64)],
        now: Millis,
    ) -> Result<(), Failure> {
        let points: Vec<Value> = history
            .iter()
            .map(|(step, value)| json!({ "key": key, "value": value, "timestamp": now, "step": step }))
            .collect();
        for points in points.chunks(BATCH) {
            self.post("runs/log-batch", &json!({ "run_id": run, "metrics": points })).await?;
        }
        Ok(())
    }

    /// Says which data the run read.
    pub async fn log_input(&self, run: &str, name: &str, digest: &str, source: &str) -> Result<(), Failure> {
        let dataset = json!({
            "name": name,
            "digest": digest,
            "source_type": "local",
            "source": json!({ "uri": source }).to_string(),
        });
        let tags = json!([{ "key": "mlflow.data.context", "value": "training" }]);
        let body = json!({ "run_id": run, "datasets": [{ "dataset": dataset, "tags": tags }] });
        self.post("runs/log-inputs", &body).await.map(drop)
    }

    /// Uploads the file at `path` as the run's artifact `name`.
    pub async fn log_artifact(&self, run: &Run, path: &Path, name: &str) -> Result<(), Failure> {
        let root = run.artifact_uri.strip_prefix("mlflow-artifacts:/").ok_or_else(|| {
            Failure::new(
                ErrorKind::Unavailable,
                format!("the server keeps artifacts at {}, not behind itself", run.artifact_uri),
            )
            .with_hint("use a server that proxies artifacts, such as `lemnis up`")
        })?;
        let bytes = std::fs::read(path).map_err(io_failure(format!("reading {}", path.display())))?;
        let url = format!(
            "{}/api/2.0/mlflow-artifacts/artifacts/{}/{name}",
            self.base,
            root.trim_start_matches('/')
        );
        let request = self.http.put(&url).header("content-type", "application/octet-stream").body(bytes);
        self.send(request, &url).await.map(drop)
    }

    /// Sets one tag.
    pub async fn set_tag(&self, run: &str, key: &str, value: &str) -> Result<(), Failure> {
        self.post("runs/set-tag", &json!({ "run_id": run, "key": key, "value": value })).await.map(drop)
    }

    /// Ends the run.
    pub async fn end_run(&self, run: &str, status: &str, now: Millis) -> Result<(), Failure> {
        self.post("runs/update", &json!({ "run_id": run, "status": status, "end_time": now })).await.map(drop)
    }

    /// Runs whose tag `key` is `value`, newest first.
    pub async fn runs_with_tag(&self, key: &str, value: &str) -> Result<Vec<String>, Failure> {
        let experiments = self.post("experiments/search", &json!({ "max_results": 1000 })).await?;
        let ids: Vec<&Value> = experiments["experiments"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| &one["experiment_id"])
            .collect();
        let filter = format!("tags.`{key}` = '{value}'");
        let body = json!({ "experiment_ids": ids, "filter": filter, "max_results": 10 });
        let found = self.post("runs/search", &body).await?;
        Ok(found["runs"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|run| run.pointer("/info/run_id").and_then(Value::as_str).map(str::to_owned))
            .collect())
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Failure> {
        let url = format!("{}/api/2.0/mlflow/{path}", self.base);
        self.send(self.http.get(&url).query(query), &url).await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let url = format!("{}/api/2.0/mlflow/{path}", self.base);
        self.send(self.http.post(&url).json(body), &url).await
    }

    async fn send(&self, request: reqwest::RequestBuilder, url: &str) -> Result<Value, Failure> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let answer = request.send().await.map_err(|error| unreachable_server(url, &error))?;
        let status = answer.status();
        let body = answer.text().await.map_err(|error| unreachable_server(url, &error))?;
        let parsed: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(parsed);
        }
        let kind = match status.as_u16() {
            401 => ErrorKind::Unauthenticated,
            403 => ErrorKind::PermissionDenied,
            404 => ErrorKind::NotFound,
            _ => ErrorKind::Unavailable,
        };
        let said = parsed["message"].as_str().unwrap_or("it gave no reason").to_owned();
        let failure = Failure::new(kind, format!("the tracking server answered {status}: {said}"));
        Err(if kind == ErrorKind::Unauthenticated {
            failure.with_hint("set LEMNIS_TOKEN or MLFLOW_TRACKING_TOKEN to the server's token")
        } else {
            failure
        })
    }
}

fn unreachable_server(url: &str, error: &reqwest::Error) -> Failure {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let mut failure = Failure::new(ErrorKind::Unavailable, format!("{url} cannot be reached"));
    failure.messages.push(cause.to_string());
    failure.with_hint("is the server running? `lemnis up` starts it")
}

fn text(body: &Value, pointer: &str) -> Result<String, Failure> {
    body.pointer(pointer).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| {
        Failure::new(ErrorKind::Unavailable, format!("the tracking server's answer has no {pointer}"))
            .with_hint("is it an MLflow server?")
    })
}
