//! MLflow's REST API on the wire: spellings, errors, artifacts.

mod support;

use serde_json::{Value, json};
use support::server;

#[tokio::test]
async fn a_run_is_logged_and_found() {
    let server = server().await;
    let made = server.post("experiments/create", json!({"name": "e"})).await;
    let experiment = made["experiment_id"].as_str().unwrap();
    let made = server
        .post("runs/create", json!({"experiment_id": experiment, "start_time": 5, "run_name": "r"}))
        .await;
    let info = &made["run"]["info"];
    assert_eq!(info["run_id"], info["run_uuid"]);
    let id = info["run_id"].as_str().unwrap();
    let batch = json!({
        "run_id": id,
        "metrics": [{"key": "auc", "value": 0.24452543953094585, "timestamp": 1}, {"key": "nan", "value": "NaN", "timestamp": "2"}],
        "params": [{"key": "depth", "value": "3"}],
        "tags": [{"key": "a", "value": "b"}],
    });
    assert_eq!(server.post("runs/log-batch", batch).await, json!({}));
    let search =
        json!({"experiment_ids": [experiment], "filter": "metrics.auc > 0.2 AND params.depth = '3'"});
    let found = server.post("runs/search", search).await;
    let data = &found["runs"][0]["data"];
    assert_eq!(
        data["metrics"][0],
        json!({"key": "auc", "value": 0.24452543953094585, "timestamp": 1, "step": 0})
    );
    assert_eq!(data["metrics"][1]["value"], "NaN");
    assert_eq!(data["params"], json!([{"key": "depth", "value": "3"}]));
    assert_eq!(found.get("next_page_token"), None);
}

#[tokio::test]
async fn both_spellings_and_both_prefixes_are_understood() {
    let server = server().await;
    let made = server.post("runs/create", json!({"experimentId": "0", "startTime": "7"})).await;
    assert_eq!(made["run"]["info"]["start_time"], 7);
    let id = made["run"]["info"]["run_id"].as_str().unwrap();
    let (status, found) =
        server.json("GET", &format!("/ajax-api/2.0/mlflow/runs/get?run_uuid={id}"), Value::Null).await;
    assert_eq!((status, &found["run"]["info"]["run_id"]), (200, &json!(id)));
    let quoted = Value::String(json!({"run_id": id, "status": 3}).to_string());
    let updated = server.post("runs/update", quoted).await;
    assert_eq!(updated["run_info"]["status"], "FINISHED");
    let both = json!({"run_id": id, "runId": id, "status": "FAILED"});
    assert_eq!(server.refused("POST", "/api/2.0/mlflow/runs/update", both).await.0, 400);
}

