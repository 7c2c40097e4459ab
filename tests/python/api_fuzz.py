"""Asks every call of a running server's OpenAPI document with requests that schemathesis makes up.

    python api_fuzz.py URL EXAMPLES SEED [TOKEN] [-- ARGUMENTS OF SCHEMATHESIS]

EXAMPLES requests are made up for each call, besides those at the bounds of what a schema allows. No answer may be a
5xx but 501, break off, or differ from what the document says: status, media type and schema. For this the document,
which must be valid itself, is made strict first: an answer may have no field that it does not name.

Calls that never succeeded are named at the end.

Made-up names find nothing, so many of them are exchanged for those of things that this script makes before. Calls that
delete get things of their own, so that the others keep theirs. The choice depends on the request alone: with one SEED
and one state of the server, the requests are the same.
"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

import openapi_spec_validator

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def strict(schema):
    """No further fields in any object, where the schema does not speak of them."""
    if isinstance(schema, dict):
        for inner in schema.values():
            strict(inner)
        if schema.get("type") == "object" and "properties" in schema:
            schema.setdefault("additionalProperties", False)
    elif isinstance(schema, list):
        for inner in schema:
            strict(inner)


class Server:
    def __init__(self, url, token):
        self.url, self.token = url, token

    def call(self, method, path, body=None, raw=None, headers=()):
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)
        request.add_header("Content-Type", "application/json")
        for name, value in headers:
            request.add_header(name, value)
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{method} {path}: {error.code} {error.read().decode()}") from error

    def mlflow(self, path, body, version="2.0", method="POST"):
        return self.call(method, f"/api/{version}/mlflow/{path}", body)


def seeded(server, number):
    """One of everything, and the names of it by the fields that carry them."""
    mlflow = server.mlflow
    name = f"fuzz-{number}"
    experiment = mlflow("experiments/create", {"name": name, "tags": [{"key": "team", "value": "a"}]})["experiment_id"]
    run = mlflow("runs/create", {"experiment_id": experiment, "run_name": name, "start_time": 5})
    run = run["run"]["info"]["run_id"]
    points = [{"key": "auc", "value": step / 7, "timestamp": step, "step": step} for step in range(20)]
    points.append({"key": "odd", "value": "NaN", "timestamp": 1, "step": 0})
    mlflow("runs/log-batch", {"run_id": run, "metrics": points, "params": [{"key": "lr", "value": "0.1"}],
                              "tags": [{"key": "team", "value": "b"}]})
    data = {"name": "d", "digest": "1", "source_type": "local", "source": "s"}
    context = [{"key": "mlflow.data.context", "value": "training"}]
    mlflow("runs/log-inputs", {"run_id": run, "datasets": [{"dataset": data, "tags": context}]})
    server.call("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/dir/a.txt", raw=b"text")
    model = mlflow("logged-models", {"experiment_id": experiment, "name": "m", "source_run_id": run,
                                     "params": [{"key": "depth", "value": "3"}],
                                     "tags": [{"key": "team", "value": "d"}]})["model"]["info"]["model_id"]
    mlflow(f"logged-models/{model}", {"status": "LOGGED_MODEL_READY"}, method="PATCH")
    mlflow("runs/outputs", {"run_id": run, "models": [{"model_id": model, "step": 1}]})
    mlflow("registered-models/create", {"name": name, "tags": [{"key": "team", "value": "c"}]})
    for _ in range(2):
        mlflow("model-versions/create", {"name": name, "source": f"runs:/{run}/dir", "run_id": run})
    mlflow("registered-models/alias", {"name": name, "alias": "champion", "version": "1"})
    hook = mlflow("webhooks", {"name": name, "url": "https://hook.invalid/",
                               "events": [{"entity": "REGISTERED_MODEL", "action": "CREATED"}]})["webhook"]["webhook_id"]
    trace, span = f"{number + 1:032x}", f"{number + 1:016x}"
    spans = {"resourceSpans": [{"scopeSpans": [{"spans": [{
        "traceId": trace, "spanId": span, "name": "root", "startTimeUnixNano": "1000000", "endTimeUnixNano": "9000000",
        "attributes": [{"key": "k", "value": {"intValue": "7"}}], "status": {"code": 1}}]}]}]}
    server.call("POST", "/v1/traces", spans, headers=[("x-mlflow-experiment-id", experiment), ("x-mlflow-run-id", run)])
    trace = f"tr-{trace}"
    mlflow(f"traces/{trace}/tags", {"key": "team", "value": "e"}, "3.0", "PATCH")
    judged = {"assessment_name": "good", "feedback": {"value": True}, "source": {"source_type": "HUMAN", "source_id": "me"}}
    judged = mlflow(f"traces/{trace}/assessments", {"assessment": judged}, "3.0")["assessment"]["assessment_id"]
    dataset = mlflow("datasets/create", {"name": name, "experiment_ids": [experiment], "tags": '{"a": "b"}'}, "3.0")
    dataset = dataset["dataset"]["dataset_id"]
    mlflow(f"datasets/{dataset}/records", {"records": '[{"inputs": {"q": 1}, "expectations": {"a": 2}}]'}, "3.0")
    scorer = mlflow("scorers/register", {"experiment_id": experiment, "name": name, "serialized_scorer": "{}"}, "3.0")
    issue = mlflow("issues", {"experiment_id": experiment, "name": "i", "description": "d"}, "3.0")["issue"]["issue_id"]
    return {
        "experiment_id": experiment, "experiment_name": name, "run_id": run, "run_uuid": run, "source_run_id": run,
        "id": run, "runs": run, "model_id": model, "webhook_id": hook, "trace_id": trace, "request_id": trace,
        "assessment_id": judged, "dataset_id": dataset, "scorer_id": scorer["scorer_id"], "issue_id": issue,
        "name": name, "experiment": name, "span_id": span,
        "path": f"{experiment}/{run}/artifacts/dir/a.txt", "artifact_path": "dir/a.txt",
    }


def known(server):
    """Values by field: those for calls that delete, and those for all others."""
    things = [seeded(server, number) for number in range(3)]
    values = {field: [thing[field] for thing in things] for field in things[0]}
    extra = {
        "name": ["churn", "champion"], "metric_key": ["auc", "odd"], "metric": ["auc"], "key": ["team", "auc", "lr"],
        "tag_key": ["team"], "version": ["1", "2"], "other": ["2"], "alias": ["champion"], "path": ["dir/a.txt", "dir"],
        "stage": ["Staging"], "source": ["dummy-source"], "x-mlflow-experiment-id": values["experiment_id"],
        "endpoint": ["churn"], "entity": ["REGISTERED_MODEL"], "action": ["CREATED"], "filter_string1": ["trace.status = 'OK'"],
        "filter_string2": ["tag.a = 'b'"], "metric_name": ["latency", "trace_count"], "aggregation_type": ["AVG", "COUNT"],
        "field_name": ["creation_time"], "update_mask": ["feedback", "rationale"], "url": ["https://hook.invalid/"],
        "filter": ["metrics.auc > 0.5", "params.lr = '0.1'", "name LIKE 'fuzz%'", "tags.team = 'a'"],
        "order_by": ["metrics.auc DESC", "name ASC", "creation_timestamp"], "traceId": ["a1" * 16], "spanId": ["b2" * 8],
    }
    kept = {field: found[:-1] for field, found in values.items()}
    for field, found in extra.items():
        kept[field] = kept.get(field, []) + found
    doomed = {**kept, **{field: found[-1:] for field, found in values.items()}}
    return {"kept": kept, "doomed": doomed, "sound": sound(server, things[0], things[-1])}


def sound(server, thing, doomed):
    """Requests that should succeed, by operation: those that random fields alone would seldom make."""
    new = "NEW NAME"
    experiment, run, name, trace = (thing[field] for field in ("experiment_id", "run_id", "name", "trace_id"))
    row, tensors = {}, []
    for tensor in server.call("GET", "/v2/models/churn")["inputs"]:
        value = "a" if tensor["datatype"] == "BYTES" else 1
        row[tensor["name"]] = value
        tensors.append({"name": tensor["name"], "datatype": tensor["datatype"], "shape": [2], "data": [value] * 2})
    frame = {"dataframe_split": {"columns": list(row), "data": [list(row.values())] * 2}}
    version = {"name": name, "version": "1"}
    model = {"artifact_path": "m", "flavors": {}, "utc_time_created": "2025-01-01", "run_id": run}
    prompts = {"trace_id": trace, "prompt_versions": [{"name": "p", "version": "1"}]}
    traces = {"experiment_id": doomed["experiment_id"], "max_timestamp_millis": 5}
    judged = {"assessment_name": "a", "expectation": {"value": [1]}, "source": {"source_type": "CODE", "source_id": "x"}}
    verdict = {"id": new, "at_ms": 5, "subject": "data/a", "kind": "validation", "outcome": "pass", "summary": "s",
               "inputs": {}, "report": {}}
    churn, own, of_trace = {"name": "churn"}, {"name": name}, {"trace_id": trace}
    metrics = {"experiment_ids": [experiment], "view_type": "TRACES", "metric_name": "latency",
               "aggregations": [{"aggregation_type": "PERCENTILE", "percentile_value": 50}], "time_interval_seconds": 60,
               "start_time_ms": 0, "end_time_ms": 4_000_000_000_000}
    hook = {"name": new, "url": "https://hook.invalid/", "events": [{"entity": "MODEL_VERSION", "action": "CREATED"}]}
    promptlab = {"experiment_id": experiment, "prompt_template": "{{a}}", "prompt_parameters": [{"key": "a", "value": 1}],
                 "model_route": "r", "model_input": "i", "mlflow_version": "3"}
    tag = {"run_id": run, "key": new, "value": "v"}
    bodies = {
        "createExperiment": {"name": new}, "deleteExperimentTag": {"experiment_id": experiment, "key": "team"},
        "deleteExperiment": {"experiment_id": doomed["experiment_id"]},
        "restoreExperiment": {"experiment_id": doomed["experiment_id"]}, "createRegisteredModel": {"name": new},
        "createModelVersion": {"name": name, "source": f"runs:/{run}/dir", "run_id": run},
        "setModelVersionTag": {**version, "key": "k", "value": "v"}, "deleteRegisteredModelTag": {"name": name, "key": "team"},
        "renameRegisteredModel": {"name": doomed["name"], "new_name": doomed["name"] + "-renamed"},
        "createPromptlabRun": promptlab, "deleteRun": {"run_id": doomed["run_id"]}, "restoreRun": {"run_id": doomed["run_id"]},
        "deleteTag": {"run_id": run, "key": "team"}, "logModel": {"run_id": run, "model_json": json.dumps(model)},
        "logParam": tag, "setTag": tag, "deleteTraces": traces, "deleteTracesV2": traces, "linkPromptsToTrace": prompts,
        "linkPromptsToTraceV2": prompts, "createWebhook": hook,
        "createIssue": {"experiment_id": experiment, "name": "n", "description": "d"},
        "calculateTraceFilterCorrelation": {"experiment_ids": [experiment], "filter_string1": "trace.status = 'OK'",
                                            "filter_string2": "tag.a = 'b'"},
        "queryTraceMetrics": metrics, "searchTraces": {"locations": [{"mlflow_experiment": {"experiment_id": experiment}}]},
        "createAssessment": {"assessment": judged}, "updateAssessment": {"assessment": judged, "update_mask": "expectation"},
        "suggest": {"metric": "auc", "direction": "maximize", "space": {"lr": "0.1..0.9"}},
        "approveModel": {"version": 1, "approved": True, "comment": "fine"}, "gateModel": {"version": 1},
        "promoteModel": {"version": 1}, "deploy": {"version": 1, "force": True, "all_at_once": True},
        "keepReproduction": {"version": 1, "commit": "c", "identical": True, "compared": 1, "first_difference": None},
        "keepVerdict": verdict, "invoke": frame, "invokeEndpoint": frame, "infer": {"inputs": tensors},
        "inferVersion": {"inputs": tensors}, "linkTracesToRun": {"run_id": run, "trace_ids": [trace]},
        "deleteModelVersion": {**version, "name": doomed["name"]}, "deleteModelVersionTag": {**version, "key": "k"},
        "deleteScorer": {"experiment_id": experiment, "name": name, "version": 1},
    }
    queries = {
        "getRunArtifact": {"run_id": run, "path": "dir/a.txt"}, "getModelVersionArtifact": {**version, "path": "a.txt"},
        "getMetricHistoryBulkInterval": {"run_ids": [run], "metric_key": "auc", "start_step": 1, "end_step": 9},
        **{call: version for call in ("getModelVersion", "getModelVersionDownloadUri")}, "getRegisteredModel": {"name": name},
        "getTraceArtifact": {"request_id": trace}, "getTraceArtifactV2": {"request_id": trace},
        "listScorerVersions": {"experiment_id": experiment, "name": name},
        "getScorer": {"experiment_id": experiment, "name": name, "version": 1},
    }
    paths = {
        **{call: churn for call in ("invokeEndpoint", "infer", "gateModel", "approveModel", "promoteModel", "deploy",
                                    "keepReproduction", "collect", "submitModel", "checkEndpoint", "getEndpoint",
                                    "getModelMetadata", "getModelReady", "getModelConfig", "getModelStatistics", "loadModel")},
        **{call: {"name": "churn", "version": "1"} for call in (
            "inferVersion", "getModelVersionMetadata", "getModelVersionReady", "getModelVersionConfig")},
        "suggest": own, "explain": own, "createAssessment": of_trace,
        "deleteTraceTag": of_trace, "deleteTraceTagV2": of_trace,
        "updateAssessment": {**of_trace, "assessment_id": thing["assessment_id"]},
        "deleteLoggedModelTag": {"model_id": thing["model_id"], "tag_key": "team"},
    }
    calls = {}
    for part, requests in (("body", bodies), ("query", queries), ("path_parameters", paths)):
        for call, request in requests.items():
            calls.setdefault(call, {})[part] = request
    for call in ("deleteTraceTag", "deleteTraceTagV2"):
        calls[call]["body"] = {"key": "team"}
    return calls


def main():
    own, further = (sys.argv[1:], []) if "--" not in sys.argv else (
        sys.argv[1:sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1:])
    url, examples, seed, token = own[0], own[1], own[2], own[3] if len(own) > 3 else ""
    server = Server(url, token)
    document = server.call("GET", "/api/openapi.json")
    openapi_spec_validator.validate(document)
    strict(document["components"]["schemas"])
    for path in document["paths"].values():
        for operation in path.values():
            strict(operation["responses"])
    checks = CHECKS
    if token:
        # Here a token is wanted, so no call may answer without it.
        document["security"] = [{"bearer": []}]
        checks += ",ignored_auth"
    # Neither a long history of failures nor a cache from another run may decide what is asked.
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        place = os.path.join(folder, "openapi.json")
        with open(place, "w", encoding="utf-8") as file:
            json.dump(document, file)
        # MLflow's clients know 501 as "ask in another way"; the document names the calls that answer it.
        with open(os.path.join(folder, "schemathesis.toml"), "w", encoding="utf-8") as file:
            file.write('[checks.not_a_server_error]\nexpected-statuses = ["2xx", "3xx", "4xx", 501]\n')
        succeeded = os.path.join(folder, "succeeded.json")
        environment = {**os.environ, "LEMNIS_FUZZ_GIVEN": json.dumps(known(server)), "LEMNIS_FUZZ_SUCCEEDED": succeeded,
                       "SCHEMATHESIS_HOOKS": "api_fuzz_hooks",
                       "PYTHONPATH": os.path.dirname(os.path.abspath(__file__)), "PYTHONHASHSEED": "0"}
        command = [sys.executable, "-m", "schemathesis.cli", "run", place, "--url", url, "--checks", checks,
                   "--phases", "coverage,fuzzing", "--max-examples", examples, "--seed", seed,
                   "--generation-database", "none", "--continue-on-failure",
                   "--request-timeout", "30", "--no-color", "--warnings", "off", "--suppress-health-check", "all"]
        if token:
            command += ["--header", f"Authorization: Bearer {token}"]
        code = subprocess.run(command + further, cwd=folder, env=environment, check=False).returncode
        with open(succeeded, encoding="utf-8") as file:
            fine = set(json.load(file))
    calls = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    print(f"answered with success: {len(fine)} calls; never: {', '.join(sorted(calls - fine))}")
    sys.exit(code)


if __name__ == "__main__":
    main()
