//! Hyperparameter search over HTTP: spaces, directions, runs that are begun, importance and its page.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use serde_json::{Value, json};
use support::{TestServer, server};

/// Sends a request that must succeed.
async fn ok(server: &TestServer, method: &str, path: &str, body: Value) -> Value {
    let (status, answer) = server.json(method, path, body).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

/// An experiment with `count` ended runs, whose score is best at lr 0.01 and does not depend on `noise`.
async fn experiment(server: &TestServer, count: usize) -> String {
    let made = ok(server, "POST", "/api/2.0/mlflow/experiments/create", json!({"name": "team/a:b"})).await;
    let id = made["experiment_id"].as_str().unwrap().to_owned();
    for place in 0..count {
        let exponent = -4.0 + 3.0 * (place as f64 / count as f64);
        let noise = (place * 7) % 5;
        log(server, &id, exponent, noise, Some(-(exponent + 2.0).powi(2))).await;
    }
    id
}

async fn log(server: &TestServer, experiment: &str, exponent: f64, noise: usize, score: Option<f64>) {
    let run = ok(
        server,
        "POST",
        "/api/2.0/mlflow/runs/create",
        json!({"experiment_id": experiment, "start_time": 1}),
    )
    .await;
    let id = run["run"]["info"]["run_id"].as_str().unwrap().to_owned();
    let metrics: Vec<Value> = score
        .iter()
        .map(|value| json!({"key": "score", "value": value, "timestamp": 1, "step": 0}))
        .collect();
    let params = json!([{"key": "lr", "value": 10f64.powf(exponent).to_string()}, {"key": "noise", "value": noise.to_string()}]);
    ok(
        server,
        "POST",
        "/api/2.0/mlflow/runs/log-batch",
        json!({"run_id": id, "metrics": metrics, "params": params}),
    )
    .await;
    if score.is_some() {
        ok(
            server,
            "POST",
            "/api/2.0/mlflow/runs/update",
            json!({"run_id": id, "status": "FINISHED", "end_time": 2}),
        )
        .await;
    }
}

const SUGGEST: &str = "/api/v1/experiments/team%2Fa%3Ab:suggest";

#[tokio::test]
async fn a_suggestion_says_where_its_space_came_from() {
    let server = &server().await;
    let id = experiment(server, 12).await;
    let ask = json!({"metric": "score", "direction": "maximize", "seed": 3, "count": 2});
    let inferred = ok(server, "POST", SUGGEST, ask.clone()).await;
    assert_eq!(inferred["space_from"], "past_runs");
    assert_eq!(inferred["space"]["noise"], "0..4:int");
    assert_eq!(inferred["runs"], json!({"finished": 12, "running": 0, "failed": 0, "elsewhere": 0}));
    assert_eq!(inferred["suggestions"][0]["method"], "tpe");
    assert_eq!(ok(server, "POST", SUGGEST, ask.clone()).await, inferred, "a seed decides");
    let by_id = ok(server, "POST", &format!("/api/v1/experiments/{id}:suggest"), ask.clone()).await;
    assert_eq!(by_id, inferred);

    let tag = json!({"experiment_id": id, "key": "lemnis.space", "value": "{\"lr\": \"1e-4..1:log\"}"});
    ok(server, "POST", "/api/2.0/mlflow/experiments/set-experiment-tag", tag).await;
    assert_eq!(ok(server, "POST", SUGGEST, ask.clone()).await["space_from"], "experiment_tag");
    let mut own = ask;
    own["space"] = json!({"lr": "1e-4..1:log", "opt": ["adam", "sgd"]});
    let own = ok(server, "POST", SUGGEST, own).await;
    assert_eq!(own["space_from"], "request");
    assert_eq!(own["runs"]["elsewhere"], 12, "no run has opt");
    assert_eq!(own["suggestions"][0]["method"], "quasi-random");
}

#[tokio::test]
async fn workers_that_begin_their_runs_at_once_get_different_points() {
    let server = &server().await;
    let id = experiment(server, 12).await;
    let ask = json!({"metric": "score", "direction": "maximize", "seed": 3, "start": true});
    let answers = futures::future::join_all((0..4).map(|_| ok(server, "POST", SUGGEST, ask.clone()))).await;
    let mut points: Vec<String> =
        answers.iter().map(|answer| answer["suggestions"][0]["params"].to_string()).collect();
    points.sort_unstable();
    points.dedup();
    assert_eq!(points.len(), 4, "{answers:#?}");
    let run = answers[0]["suggestions"][0]["run_id"].as_str().unwrap();
    let run = ok(server, "GET", &format!("/api/2.0/mlflow/runs/get?run_id={run}"), Value::Null).await;
    assert_eq!(run["run"]["info"]["experiment_id"], json!(id));
    assert_eq!(run["run"]["info"]["status"], "RUNNING");
    assert_eq!(run["run"]["data"]["params"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_cannot_be_suggested_is_told_with_the_way_out() {
    let server = &server().await;
    experiment(server, 1).await;
    for (path, body, status, says) in [
        (SUGGEST, json!({}), 400, "the metric to improve is not said"),
        (SUGGEST, json!({"metric": "score"}), 400, "whether more or less of \"score\" is better"),
        (SUGGEST, json!({"metric": "score", "direction": "up"}), 400, "unknown variant"),
        (
            SUGGEST,
            json!({"metric": "score", "direction": "maximize"}),
            400,
            "nothing says what may be searched",
        ),
        (
            SUGGEST,
            json!({"metric": "score", "direction": "maximize", "space": {"x": "1"}, "count": 0}),
            400,
            "count must be",
        ),
        (
            SUGGEST,
            json!({"metric": "s", "direction": "maximize", "space": {"x": {"low": 1}}}),
            400,
            "reading the search space",
        ),
        (
            "/api/v1/experiments/none:suggest",
            json!({"metric": "s", "direction": "maximize"}),
            404,
            "no experiment \"none\"",
        ),
        ("/api/v1/experiments/none:start", json!({}), 400, "its acts are suggest"),
        ("/api/v1/experiments/none", json!({}), 400, "names no act"),
    ] {
        let (code, answer) = server.json("POST", path, body.clone()).await;
        assert_eq!(code, status, "{path} {body}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains(says), "{path} {body}: {answer}");
    }
}

#[tokio::test]
async fn the_param_that_decides_is_the_most_important_on_the_page_too() {
    let server = &server().await;
    experiment(server, 30).await;
    let found =
        ok(server, "GET", "/api/v1/experiments/team%2Fa%3Ab/importance?metric=score", Value::Null).await;
    assert_eq!(found["importance"]["effects"][0]["param"], "lr");
    assert!(found["importance"]["effects"][0]["importance"].as_f64().unwrap() > 0.8, "{found}");
    assert_eq!(found["seen"].as_array().unwrap().len(), 30);
    let (_, html) =
        lemnis_server::call(&server.router, "GET", "/experiments/team%2Fa%3Ab/importance", None).await;
    let html = String::from_utf8_lossy(&html);
    assert!(html.contains("Which params decide score?") && html.contains("class=\"dot a\""), "{html}");
    let (status, _) = server.json("GET", "/api/v1/experiments/none/importance", Value::Null).await;
    assert_eq!(status, 404);
}
