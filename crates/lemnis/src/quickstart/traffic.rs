//! Rows sent to the endpoint as a client would send them: one request each, over HTTP.

use std::time::{Duration, Instant};

use futures::StreamExt;
use lemnis_core::ErrorKind;
use lemnis_table::{Column, Table};
use serde_json::{Value, json};

use crate::output::Failure;

/// Requests that are open at once.
const OPEN: usize = 4;

/// A client of one endpoint.
pub struct Traffic {
    http: reqwest::Client,
    url: String,
    feedback_url: String,
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// Requests sent.
    pub sent: usize,
    /// Requests that were not answered with 200.
    pub errors: usize,
    /// Latencies in microseconds, sorted.
    pub micros: Vec<u64>,
}

impl Answers {
    /// The latency that `share` of the requests stayed below.
    pub fn quantile(&self, share: f64) -> Duration {
        let place = ((self.micros.len() as f64 * share) as usize).min(self.micros.len().saturating_sub(1));
        Duration::from_micros(self.micros.get(place).copied().unwrap_or_default())
    }
}

impl Traffic {
    pub fn new(base: &str, endpoint: &str) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(20))
            .tcp_nodelay(true)
            .build()
            .map_err(|error| Failure::new(ErrorKind::Internal, error.to_string()))?;
        Ok(Self {
            http,
            url: format!("{base}/endpoints/{endpoint}/invocations"),
            feedback_url: format!("{base}/api/v1/endpoints/{endpoint}:feedback"),
        })
    }

    /// Sends each row of `rows` but `target`; request ids are `prefix-0`, `prefix-1` …
    pub async fn send(&self, rows: &Table, target: &str, prefix: &str) -> Result<Answers, Failure> {
        let bodies = bodies(rows, target)?;
        let mut answers = Answers::default();
        let requests =
            bodies.into_iter().enumerate().map(|(row, body)| self.one(body, format!("{prefix}-{row}")));
        let mut open = futures::stream::iter(requests).buffer_unordered(OPEN);
        while let Some((answered, took)) = open.next().await {
            answers.sent += 1;
            answers.errors += usize::from(!answered);
            answers.micros.push(took.as_micros() as u64);
        }
        answers.micros.sort_unstable();
        Ok(answers)
    }

    async fn one(&self, body: String, id: String) -> (bool, Duration) {
        let started = Instant::now();
        let request = self
            .http
            .post(&self.url)
            .header("content-type", "application/json")
            .header("x-request-id", id)
            .body(body);
        let answered = match request.send().await {
            Ok(answer) => {
                let good = answer.status().is_success();
                answer.bytes().await.is_ok() && good
            }
            Err(_) => false,
        };
        (answered, started.elapsed())
    }

    /// Reports the truth of the rows sent with `prefix`.
    pub async fn tell_truth(&self, rows: &Table, target: &str, prefix: &str) -> Result<usize, Failure> {
        let labels: Vec<Value> = rows
            .texts(target)?
            .into_iter()
            .enumerate()
            .map(|(row, label)| json!({ "request_id": format!("{prefix}-{row}"), "label": label }))
            .collect();
        let count = labels.len();
        let answer = self.http.post(&self.feedback_url).json(&json!({ "feedback": labels })).send().await;
        let said = match answer {
            Ok(answer) if answer.status().is_success() => return Ok(count),
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        Err(Failure::new(ErrorKind::Internal, format!("the feedback endpoint refused the labels: {said}")))
    }
}

/// One `dataframe_split` body for each row.
fn bodies(rows: &Table, target: &str) -> Result<Vec<String>, Failure> {
    let names: Vec<&str> = rows.names().into_iter().filter(|name| *name != target).collect();
    let columns: Vec<Column> = names.iter().map(|name| rows.column(name)).collect::<Result<_, _>>()?;
    let cell = |column: &Column, row: usize| match column {
        Column::Bool(values) => json!(values[row]),
        Column::Int(values) => json!(values[row]),
        Column::Float(values) => json!(values[row]),
        Column::Text(values) => json!(values[row]),
        Column::Date(values) => json!(values[row]),
        Column::Timestamp(values) => json!(values[row]),
    };
    Ok((0..rows.rows())
        .map(|row| {
            let values: Vec<Value> = columns.iter().map(|column| cell(column, row)).collect();
            json!({ "dataframe_split": { "columns": names, "data": [values] } }).to_string()
        })
        .collect())
}
