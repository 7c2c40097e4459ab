"""Reads the MLflow stores at argv[1] and argv[2] through MLflow's own client and prints every difference but where
artifacts lie. Ends with 1 where there is one. `renumbered` as argv[3] lets ids of experiments differ."""

import hashlib
import json
import math
import os
import sys
import tempfile

import mlflow
from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient


def number(value):
    # Databases keep infinities as the largest numbers.
    limit = sys.float_info.max
    return "nan" if math.isnan(value) else min(max(value, -limit), limit)


def files(client, run):
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = client.download_artifacts(run.info.run_id, "", folder)
        except Exception:
            # A run without artifacts has no folder.
            return {}
        found = {}
        for base, _, names in os.walk(path):
            for name in names:
                file = os.path.join(base, name)
                with open(file, "rb") as content:
                    found[os.path.relpath(file, path)] = hashlib.sha256(content.read()).hexdigest()
        return found


def run_of(client, run):
    found = run.to_dictionary()
    found["info"].pop("artifact_uri")
    found["data"]["metrics"] = {key: number(value) for key, value in found["data"]["metrics"].items()}
    histories = {}
    for key in run.data.metrics:
        points = client.get_metric_history(run.info.run_id, key)
        histories[key] = sorted((point.timestamp, point.step, str(number(point.value))) for point in points)
    found["histories"] = histories
    if found.get("inputs"):
        found["inputs"]["dataset_inputs"].sort(key=lambda one: json.dumps(one, sort_keys=True))
        for one in found["inputs"]["dataset_inputs"]:
            one["tags"] = sorted(map(str, one["tags"]))
    found["files"] = files(client, run) if run.info.lifecycle_stage == "active" else {}
    return found


def logged_of(model):
    found = model.to_dictionary()
    found.pop("artifact_location", None)
    found.pop("artifact_uri", None)
    found.pop("status_message", None)
    # The REST API has no null here.
    found["model_type"] = found.get("model_type") or None
    metrics = found.pop("metrics") or []
    found["metrics"] = sorted((one.key, number(one.value), one.timestamp, one.step, one.run_id) for one in metrics)
    return found


def trace_of(trace):
    found = trace.to_dict()
    found["info"]["tags"].pop("mlflow.artifactLocation", None)
    found["info"]["assessments"] = sorted(found["info"].get("assessments", []), key=lambda one: one["assessment_id"])
    for one in found["info"]["assessments"]:
        # The REST API leaves it out where it is true.
        one.setdefault("valid", True)
    return found


def model_of(client, model):
    versions = {}
    for version in client.search_model_versions(f"name = '{model.name}'"):
        source = version.source
        versions[str(version.version)] = {
            "stage": version.current_stage,
            "run": version.run_id,
            "tags": version.tags,
            "description": version.description or "",
            "times": [version.creation_timestamp, version.last_updated_timestamp],
            "source": source if source.startswith("models:") else os.path.basename(source),
        }
    return {
        "description": model.description or "",
        "tags": model.tags,
        "aliases": {alias: str(version) for alias, version in model.aliases.items()},
        "times": [model.creation_timestamp, model.last_updated_timestamp],
        "versions": versions,
    }


def store(uri):
    # Spans that lie among artifacts are looked for where this points.
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri, uri)
    found = {"experiments": {}, "runs": {}, "logged models": {}, "traces": {}, "models": {}}
    for experiment in client.search_experiments(view_type=ViewType.ALL, max_results=1000):
        ids = [experiment.experiment_id]
        runs = client.search_runs(ids, run_view_type=ViewType.ALL, max_results=1000)
        if experiment.name == "Default" and not runs:
            continue
        found["experiments"][experiment.name] = {
            "id": experiment.experiment_id,
            "stage": experiment.lifecycle_stage,
            "times": [experiment.creation_time, experiment.last_update_time],
            "tags": experiment.tags,
        }
        for run in runs:
            found["runs"][run.info.run_id] = run_of(client, run)
        if hasattr(client, "search_logged_models"):
            for model in client.search_logged_models(ids):
                found["logged models"][model.model_id] = logged_of(model)
            if experiment.lifecycle_stage == "active":
                for trace in client.search_traces(locations=ids):
                    found["traces"][trace.info.trace_id] = trace_of(trace)
    for model in client.search_registered_models():
        found["models"][model.name] = model_of(client, model)
    return found


def differences(one, other, path=""):
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(set(one) | set(other), key=str):
            yield from differences(one.get(key, "(absent)"), other.get(key, "(absent)"), f"{path}/{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, (left, right) in enumerate(zip(one, other)):
            yield from differences(left, right, f"{path}[{place}]")
    elif one != other:
        yield f"{path}: {str(one)[:200]} is {str(other)[:200]}"


stores = [store(uri) for uri in sys.argv[1:3]]
if "renumbered" in sys.argv[3:]:
    for one in stores:
        names = {experiment.pop("id"): name for name, experiment in one["experiments"].items()}
        for run in one["runs"].values():
            run["info"]["experiment_id"] = names[run["info"]["experiment_id"]]
        for model in one["logged models"].values():
            model["experiment_id"] = names[str(model["experiment_id"])]
        for trace in one["traces"].values():
            trace["info"].pop("trace_location", None)
print({what: len(records) for what, records in stores[0].items()})
assert any(len(run["files"]) == 3 for run in stores[0]["runs"].values()), "no artifacts to compare"
found = list(differences(*stores))
print("\n".join(found[:50]))
sys.exit(bool(found))
