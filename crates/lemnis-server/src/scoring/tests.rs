//! Both protocols over a real model: what answers, who is named, and how mistakes are told.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::FromRef;
use axum::http::{HeaderMap, Request};
use lemnis_core::FixedClock;
use lemnis_model::train::{Params, Target, train};
use lemnis_model::{Column, Frame, Model};
use lemnis_serving::{Endpoints, PredictionLog};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{MAX_BODY_BYTES, Scoring, over};

#[derive(Clone)]
struct Alone(Arc<Endpoints>);

impl FromRef<Alone> for Scoring {
    fn from_ref(alone: &Alone) -> Self {
        Self(alone.0.clone())
    }
}

/// A model of one number and one text: "Yes" above 50 in town.
fn model() -> Arc<Model> {
    let age: Vec<f64> = (0..200).map(|row| f64::from(row % 100)).collect();
    let place = |row: usize| if row.is_multiple_of(3) { "country" } else { "town" };
    let labels = (0..200).map(|row| age[row] > 50.0 && place(row) == "town").collect();
    let frame = Frame::new(vec![
        ("age".to_owned(), Column::Float(age)),
        ("place".to_owned(), Column::Text((0..200).map(|row| place(row).to_owned()).collect())),
    ])
    .unwrap();
    let target = Target::Binary { labels, negative: "No".to_owned(), positive: "Yes".to_owned() };
    let params = Params { trees: 20, ..Params::default() };
    Arc::new(train(&frame, &target, &params, None).unwrap().model().unwrap())
}

fn router(dir: &Path, deployed: bool) -> Router {
    let clock = Arc::new(FixedClock::new(1_000));
    let log = Arc::new(PredictionLog::open(dir, clock.clone()).unwrap());
    let endpoints = Endpoints::new(log, clock);
    if deployed {
        endpoints.deploy("churn", 3, model());
    }
    over().with_state(Alone(Arc::new(endpoints)))
}

async fn send(router: &Router, request: Request<Body>) -> (u16, HeaderMap, Vec<u8>) {
    let answer = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    (parts.status.as_u16(), parts.headers, bytes.to_vec())
}

async fn post(router: &Router, path: &str, body: &str) -> (u16, Value) {
    let request =
        Request::post(path).header("content-type", "application/json").body(Body::from(body.to_owned()));
    let (status, _, bytes) = send(router, request.unwrap()).await;
    (status, serde_json::from_slice(&bytes).unwrap())
}

async fn get(router: &Router, path: &str) -> (u16, Value) {
    let (status, _, bytes) = send(router, Request::get(path).body(Body::empty()).unwrap()).await;
    (status, serde_json::from_slice(&bytes).unwrap())
}

const RECORDS: &str =
    r#"{"dataframe_records": [{"age": 80, "place": "town"}, {"age": 80, "place": "country"}]}"#;

