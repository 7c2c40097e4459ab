//! A server that is killed loses nothing that it acknowledged, and never keeps half of a batch.
//!
//! `LEMNIS_TEST_KILLS` says how often it is killed; the default is for every day.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on ends"
)]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lemnis_testkit::Postgres;
use serde_json::{Value, json};
use support::Up;
use support::mlflow::Mlflow;

const WRITERS: usize = 8;
/// Points of one batch.
const BATCH: i64 = 20;

fn kills(default: u64) -> u64 {
    std::env::var("LEMNIS_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What one writer was told is kept.
#[derive(Default)]
struct Acknowledged {
    points: Vec<i64>,
    batches: Vec<i64>,
}

/// Logs until the server is gone: single points to `m`; batches to `b`, each with a param.
async fn write(server: Mlflow, run: String, from: i64, count: Arc<AtomicUsize>) -> (i64, Acknowledged) {
    let mut kept = Acknowledged::default();
    let mut at = from;
    loop {
        let point = json!({"run_id": run, "key": "m", "value": 0.5, "timestamp": at, "step": at});
        let Some((200, _)) = server.try_post("runs/log-metric", &point).await else { return (at + 1, kept) };
        kept.points.push(at);
        let metrics: Vec<Value> = (0..BATCH)
            .map(|n| json!({"key": "b", "value": n, "timestamp": at, "step": at * BATCH + n}))
            .collect();
        let params = json!([{"key": format!("p{at}"), "value": "x"}]);
        // Every other batch takes the way of batches without params.
        let params = if at % 2 == 0 { params } else { json!([]) };
        let batch = json!({"run_id": run, "metrics": metrics, "params": params});
        let Some((200, _)) = server.try_post("runs/log-batch", &batch).await else { return (at + 1, kept) };
        kept.batches.push(at);
        count.fetch_add(2, Ordering::Relaxed);
        at += 1;
    }
}

async fn check(server: &Mlflow, run: &str, kept: &Acknowledged) {
    let points = server.steps(run, "m").await;
    for step in &kept.points {
        assert!(points.binary_search(step).is_ok(), "an acknowledged point is lost: {step}");
    }
    let steps = server.steps(run, "b").await;
    let found = server.get(&format!("runs/get?run_id={run}")).await;
    let params = found["run"]["data"]["params"].as_array().cloned().unwrap_or_default();
    let param = |at: i64| params.iter().any(|param| param["key"] == format!("p{at}"));
    for at in &kept.batches {
        assert!(steps.binary_search(&(at * BATCH)).is_ok(), "an acknowledged batch is lost: {at}");
    }
    let last = kept.batches.iter().max().map_or(0, |at| at + 1);
    for at in 0..=last {
        let whole = steps.iter().filter(|step| **step / BATCH == at).count();
        assert!(whole == 0 || whole == BATCH as usize, "half a batch: {whole} of {BATCH} points");
        assert!(at % 2 == 1 || param(at) == (whole > 0), "a batch without its param, or the other way round");
    }
}

/// Kills the server of `dir` `kills` times amid its writers.
async fn killed(dir: &Path, variables: &[(&str, &str)], kills: u64) {
    let mut up = Up::start_with(dir, variables);
    let mut runs = Vec::new();
    for _ in 0..WRITERS {
        runs.push((Mlflow::at(&up.url).run().await, 0, Acknowledged::default()));
    }
    let count = Arc::new(AtomicUsize::new(0));
    for kill in 0..kills {
        let server = Mlflow::at(&up.url);
        let writers: Vec<_> = runs
            .iter()
            .map(|(run, from, _)| tokio::spawn(write(server.clone(), run.clone(), *from, count.clone())))
            .collect();
        tokio::time::sleep(Duration::from_millis(150 + (kill * 7919) % 400)).await;
        drop(up);
        for (writer, (_, from, kept)) in writers.into_iter().zip(&mut runs) {
            let (next, more) = writer.await.unwrap();
            *from = next;
            kept.points.extend(more.points);
            kept.batches.extend(more.batches);
        }
        up = Up::start_with(dir, variables);
    }
    let server = Mlflow::at(&up.url);
    for (run, _, kept) in &runs {
        check(&server, run, kept).await;
    }
    let count = count.load(Ordering::Relaxed);
    println!("{kills} kills, {count} acknowledgements kept");
    assert!(count > 0);
}

#[tokio::test]
async fn what_was_acknowledged_survives_kills_on_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    killed(dir.path(), &[], kills(4)).await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_kills_on_postgresql() {
    let Some(postgres) = Postgres::start().unwrap() else { return };
    let dir = tempfile::tempdir().unwrap();
    killed(dir.path(), &[("LEMNIS_DATABASE_URL", &postgres.create("kept").unwrap())], kills(3)).await;
}
