"""What a data scientist's script does with the mlflow client. Usage: mlflow_client.py URL"""

import math
import os
import tempfile

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

client = MlflowClient()
features, target = load_iris(return_X_y=True, as_frame=True)


def refused(code, call):
    try:
        call()
    except MlflowException as error:
        assert error.error_code == code, error
    else:
        raise AssertionError(f"{code} was expected")


# Logging
experiment = mlflow.set_experiment("flow")
with mlflow.start_run(run_name="first", tags={"team": "a"}) as run:
    mlflow.log_param("depth", 3)
    mlflow.log_params({"rate": 0.1, "text": "größe"})
    for step in range(5):
        mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
    mlflow.log_metrics({"auc": 0.9, "odd": math.nan, "far": math.inf}, step=1)
    mlflow.set_tag("stage", "dev")
    mlflow.log_input(mlflow.data.from_pandas(features, name="iris"), context="training")
    mlflow.log_text("hello", "notes/a b.txt")
    mlflow.log_dict({"a": 1}, "notes/b.json")
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "big.bin"), "wb") as file:
            file.write(os.urandom(20 << 20))
        mlflow.log_artifacts(folder, "files")
    model = LogisticRegression(max_iter=200).fit(features, target)
    info = mlflow.sklearn.log_model(model, name="model", input_example=features[:2], registered_model_name="iris")
refused("INVALID_PARAMETER_VALUE", lambda: client.log_param(run.info.run_id, "depth", 4))

# Reading back
found = mlflow.get_run(run.info.run_id)
assert found.info.status == "FINISHED" and found.info.run_name == "first"
assert found.data.params == {"depth": "3", "rate": "0.1", "text": "größe"}
assert found.data.metrics["loss"] == 0.2 and found.data.metrics["auc"] == 0.9
assert math.isnan(found.data.metrics["odd"]) and found.data.metrics["far"] > 1e308
assert found.inputs.dataset_inputs[0].dataset.name == "iris"
history = client.get_metric_history(run.info.run_id, "loss")
assert [point.step for point in history] == list(range(5))
path = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="files/big.bin")
assert os.path.getsize(path) == 20 << 20
assert {file.path for file in client.list_artifacts(run.info.run_id, "notes")} == {"notes/a b.txt", "notes/b.json"}

# Searching
with mlflow.start_run(run_name="second"):
    mlflow.log_metric("auc", 0.7)
runs = mlflow.search_runs(
    experiment_names=["flow"], filter_string="metrics.auc > 0.5", order_by=["metrics.auc ASC"]
)
assert list(runs["tags.mlflow.runName"]) == ["second", "first"]
ids = [experiment.experiment_id]
assert len(client.search_runs(ids, "tags.team = 'a' AND params.depth LIKE '%'")) == 1
first = client.search_runs(ids, max_results=1)
second = client.search_runs(ids, max_results=1, page_token=first.token)
assert second[0].info.run_id != first[0].info.run_id and not second.token
assert [e.name for e in client.search_experiments(filter_string="name = 'flow'")] == ["flow"]
assert mlflow.search_logged_models(experiment_ids=ids, output_format="list")[0].model_id == info.model_id

# Registry
mlflow.register_model(f"runs:/{run.info.run_id}/model", "iris")
mlflow.register_model(info.model_uri, "iris")
client.set_registered_model_alias("iris", "champion", 1)
client.set_registered_model_alias("iris", "champion", 2)
assert client.get_model_version_by_alias("iris", "champion").version in ("2", 2)
client.set_model_version_tag("iris", "2", "checked", "yes")
client.update_registered_model("iris", "flowers")
assert client.get_registered_model("iris").description == "flowers"
versions = client.search_model_versions("name = 'iris'", order_by=["version_number DESC"])
assert [int(version.version) for version in versions] == [3, 2, 1]

# Loading
want = model.predict(features)
for uri in ("models:/iris@champion", "models:/iris/1", "models:/iris/latest", info.model_uri, f"runs:/{run.info.run_id}/model"):
    assert np.array_equal(mlflow.pyfunc.load_model(uri).predict(features), want), uri

try:
    import onnx  # noqa: F401
    from skl2onnx import to_onnx
except ImportError:
    print("onnx and skl2onnx are missing: their flavor was not tried")
else:
    graph = to_onnx(model, features[:1].to_numpy(np.float32), options={"zipmap": False})
    with mlflow.start_run():
        saved = mlflow.onnx.log_model(graph, name="onnx", registered_model_name="iris-onnx")
    answer = mlflow.pyfunc.load_model("models:/iris-onnx/1").predict(features.to_numpy(np.float32))
    assert np.array_equal(np.asarray(answer[graph.graph.output[0].name]).ravel(), want)

# Deleting
client.delete_run(run.info.run_id)
refused("INVALID_PARAMETER_VALUE", lambda: client.log_metric(run.info.run_id, "auc", 1.0))
client.restore_run(run.info.run_id)
client.log_metric(run.info.run_id, "auc", 1.0)
client.delete_registered_model_alias("iris", "champion")
refused("INVALID_PARAMETER_VALUE", lambda: client.get_model_version_by_alias("iris", "champion"))
client.delete_model_version("iris", "3")
client.delete_registered_model("iris")
refused("RESOURCE_DOES_NOT_EXIST", lambda: client.get_registered_model("iris"))
client.delete_experiment(experiment.experiment_id)
refused("RESOURCE_DOES_NOT_EXIST", lambda: client.get_experiment("987654"))
client.restore_experiment(experiment.experiment_id)
print("all checks passed")