#[tokio::test]
async fn a_data_frame_is_answered_row_by_row_and_says_by_which_version() {
    let dir = tempfile::tempdir().unwrap();
    let router = router(dir.path(), true);
    let request = Request::post("/endpoints/churn/invocations")
        .header("content-type", "application/json")
        .header("x-request-id", "r-7")
        .body(Body::from(RECORDS));
    let (status, headers, bytes) = send(&router, request.unwrap()).await;
    let answer: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(status, 200, "{answer}");
    let labels: Vec<&str> =
        answer["predictions"].as_array().unwrap().iter().map(|row| row["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["Yes", "No"]);
    assert_eq!(
        (&headers["x-model-version"], &headers["x-request-id"]),
        (&"3".parse().unwrap(), &"r-7".parse().unwrap())
    );
    // Every spelling of the same rows gets the same answer, and so does the address without a name.
    let split =
        r#"{"dataframe_split": {"columns": ["age", "place"], "data": [[80, "town"], [80, "country"]]}}"#;
    assert_eq!(post(&router, "/invocations", split).await, (200, answer.clone()));
    let csv = Request::post("/invocations")
        .header("content-type", "text/csv")
        .body(Body::from("age,place\n80,town\n80,country\n"));
    let (status, _, bytes) = send(&router, csv.unwrap()).await;
    assert_eq!((status, serde_json::from_slice::<Value>(&bytes).unwrap()), (200, answer));
}

#[tokio::test]
async fn tensors_are_answered_with_tensors_and_agree_with_the_data_frame() {
    let dir = tempfile::tempdir().unwrap();
    let router = router(dir.path(), true);
    let request = json!({
        "id": "t-1",
        "inputs": [
            { "name": "age", "datatype": "FP64", "shape": [2], "data": [80.0, 80.0] },
            { "name": "place", "datatype": "BYTES", "shape": [2], "data": ["town", "country"] },
        ],
    });
    let (status, answer) = post(&router, "/v2/models/churn/infer", &request.to_string()).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        (&answer["id"], &answer["model_name"], &answer["model_version"]),
        (&json!("t-1"), &json!("churn"), &json!("3"))
    );
    let output = |name: &str| {
        let found = answer["outputs"].as_array().unwrap().iter().find(|output| output["name"] == name);
        found.unwrap_or(&Value::Null)["data"].clone()
    };
    assert_eq!(output("label"), json!(["Yes", "No"]));
    let (_, frame) = post(&router, "/invocations", RECORDS).await;
    for row in 0..2 {
        assert_eq!(output("probability")[row], frame["predictions"][row]["probability"]);
    }
    let (status, one) = post(&router, "/v2/models/churn/versions/3/infer", &request.to_string()).await;
    assert_eq!((status, &one["outputs"]), (200, &answer["outputs"]));
}

#[tokio::test]
async fn a_model_describes_itself() {
    let dir = tempfile::tempdir().unwrap();
    let router = router(dir.path(), true);
    let (status, model) = get(&router, "/v2/models/churn").await;
    assert_eq!((status, &model["name"], &model["versions"]), (200, &json!("churn"), &json!(["3"])));
    let inputs: Vec<&Value> =
        model["inputs"].as_array().unwrap().iter().map(|input| &input["datatype"]).collect();
    assert_eq!(inputs, [&json!("FP64"), &json!("BYTES")]);
    assert_eq!(get(&router, "/v2/health/ready").await.0, 200);
    assert_eq!(get(&router, "/v2/models/churn/ready").await.1["ready"], json!(true));
    post(&router, "/invocations", RECORDS).await;
    let (_, stats) = get(&router, "/v2/models/churn/stats").await;
    assert_eq!(stats["model_stats"][0]["inference_stats"]["success"]["count"], json!(1));
    let (_, index) = post(&router, "/v2/repository/index", "{}").await;
    assert_eq!((&index[0]["name"], &index[0]["state"]), (&json!("churn"), &json!("READY")));
}

#[tokio::test]
async fn mistakes_are_told_in_the_words_of_the_protocol_they_came_by() {
    let dir = tempfile::tempdir().unwrap();
    let router = router(dir.path(), true);
    for body in [
        "",
        "{",
        "[1, 2",
        r#"{"rows": []}"#,
        r#"{"dataframe_records": 7}"#,
        r#"{"dataframe_records": [{"age": "old"}]}"#,
    ] {
        let (status, answer) = post(&router, "/invocations", body).await;
        assert!((400..500).contains(&status), "{body}: {status} {answer}");
        assert!(answer["error_code"].is_string() && answer["message"].is_string(), "{body}: {answer}");
        let (status, answer) = post(&router, "/v2/models/churn/infer", body).await;
        assert!((400..500).contains(&status), "{body}: {status} {answer}");
        assert!(answer["error"].is_string(), "{body}: {answer}");
    }
    assert_eq!(post(&router, "/v2/models/nobody/infer", "{}").await.0, 404);
    assert_eq!(post(&router, "/v2/models/churn/versions/9/infer", "{}").await.0, 404);
    assert_eq!(get(&router, "/v2/models/churn/versions/x").await.0, 404);
    assert_eq!(post(&router, "/endpoints/nobody/invocations", RECORDS).await.0, 404);
    assert_eq!(get(&router, "/invocations").await.0, 405);
    let (status, _, _) = send(
        &router,
        Request::post("/invocations").header("content-type", "image/png").body(Body::from("x")).unwrap(),
    )
    .await;
    assert_eq!(status, 415);
    let large = vec![b' '; MAX_BODY_BYTES + 1];
    let (status, _, _) = send(
        &router,
        Request::post("/invocations")
            .header("content-type", "application/json")
            .body(Body::from(large))
            .unwrap(),
    )
    .await;
    assert_eq!(status, 413);
    assert_eq!(post(&router, "/v2/repository/models/churn/unload", "{}").await.0, 400);
}

#[tokio::test]
async fn nothing_deployed_is_not_ready_and_still_healthy() {
    let dir = tempfile::tempdir().unwrap();
    let router = router(dir.path(), false);
    for (path, expected) in [("/ping", 404), ("/health", 200), ("/version", 200)] {
        let (status, _, _) = send(&router, Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(status, expected, "{path}");
    }
    assert_eq!(post(&router, "/invocations", RECORDS).await.0, 404);
}
