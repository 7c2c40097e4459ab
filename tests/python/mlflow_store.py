"""Fills the MLflow store at argv[1] with a bit of everything: a long history, NaN and infinities, odd names, nested,
failed and deleted runs, artifacts, and as argv[2:] say a model (`model`) and traces (`traces`). Prints the id of the
run with the long history."""

import math
import os
import sys
import tempfile

import mlflow
from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

uri, parts = sys.argv[1], sys.argv[2:]
mlflow.set_tracking_uri(uri)
mlflow.set_registry_uri(uri)
client = MlflowClient()
experiment = client.create_experiment("chürn ☃", tags={"team": "größe", "empty": ""})
gone = client.create_experiment("gone")
mlflow.set_experiment(experiment_id=experiment)

run = client.create_run(experiment, run_name="long ünï", tags={"mlflow.user": "ada", "note": "日本語 ✓"})
run_id = run.info.run_id
for start in range(0, 10_000, 1000):
    points = [Metric("loss", 1 / (n + 1), 1_700_000_000_000 + n * 7, n) for n in range(start, start + 1000)]
    client.log_batch(run_id, metrics=points)
odd = [math.nan, math.inf, -math.inf, 0.0, -1e-300]
client.log_batch(
    run_id,
    metrics=[Metric("odd", value, 1_700_000_000_000 + n, n) for n, value in enumerate(odd)],
    params=[Param("lr", "0.1"), Param("päram/with slash", "x" * 400)],
    tags=[RunTag("t", "v")],
)
with tempfile.TemporaryDirectory() as folder:
    os.makedirs(os.path.join(folder, "sub dir"))
    with open(os.path.join(folder, "big.bin"), "wb") as file:
        file.write(os.urandom(3_000_000))
    with open(os.path.join(folder, "sub dir", "ü (1) 100%.txt"), "w") as file:
        file.write("hello")
    open(os.path.join(folder, "empty"), "w").close()
    client.log_artifacts(run_id, folder)
client.set_terminated(run_id, "FINISHED")

with mlflow.start_run(run_name="parent"):
    with mlflow.start_run(nested=True):
        mlflow.log_metric("m", 0.5)
        mlflow.log_param("p", 1)
deleted = client.create_run(experiment, run_name="deleted").info.run_id
client.log_metric(deleted, "x", 1.0)
client.delete_run(deleted)
client.set_terminated(client.create_run(experiment).info.run_id, "FAILED")
client.log_param(client.create_run(gone).info.run_id, "a", "b")
client.delete_experiment(gone)

if "model" in parts:
    import numpy as np
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    table = pd.DataFrame({"a": np.arange(20.0), "b": np.arange(20.0)[::-1]})
    mlflow.sklearn.autolog()
    with mlflow.start_run(run_name="auto") as auto:
        mlflow.log_input(mlflow.data.from_pandas(table, name="train set"), context="training")
        LogisticRegression().fit(table, (table["a"] > 9).astype(int))
    mlflow.sklearn.autolog(disable=True)
    for _ in range(3):
        mlflow.register_model(f"runs:/{auto.info.run_id}/model", "churn")
    client.delete_model_version("churn", "3")
    client.set_registered_model_alias("churn", "champion", "1")
    client.update_registered_model("churn", description="who leaves")
    client.update_model_version("churn", "2", description="zweite")
    client.set_registered_model_tag("churn", "owner", "ada")
    client.set_model_version_tag("churn", "1", "ok", "yes")
    client.transition_model_version_stage("churn", "2", "Staging")
client.create_registered_model("empty model", tags={"a": "b"})

if "traces" in parts:
    mlflow.genai.register_prompt("greet", "Hello {{name}}", commit_message="first")

    @mlflow.trace
    def inner(x):
        return x + 1

    @mlflow.trace(name="outer")
    def outer(x):
        return inner(x)

    outer(3)
    mlflow.flush_trace_async_logging()
    trace = client.search_traces(locations=[experiment])[0].info.trace_id
    mlflow.log_feedback(trace_id=trace, name="good", value=True, rationale="looks ok")
    mlflow.log_expectation(trace_id=trace, name="want", value={"a": 1})
print(run_id)
