//! A client of the tracking API for tests: requests in JSON, answers as status and JSON.

use serde_json::{Value, json};

/// A server's tracking API.
#[derive(Clone)]
pub struct Mlflow {
    http: reqwest::Client,
    base: String,
}

impl Mlflow {
    pub fn at(url: &str) -> Self {
        Self { http: reqwest::Client::new(), base: format!("{url}/api/2.0/mlflow") }
    }

    /// The status and the answer; `None` where no whole answer came.
    pub async fn try_post(&self, path: &str, body: &Value) -> Option<(u16, Value)> {
        let answer = self.http.post(format!("{}/{path}", self.base)).json(body).send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.json().await.ok()?))
    }

    /// The answer of a call that must succeed.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.try_post(path, &body).await.unwrap();
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.http.get(format!("{}/{path}", self.base)).send().await.unwrap();
        let status = answer.status();
        let body = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// A new run of the default experiment.
    pub async fn run(&self) -> String {
        let made = self.post("runs/create", json!({"experiment_id": "0", "start_time": 1})).await;
        made["run"]["info"]["run_id"].as_str().unwrap().to_owned()
    }

    /// The steps of a metric's points, sorted.
    pub async fn steps(&self, run: &str, key: &str) -> Vec<i64> {
        let found = self.get(&format!("metrics/get-history?run_id={run}&metric_key={key}")).await;
        let points = found["metrics"].as_array().cloned().unwrap_or_default();
        let mut steps: Vec<i64> = points.iter().map(|point| point["step"].as_i64().unwrap()).collect();
        steps.sort_unstable();
        steps
    }
}