#[tokio::test]
async fn a_callers_mistake_is_never_a_server_error() {
    let server = server().await;
    let api = "/api/2.0/mlflow";
    let cases = [
        (
            "POST",
            "experiments/create",
            json!({}),
            "INVALID_PARAMETER_VALUE",
            "Missing value for required parameter 'name'.",
        ),
        (
            "POST",
            "experiments/create",
            json!({"name": 123}),
            "INVALID_PARAMETER_VALUE",
            "Invalid value 123 for parameter 'name' supplied",
        ),
        (
            "POST",
            "experiments/create",
            json!({"name": "Default"}),
            "RESOURCE_ALREADY_EXISTS",
            "Experiment(name=Default) already exists",
        ),
        (
            "GET",
            "experiments/get?experiment_id=99",
            Value::Null,
            "RESOURCE_DOES_NOT_EXIST",
            "No Experiment with id=99 exists",
        ),
        (
            "GET",
            "experiments/get?experiment_id=x",
            Value::Null,
            "INVALID_PARAMETER_VALUE",
            "Invalid experiment ID 'x'. Experiment ID must be a valid integer.",
        ),
        (
            "GET",
            "experiments/get-by-name?experiment_name=x",
            Value::Null,
            "RESOURCE_DOES_NOT_EXIST",
            "Could not find experiment with name 'x'",
        ),
        ("GET", "runs/get?run_id=x", Value::Null, "RESOURCE_DOES_NOT_EXIST", "Run with id=x not found"),
        (
            "POST",
            "runs/search",
            json!({"experiment_ids": ["0"], "filter": "x y z"}),
            "INVALID_PARAMETER_VALUE",
            "Invalid clause(s)",
        ),
        (
            "POST",
            "runs/search",
            json!({"experiment_ids": ["0"], "max_results": 50001}),
            "INVALID_PARAMETER_VALUE",
            "It must be at most 50000",
        ),
        (
            "POST",
            "runs/search",
            json!({"experiment_ids": ["0"], "page_token": "%"}),
            "INVALID_PARAMETER_VALUE",
            "could not base64-decode",
        ),
        (
            "POST",
            "runs/log-batch",
            json!({"run_id": "x", "metrics": [{"value": 1}]}),
            "INVALID_PARAMETER_VALUE",
            "metrics[0].key",
        ),
        (
            "POST",
            "runs/log-metric",
            json!({"run_id": "x", "key": "k", "value": true, "timestamp": 1}),
            "INVALID_PARAMETER_VALUE",
            "for parameter 'value' supplied",
        ),
        (
            "GET",
            "registered-models/get?name=x",
            Value::Null,
            "RESOURCE_DOES_NOT_EXIST",
            "Registered Model with name=x not found",
        ),
        (
            "GET",
            "model-versions/get?name=x&version=a",
            Value::Null,
            "INVALID_PARAMETER_VALUE",
            "Parameter 'version' must be an integer, got 'a'.",
        ),
        (
            "GET",
            "logged-models/m-1",
            Value::Null,
            "RESOURCE_DOES_NOT_EXIST",
            "Logged model with ID 'm-1' not found.",
        ),
        ("GET", "nowhere", Value::Null, "ENDPOINT_NOT_FOUND", "No endpoint is served"),
        ("PUT", "runs/create", json!({}), "ENDPOINT_NOT_FOUND", "No endpoint is served"),
    ];
    for (method, path, body, code, message) in cases {
        let (_, found, said) = server.refused(method, &format!("{api}/{path}"), body).await;
        assert_eq!(found, code, "{path}: {said}");
        assert!(said.contains(message), "{path}: {said}");
    }
}

#[tokio::test]
async fn artifacts_go_through_the_proxy_and_back() {
    let server = server().await;
    let made = server.post("runs/create", json!({})).await;
    let root = made["run"]["info"]["artifact_uri"].as_str().unwrap().replace("mlflow-artifacts:/", "");
    let at = |path: &str| format!("/api/2.0/mlflow-artifacts/artifacts/{root}/{path}");
    let call = async |method: &str, path: &str, body: Option<String>| {
        lemnis_server::call(&server.router, method, path, body).await
    };
    let big = "0123456789abcdef".repeat(1 << 20);
    assert_eq!(call("PUT", &at("d/big.bin"), Some(big.clone())).await.0, 200);
    assert_eq!(call("PUT", &at("d/gr%C3%B6%C3%9Fe%20(1).txt"), Some("x".into())).await.0, 200);
    assert_eq!(call("PUT", &at("empty"), None).await.0, 200);
    assert_eq!(call("GET", &at("d/big.bin"), None).await, (200, big.into_bytes()));
    let list = async |path: &str| {
        let path = format!("/api/2.0/mlflow-artifacts/artifacts?path={root}/{path}");
        server.json("GET", &path, Value::Null).await.1
    };
    assert_eq!(
        list("").await,
        json!({"files": [{"path": "d", "is_dir": true}, {"path": "empty", "is_dir": false, "file_size": 0}]})
    );
    assert_eq!(list("d").await["files"][1]["path"], "größe (1).txt");
    assert_eq!(list("nowhere").await, json!({}));
    let id = made["run"]["info"]["run_id"].as_str().unwrap();
    let (_, listed) =
        server.json("GET", &format!("/api/2.0/mlflow/artifacts/list?run_id={id}&path=d"), Value::Null).await;
    assert_eq!(listed["files"][0]["path"], "d/big.bin");
    assert_eq!(call("GET", &at("d"), None).await.0, 404, "a folder is no file");
    assert_eq!(call("PUT", &at("empty/below"), Some("x".into())).await.0, 400, "a file is no folder");
    assert_eq!(call("DELETE", &at("d"), None).await.0, 200);
    assert_eq!(call("GET", &at("d/big.bin"), None).await.0, 404);
}

