//! Traces, assessments, evaluation data, GraphQL and webhooks on the wire.

mod support;

use serde_json::{Value, json};
use support::{TestServer, server};

const V3: &str = "/api/3.0/mlflow";

fn trace(id: &str, tags: Value) -> Value {
    json!({"trace": {"trace_info": {
        "trace_id": id,
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}},
        "request_time": "2025-01-01T00:00:01.500Z",
        "execution_duration": "0.250s",
        "state": "OK",
        "trace_metadata": {"mlflow.trace.session": "s1"},
        "tags": tags,
    }}})
}

impl TestServer {
    async fn v3(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.json(method, &format!("{V3}/{path}"), body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    async fn found(&self, filter: &str) -> Vec<String> {
        let locations = json!([{"mlflow_experiment": {"experiment_id": "0"}}]);
        let answer =
            self.v3("POST", "traces/search", json!({"locations": locations, "filter": filter})).await;
        let traces = answer["traces"].as_array().cloned().unwrap_or_default();
        traces.iter().map(|trace| trace["trace_id"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

#[tokio::test]
async fn a_trace_keeps_its_keys_and_times_as_they_were_sent() {
    let server = server().await;
    let made = server.v3("POST", "traces", trace("tr-1", json!({"camelCase.Key": "v"}))).await;
    let info = &made["trace"]["trace_info"];
    assert_eq!(info["tags"]["camelCase.Key"], "v");
    assert_eq!(
        (&info["request_time"], &info["execution_duration"]),
        (&json!("2025-01-01T00:00:01.500Z"), &json!("0.250s"))
    );
    let again = server.v3("GET", "traces/tr-1", Value::Null).await;
    assert_eq!(again, made);
    let tag = json!({"key": "team", "value": "a"});
    server.json("PATCH", "/api/2.0/mlflow/traces/tr-1/tags", tag).await;
    assert_eq!(server.found("tag.team = 'a' AND end_time = 1735689601750").await, ["tr-1"]);
    assert_eq!(server.found("tag.team RLIKE '^b'").await, Vec::<String>::new());
    let (status, _, message) =
        server.refused("GET", &format!("{V3}/traces/get?trace_id=nobody"), Value::Null).await;
    assert_eq!((status, message.as_str()), (404, "Trace with ID nobody is not found."));
}

#[tokio::test]
async fn an_assessment_that_overrides_another_gives_way_again() {
    let server = server().await;
    server.v3("POST", "traces", trace("tr-1", json!({}))).await;
    let feedback = |value: Value, overrides: Value| {
        json!({"assessment": {
            "assessment_name": "good",
            "source": {"source_type": "HUMAN", "source_id": "ada"},
            "feedback": {"value": value},
            "overrides": overrides,
        }})
    };
    let first = server.v3("POST", "traces/tr-1/assessments", feedback(json!(1), Value::Null)).await;
    let old = first["assessment"]["assessment_id"].as_str().unwrap().to_owned();
    let second = server.v3("POST", "traces/tr-1/assessments", feedback(json!("yes"), json!(old))).await;
    let new = second["assessment"]["assessment_id"].as_str().unwrap().to_owned();
    let kept = server.v3("GET", &format!("traces/tr-1/assessments/{old}"), Value::Null).await;
    assert_eq!(kept["assessment"]["valid"], false);
    assert_eq!(server.found("feedback.good = 'yes'").await, ["tr-1"]);
    assert!(server.found("feedback.good > 0").await.is_empty(), "what is overridden does not count");
    server.v3("DELETE", &format!("traces/tr-1/assessments/{new}"), Value::Null).await;
    assert_eq!(server.found("feedback.good >= 1").await, ["tr-1"]);
}

#[tokio::test]
async fn spans_come_as_open_telemetry_sends_them() {
    let server = server().await;
    let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": [{
        "traceId": "00000000000000000000000000000abc",
        "spanId": "00000000000000ab",
        "name": "ask",
        "startTimeUnixNano": "1735689600000000000",
        "endTimeUnixNano": "1735689602000000000",
        "attributes": [
            {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "7"}},
            {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "5"}},
            {"key": "gen_ai.request.model", "value": {"stringValue": "m"}},
        ],
    }]}]}]});
    let request = axum::http::Request::post("/v1/traces")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("x-mlflow-experiment-id", "0")
        .body(axum::body::Body::from(body.to_string()))
        .unwrap();
    let answer = tower::ServiceExt::oneshot(server.router.clone(), request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let id = "tr-00000000000000000000000000000abc";
    assert_eq!(server.found("span.name = 'ask' AND span.attributes.gen_ai.request.model = 'm'").await, [id]);
    let got = server.v3("GET", &format!("traces/get?trace_id={id}"), Value::Null).await;
    let usage = got["trace"]["trace_info"]["trace_metadata"]["mlflow.trace.tokenUsage"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(usage).unwrap()["total_tokens"], 12);
    assert_eq!(got["trace"]["trace_info"]["execution_duration"], "2s");
    let metric = json!({
        "experiment_ids": ["0"], "view_type": "TRACES", "metric_name": "total_tokens",
        "aggregations": [{"aggregation_type": "SUM"}, {"aggregation_type": "PERCENTILE", "percentile_value": 50}],
    });
    let points = server.v3("POST", "traces/metrics", metric).await;
    assert_eq!(points["data_points"][0]["values"], json!({"SUM": 12.0, "P50.0": 12.0}));
}

