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
use lemnis_serving::{EndpointState, Endpoints, PredictionLog, Rollouts};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{INLINE_BODY_BYTES, MAX_BODY_BYTES, Scoring, over};

#[derive(Clone)]
struct Alone(Arc<Endpoints>, Arc<dyn Rollouts>);

impl FromRef<Alone> for Scoring {
    fn from_ref(alone: &Alone) -> Self {
        Self { endpoints: alone.0.clone(), durable: alone.1.clone() }
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

async fn router(dir: &Path, deployed: bool) -> Router {
    let up: &[&str] = if deployed { &["churn"] } else { &[] };
    known_and_up(dir, up, up).await
}

/// The endpoints `known` to the durable state, in the order of their deployment, of which those of `up` answer.
async fn known_and_up(dir: &Path, known: &[&str], up: &[&str]) -> Router {
    let clock = Arc::new(FixedClock::new(1_000));
    let log = Arc::new(PredictionLog::open(&dir.join("log"), clock.clone()).unwrap());
    let endpoints = Endpoints::new(log, clock);
    let durable = lemnis_testkit::ports(dir).await.unwrap().rollouts;
    for name in known {
        durable.put_endpoint(&EndpointState::new(name, name, 3, 1)).await.unwrap();
    }
    for name in up {
        endpoints.deploy(name, 3, model());
    }
    over().into_router().with_state(Alone(Arc::new(endpoints), durable))
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
    let router = router(dir.path(), true).await;
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
    let router = router(dir.path(), true).await;
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
    let router = router(dir.path(), true).await;
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
    let router = router(dir.path(), true).await;
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
    let router = router(dir.path(), false).await;
    for (path, expected) in [("/ping", 404), ("/health", 200), ("/version", 200), ("/v2/health/ready", 200)] {
        let (status, _, _) = send(&router, Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(status, expected, "{path}");
    }
    assert_eq!(post(&router, "/invocations", RECORDS).await.0, 404);
}

#[tokio::test]
async fn the_address_without_a_name_never_answers_for_another_endpoint() {
    let dir = tempfile::tempdir().unwrap();
    let first_is_up = known_and_up(dir.path(), &["churn", "a"], &["a", "churn"]).await;
    let request = |name: &str| format!("/endpoints/{name}/invocations");
    assert_eq!(post(&first_is_up, "/invocations", RECORDS).await.0, 200);
    let (_, stats) = get(&first_is_up, "/v2/models/churn/stats").await;
    assert_eq!(
        stats["model_stats"][0]["inference_count"],
        json!(1),
        "the first one that was deployed answered"
    );

    let first_is_down = known_and_up(dir.path(), &[], &["a"]).await;
    let (status, answer) = post(&first_is_down, "/invocations", RECORDS).await;
    assert_eq!((status, &answer["error_code"]), (503, &json!("TEMPORARILY_UNAVAILABLE")), "{answer}");
    assert!(answer["message"].as_str().unwrap().contains("churn"), "{answer}");
    let ping = Request::get("/ping").body(Body::empty()).unwrap();
    assert_eq!(send(&first_is_down, ping).await.0, 503);
    assert_eq!(post(&first_is_down, &request("a"), RECORDS).await.0, 200);
}

#[tokio::test]
async fn the_server_is_ready_once_every_known_endpoint_is_up() {
    let dir = tempfile::tempdir().unwrap();
    let router = known_and_up(dir.path(), &["churn", "late"], &["churn"]).await;
    let (status, answer) = get(&router, "/v2/health/ready").await;
    assert_eq!((status, &answer["not_ready"]), (503, &json!(["late"])));
    assert_eq!(get(&router, "/v2/health/live").await.0, 200);
    let router = known_and_up(dir.path(), &[], &["churn", "late"]).await;
    assert_eq!(get(&router, "/v2/health/ready").await.0, 200);
}

#[tokio::test]
async fn a_large_body_gets_the_answer_of_a_small_one() {
    let dir = tempfile::tempdir().unwrap();
    let router = router(dir.path(), true).await;
    let rows = 20_000;
    let record = r#"{"age": 80, "place": "town"}"#;
    let body = format!(r#"{{"dataframe_records": [{}]}}"#, vec![record; rows].join(","));
    assert!(body.len() > INLINE_BODY_BYTES);
    let (status, answer) = post(&router, "/invocations", &body).await;
    assert_eq!((status, answer["predictions"].as_array().unwrap().len()), (200, rows));
    let (_, small) = post(&router, "/invocations", RECORDS).await;
    assert_eq!(answer["predictions"][rows - 1], small["predictions"][0]);
    let tensors = json!({ "inputs": [
        { "name": "age", "datatype": "FP64", "shape": [rows], "data": vec![80.0; rows] },
        { "name": "place", "datatype": "BYTES", "shape": [rows], "data": vec!["town"; rows] },
    ]})
    .to_string();
    assert!(tensors.len() > INLINE_BODY_BYTES);
    let (status, answer) = post(&router, "/v2/models/churn/infer", &tensors).await;
    assert_eq!((status, &answer["outputs"][0]["shape"]), (200, &json!([rows])));
    assert_eq!(post(&router, "/invocations", &body[..body.len() - 1]).await.0, 400);
}

#[tokio::test]
async fn a_known_endpoint_that_is_down_is_unavailable_and_not_missing() {
    let dir = tempfile::tempdir().unwrap();
    let router = known_and_up(dir.path(), &["late", "churn"], &["churn"]).await;
    let status = async |name: &str| post(&router, &format!("/endpoints/{name}/invocations"), RECORDS).await.0;
    assert_eq!((status("late").await, status("nobody").await, status("churn").await), (503, 404, 200));
}