#[tokio::test]
async fn no_artifact_path_leads_out_of_the_store() {
    let server = server().await;
    std::fs::write(server.dir.path().join("secret.txt"), "secret").unwrap();
    for path in [
        "..%2f..%2fsecret.txt",
        "%252e%252e/%252e%252e/secret.txt",
        "a/..%5c..%5csecret.txt",
        "%2fetc%2fpasswd",
        "a%23b",
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let path = format!("/api/2.0/mlflow-artifacts/artifacts/{path}");
            let (status, code, message) = server.refused(method, &path, json!({})).await;
            assert_eq!(
                (status, code.as_str(), message.as_str()),
                (400, "INVALID_PARAMETER_VALUE", "Invalid path"),
                "{path}"
            );
        }
    }
    let (status, _, _) =
        server.refused("GET", "/api/2.0/mlflow-artifacts/artifacts?path=../..", Value::Null).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_version_comes_only_from_the_run_that_is_named() {
    let server = server().await;
    server.post("registered-models/create", json!({"name": "m"})).await;
    let made = server.post("runs/create", json!({})).await;
    let info = &made["run"]["info"];
    let (id, uri) = (info["run_id"].as_str().unwrap(), info["artifact_uri"].as_str().unwrap());
    let good = json!({"name": "m", "source": format!("{uri}/model"), "run_id": id});
    let version = server.post("model-versions/create", good).await;
    assert_eq!(
        (&version["model_version"]["version"], &version["model_version"]["status"]),
        (&json!("1"), &json!("READY"))
    );
    let bad = [
        json!({"source": format!("{uri}/model")}),
        json!({"source": format!("{uri}/../../x"), "run_id": id}),
        json!({"source": format!("{uri}/%2e%2e/x"), "run_id": id}),
        json!({"source": "mlflow-artifacts:/other", "run_id": id}),
        json!({"source": "/etc", "run_id": id}),
        json!({"source": "file:///etc", "run_id": id}),
        json!({"source": "runs:/other/model", "run_id": id}),
        json!({"source": "models:/m-1"}),
    ];
    for mut body in bad {
        body["name"] = "m".into();
        let (_, code, message) =
            server.refused("POST", "/api/2.0/mlflow/model-versions/create", body.clone()).await;
        assert_eq!(code, "INVALID_PARAMETER_VALUE");
        assert!(message.starts_with("Invalid model version source: '"), "{body}: {message}");
    }
    server.post("registered-models/alias", json!({"name": "m", "alias": "champion", "version": "1"})).await;
    let (_, found) = server
        .json("GET", "/api/2.0/mlflow/registered-models/alias?name=m&alias=champion", Value::Null)
        .await;
    assert_eq!(found["model_version"]["aliases"], json!(["champion"]));
}

#[tokio::test]
async fn nul_is_refused_in_bodies_queries_and_paths() {
    let server = server().await;
    let made = server.post("runs/create", json!({"experiment_id": "0"})).await;
    let id = made["run"]["info"]["run_id"].as_str().unwrap();
    let point = json!({"run_id": id, "key": "a\u{0}", "value": 1.0, "timestamp": 1});
    let tag = json!({"run_id": id, "key": "note", "value": "a\u{0}b"});
    let batch = json!({"run_id": id, "params": [{"key": "note", "value": "a\u{0}b"}]});
    let search = json!({"experiment_ids": ["0"], "filter": "params.note = 'a\u{0}'"});
    for (method, path, body) in [
        ("POST", "runs/log-metric", point),
        ("POST", "runs/set-tag", tag.clone()),
        ("POST", "runs/set-tag", Value::String(tag.to_string())),
        ("POST", "runs/log-batch", batch),
        ("POST", "runs/search", search),
        ("GET", "experiments/get-by-name?experiment_name=a%00", Value::Null),
        ("GET", "logged-models/m-%00", Value::Null),
    ] {
        let (status, code, message) =
            server.refused(method, &format!("/api/2.0/mlflow/{path}"), body.clone()).await;
        assert_eq!((status, code.as_str()), (400, "INVALID_PARAMETER_VALUE"), "{path} {body}");
        assert_eq!(message, "A text must not contain the character NUL (U+0000).", "{path} {body}");
    }
    let escaped = json!({"run_id": id, "key": "note", "value": "a\\u0000b"});
    server.post("runs/set-tag", escaped).await;
}