#[tokio::test]
async fn graphql_answers_what_rest_answers() {
    let server = server().await;
    let run = server.post("runs/create", json!({"experiment_id": "0", "start_time": 5})).await;
    let id = run["run"]["info"]["run_id"].as_str().unwrap();
    let query = "query Q($id: String) { mlflowGetRun(input: {runId: $id}) { run { info { startTime } experiment { name } } } }";
    let (_, answer) = server
        .json("POST", "/graphql", json!({"query": query, "operationName": "Q", "variables": {"id": id}}))
        .await;
    let run = &answer["data"]["mlflowGetRun"]["run"];
    assert_eq!(
        (&run["info"]["startTime"], &run["experiment"]["name"]),
        (&json!("5"), &json!("Default")),
        "{answer}"
    );
    let (_, answer) = server.json("POST", "/graphql", json!({"query": "{ nothing { a } }"})).await;
    assert!(answer["errors"][0].as_str().unwrap().contains("Cannot query field 'nothing'"));
}

#[tokio::test]
async fn no_bad_request_is_answered_as_a_failure_of_the_server() {
    let server = server().await;
    server.v3("POST", "traces", trace("tr-1", json!({}))).await;
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!({ "a": deep });
    }
    let bodies = [
        json!({}),
        json!([1]),
        json!("text"),
        json!({"trace": 1}),
        json!({"trace": {"trace_info": deep}}),
        deep,
    ];
    let calls = [
        ("POST", "traces"),
        ("POST", "traces/search"),
        ("POST", "traces/metrics"),
        ("POST", "traces/calculate-filter-correlation"),
        ("POST", "traces/tr-1/assessments"),
        ("PATCH", "traces/tr-1/assessments/a-1"),
        ("POST", "datasets/create"),
        ("POST", "datasets/d-1/records"),
        ("POST", "scorers/register"),
        ("POST", "issues"),
        ("POST", "issues/search"),
    ];
    for (method, path) in calls {
        for body in &bodies {
            let (status, answer) = server.json(method, &format!("{V3}/{path}"), body.clone()).await;
            assert!(status < 500, "{path} {body}: {answer}");
        }
    }
    for body in &bodies {
        for path in ["/graphql", "/api/2.0/mlflow/webhooks", "/api/2.0/mlflow/traces"] {
            let (status, answer) = server.json("POST", path, body.clone()).await;
            assert!(status < 500, "{path} {body}: {answer}");
        }
    }
    let filters = [
        "'",
        "`",
        "a.",
        ".a",
        "tag. = 'x'",
        "span.attributes. = 'x'",
        "tag.x RLIKE '['",
        "feedback.x > NaN",
        "run_id IN ()",
        "name = \"",
        "trace.text = 'x'",
        "a AND AND b",
        "tag.x = 'é' AND",
        "metadata.`a = 'x'",
    ];
    for filter in filters {
        let locations = json!([{"mlflow_experiment": {"experiment_id": "0"}}]);
        let path = format!("{V3}/traces/search");
        let (status, answer) =
            server.json("POST", &path, json!({"locations": locations, "filter": filter})).await;
        assert!(status < 500, "{filter}: {answer}");
    }
}

#[tokio::test]
async fn webhooks_are_told_and_what_fails_is_tried_again() {
    use lemnis_core::Clock as _;

    let server = server().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    let failures = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(1));
    let receiver = axum::Router::new().route(
        "/hook",
        axum::routing::post(move |headers: axum::http::HeaderMap, body: String| async move {
            let first = failures.fetch_update(
                std::sync::atomic::Ordering::SeqCst,
                std::sync::atomic::Ordering::SeqCst,
                |left| left.checked_sub(1),
            );
            seen.send((headers, body)).unwrap();
            if first.is_ok() {
                axum::http::StatusCode::SERVICE_UNAVAILABLE
            } else {
                axum::http::StatusCode::OK
            }
        }),
    );
    let serving = tokio::spawn(async move { axum::serve(listener, receiver).await.unwrap() });
    let hook = json!({
        "name": "hook",
        "url": format!("http://{address}/hook"),
        "events": [{"entity": "REGISTERED_MODEL", "action": "CREATED"}],
        "secret": "s3cret",
    });
    let made = server.post("webhooks", hook).await;
    assert!(!made.to_string().contains("s3cret"), "a secret is never shown");
    server.post("registered-models/create", json!({"name": "m"})).await;

    let app = server.app.clone();
    assert_eq!(lemnis_app::announce::deliver(&app).await.unwrap(), 0, "the receiver fails once");
    assert_eq!(lemnis_app::announce::deliver(&app).await.unwrap(), 0, "the next try has to wait");
    server.clock.advance_ms(1000);
    assert_eq!(lemnis_app::announce::deliver(&app).await.unwrap(), 1);
    let (_, _) = arrived.recv().await.unwrap();
    let (headers, body) = arrived.recv().await.unwrap();
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&told["entity"], &told["data"]["name"]), (&json!("registered_model"), &json!("m")));
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("x-mlflow-timestamp"), (server.clock.now_ms() / 1000).to_string());
    assert!(header("x-mlflow-signature").starts_with("v1,"));
    let id = made["webhook"]["webhook_id"].as_str().unwrap();
    let tested = server.post(&format!("webhooks/{id}/test"), json!({})).await;
    assert_eq!(tested["result"]["response_status"], 200);
    serving.abort();
}
