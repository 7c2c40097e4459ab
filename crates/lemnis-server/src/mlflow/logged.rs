//! Requests that log metrics, read the fast way: the messages exactly as clients write them, straight into our types.
//!
//! Whatever else MLflow reads as well (camelCase, numbers as texts, unknown fields) or refuses is left to
//! [`Fields`](super::fields::Fields): this way answers nothing but "yes, exactly so".

use lemnis_tracking::{Batch, LoggedModelId, Metric, Param, RunId, Tag};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricMessage {
    key: String,
    value: f64,
    timestamp: i64,
    step: Option<i64>,
    model_id: Option<String>,
    dataset_name: Option<String>,
    dataset_digest: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogMetric {
    run_id: String,
    #[serde(rename = "run_uuid")]
    _run_uuid: Option<serde::de::IgnoredAny>,
    key: String,
    value: f64,
    timestamp: i64,
    step: Option<i64>,
    model_id: Option<String>,
    dataset_name: Option<String>,
    dataset_digest: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogBatch {
    run_id: String,
    #[serde(default)]
    metrics: Vec<MetricMessage>,
    #[serde(default)]
    params: Vec<Entry>,
    #[serde(default)]
    tags: Vec<Entry>,
}

fn metric(message: MetricMessage) -> Option<Metric> {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    (!message.key.is_empty()).then(|| Metric {
        key: message.key,
        value: message.value,
        timestamp: message.timestamp,
        step: message.step.unwrap_or_default(),
        model_id: filled(message.model_id).map(LoggedModelId::from),
        dataset_name: filled(message.dataset_name),
        dataset_digest: filled(message.dataset_digest),
    })
}

/// The run and the metric of a `runs/log-metric`.
pub(super) fn log_metric(body: &[u8]) -> Option<(RunId, Metric)> {
    let LogMetric { run_id, _run_uuid, key, value, timestamp, step, model_id, dataset_name, dataset_digest } =
        serde_json::from_slice(body).ok()?;
    let message = MetricMessage { key, value, timestamp, step, model_id, dataset_name, dataset_digest };
    Some((named(run_id)?, metric(message)?))
}

/// The run and the batch of a `runs/log-batch`.
pub(super) fn log_batch(body: &[u8]) -> Option<(RunId, Batch)> {
    let message: LogBatch = serde_json::from_slice(body).ok()?;
    let metrics: Option<Vec<Metric>> = message.metrics.into_iter().map(metric).collect();
    let filled = |entry: &Entry| !entry.key.is_empty();
    if !message.params.iter().all(filled) || !message.tags.iter().all(filled) {
        return None;
    }
    let params =
        message.params.into_iter().map(|entry| Param { key: entry.key, value: entry.value }).collect();
    let tags = message.tags.into_iter().map(|entry| Tag { key: entry.key, value: entry.value }).collect();
    Some((named(message.run_id)?, Batch { metrics: metrics?, params, tags }))
}

fn named(id: String) -> Option<RunId> {
    (!id.is_empty()).then(|| id.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_write_is_read_the_fast_way_and_nothing_else() {
        let (run, metric) = log_metric(
            br#"{"run_uuid": "r", "run_id": "r", "key": "m", "value": 1, "timestamp": 2, "step": 3, "model_id": null}"#,
        )
        .unwrap();
        assert_eq!((run.as_str(), metric.value, metric.timestamp, metric.step), ("r", 1.0, 2, 3));
        for other in [
            r#"{"run_id": "r", "key": "m", "value": "NaN", "timestamp": 2}"#,
            r#"{"runId": "r", "key": "m", "value": 1, "timestamp": 2}"#,
            r#"{"run_id": "r", "key": "m", "value": 1, "timestamp": 2, "stepNumber": 1}"#,
            r#"{"run_id": "r", "key": "", "value": 1, "timestamp": 2}"#,
            r#"{"run_id": "r", "key": "m", "value": 1, "timestamp": 2.0}"#,
        ] {
            assert!(log_metric(other.as_bytes()).is_none(), "{other}");
        }
        let (_, batch) =
            log_batch(br#"{"run_id": "r", "params": [{"key": "p", "value": "v"}], "tags": []}"#).unwrap();
        assert_eq!(batch.params, vec![Param::new("p", "v")]);
        assert!(log_batch(br#"{"run_id": "r", "params": [{"key": "p"}]}"#).is_none());
    }
}
