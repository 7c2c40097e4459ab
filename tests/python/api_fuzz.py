"""Asks every call of a running server's OpenAPI document with requests that schemathesis makes up.

    python api_fuzz.py URL EXAMPLES SEED [TOKEN] [-- ARGUMENTS OF SCHEMATHESIS]

EXAMPLES requests are made up for each call, besides those at the bounds of what a schema allows. No answer may be a
5xx but 501, break off, or differ from what the document says: status, media type and schema. For this the document,
which must be valid itself, is made strict first: an answer may have no field that it does not name.

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

KNOWN = "LEMNIS_FUZZ_KNOWN"
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
    run = mlflow("runs/create", {"experiment_id": experiment, "run_name": name, "start_time": 5})["run"]["info"]["run_id"]
    points = [{"key": "auc", "value": step / 7, "timestamp": step, "step": step} for step in range(20)]
    points.append({"key": "odd", "value": "NaN", "timestamp": 1, "step": 0})
    mlflow("runs/log-batch", {"run_id": run, "metrics": points, "params": [{"key": "lr", "value": "0.1"}],
                              "tags": [{"key": "team", "value": "b"}]})
    data = {"name": "d", "digest": "1", "source_type": "local", "source": "s"}
    mlflow("runs/log-inputs", {"run_id": run, "datasets": [{"dataset": data, "tags": [{"key": "mlflow.data.context", "value": "training"}]}]})
    server.call("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/dir/a.txt", raw=b"text")
    model = mlflow("logged-models", {"experiment_id": experiment, "name": "m", "source_run_id": run,
                                     "params": [{"key": "depth", "value": "3"}]})["model"]["info"]["model_id"]
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
    return {"kept": kept, "doomed": {**kept, **{field: found[-1:] for field, found in values.items()}}}


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
    # Neither a long history of failures nor a cache from another run may decide what is asked.
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        place = os.path.join(folder, "openapi.json")
        with open(place, "w", encoding="utf-8") as file:
            json.dump(document, file)
        # MLflow's clients know 501 as "ask in another way"; the document names the calls that answer it.
        with open(os.path.join(folder, "schemathesis.toml"), "w", encoding="utf-8") as file:
            file.write('[checks.not_a_server_error]\nexpected-statuses = ["2xx", "3xx", "4xx", 501]\n')
        environment = {**os.environ, KNOWN: json.dumps(known(server)), "SCHEMATHESIS_HOOKS": "api_fuzz_hooks",
                       "PYTHONPATH": os.path.dirname(os.path.abspath(__file__)), "PYTHONHASHSEED": "0"}
        command = [sys.executable, "-m", "schemathesis.cli", "run", place, "--url", url, "--checks", CHECKS,
                   "--phases", "coverage,fuzzing", "--max-examples", examples, "--seed", seed,
                   "--generation-database", "none", "--continue-on-failure",
                   "--request-timeout", "30", "--no-color", "--warnings", "off", "--suppress-health-check", "all"]
        if token:
            command += ["--header", f"Authorization: Bearer {token}"]
        sys.exit(subprocess.run(command + further, cwd=folder, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
