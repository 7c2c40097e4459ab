"""Autologging of scikit-learn, XGBoost, LightGBM and, where it is installed, PyTorch: what is logged and loads back.

MLFLOW_TRACKING_URI names the server. Each line that is printed is one framework that passed.
"""

import importlib.util
import sys

import mlflow
import numpy as np
import pandas as pd
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, train_test_split

ROWS, COLUMNS = 300, 6
values, labels = make_classification(ROWS, COLUMNS, random_state=7)
frame = pd.DataFrame(values, columns=[f"f{i}" for i in range(COLUMNS)])
train, test, train_labels, test_labels = train_test_split(frame, labels, random_state=7)

mlflow.set_experiment("autolog")
mlflow.autolog(log_input_examples=True, silent=True)


def logged(run_id, params, metrics):
    """The one model that the run logged, after its params and metrics were looked for."""
    run = mlflow.get_run(run_id)
    assert run.info.status == "FINISHED", run.info
    assert set(params) <= set(run.data.params), (params, run.data.params)
    assert set(metrics) <= set(run.data.metrics), (metrics, run.data.metrics)
    assert [one.dataset for one in run.inputs.dataset_inputs], "the training data was not logged"
    models = mlflow.search_logged_models(filter_string=f"source_run_id = '{run_id}'", output_format="list")
    assert models, run_id
    for model in models:
        assert model.status == "READY", model
    return models


def agrees(model, expected, frame=test):
    """The model gives the same predictions from its own id, and again as a registered version."""
    loaded = mlflow.pyfunc.load_model(model.model_uri)
    assert loaded.metadata.signature is not None, "no signature was inferred"
    assert np.allclose(np.asarray(loaded.predict(frame)).ravel(), np.asarray(expected).ravel(), atol=1e-6)
    version = mlflow.register_model(model.model_uri, "autolog")
    again = mlflow.pyfunc.load_model(f"models:/autolog/{version.version}")
    assert np.allclose(np.asarray(again.predict(frame)).ravel(), np.asarray(expected).ravel(), atol=1e-6)


def scikit_learn():
    from sklearn.linear_model import LogisticRegression

    with mlflow.start_run() as run:
        model = LogisticRegression(C=0.5).fit(train, train_labels)
        model.score(test, test_labels)
    (found,) = logged(run.info.run_id, ["C", "solver"], ["training_accuracy_score", "training_roc_auc"])
    agrees(found, model.predict(test))
    artifacts = [file.path for file in mlflow.artifacts.list_artifacts(run_id=run.info.run_id)]
    assert "training_confusion_matrix.png" in artifacts, artifacts


def scikit_learn_search():
    from sklearn.tree import DecisionTreeClassifier

    with mlflow.start_run() as run:
        search = GridSearchCV(DecisionTreeClassifier(random_state=7), {"max_depth": [2, 3, 4]}, cv=2)
        search.fit(train, train_labels)
    models = logged(run.info.run_id, ["best_max_depth"], ["best_cv_score"])
    agrees(next(one for one in models if "best" in one.name), search.predict(test))
    children = mlflow.search_runs(filter_string=f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
    assert sorted(children["params.max_depth"]) == ["2", "3", "4"], children


def xgboost():
    import xgboost as xgb

    with mlflow.start_run() as run:
        data = xgb.DMatrix(train, train_labels)
        held = xgb.DMatrix(test, test_labels)
        booster = xgb.train(
            {"objective": "binary:logistic", "max_depth": 3},
            data,
            num_boost_round=12,
            evals=[(held, "held")],
            early_stopping_rounds=20,
            verbose_eval=False,
        )
    (found,) = logged(run.info.run_id, ["max_depth", "num_boost_round"], ["held-logloss", "best_iteration"])
    points = mlflow.MlflowClient().get_metric_history(run.info.run_id, "held-logloss")
    # With early stopping MLflow logs the best iteration once more, as the last step.
    assert sorted({point.step for point in points}) == list(range(13)), points
    agrees(found, booster.predict(held))
    native = mlflow.xgboost.load_model(found.model_uri)
    assert np.array_equal(native.predict(held), booster.predict(held))


def lightgbm():
    import lightgbm as lgb

    with mlflow.start_run() as run:
        data = lgb.Dataset(train, train_labels)
        booster = lgb.train(
            {"objective": "binary", "num_leaves": 7, "verbose": -1, "num_threads": 1},
            data,
            num_boost_round=12,
            valid_sets=[lgb.Dataset(test, test_labels, reference=data)],
            valid_names=["held"],
        )
    (found,) = logged(run.info.run_id, ["num_leaves", "num_boost_round"], ["held-binary_logloss"])
    points = mlflow.MlflowClient().get_metric_history(run.info.run_id, "held-binary_logloss")
    assert len({point.step for point in points}) == 12, points
    agrees(found, booster.predict(test))
    native = mlflow.lightgbm.load_model(found.model_uri)
    assert np.array_equal(native.predict(test), booster.predict(test))


def pytorch():
    import torch

    try:
        import lightning as L
    except ImportError:
        import pytorch_lightning as L

    # MLflow's hook for what is imported after `mlflow.autolog` fails where both names of Lightning are installed.
    mlflow.pytorch.autolog(silent=True)

    class Net(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(COLUMNS, 1)

        def forward(self, x):
            return torch.sigmoid(self.layer(x))

        def training_step(self, batch, _):
            x, y = batch
            loss = torch.nn.functional.binary_cross_entropy(self(x).squeeze(1), y)
            self.log("loss", loss, on_epoch=True)
            return loss

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=0.05)

    numbers = lambda table: torch.tensor(np.asarray(table), dtype=torch.float32)
    data = torch.utils.data.TensorDataset(numbers(train), numbers(train_labels))
    net = Net()
    with mlflow.start_run() as run:
        trainer = L.Trainer(max_epochs=3, logger=False, enable_checkpointing=False, enable_progress_bar=False)
        trainer.fit(net, torch.utils.data.DataLoader(data, batch_size=32))
    kept = mlflow.get_run(run.info.run_id)
    assert kept.data.params["optimizer_name"] == "Adam" and "loss_epoch" in kept.data.metrics, kept.data
    assert len(mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss_epoch")) == 3
    (found,) = mlflow.search_logged_models(
        filter_string=f"source_run_id = '{run.info.run_id}'", output_format="list"
    )
    native = mlflow.pytorch.load_model(found.model_uri).eval()
    net.eval()
    with torch.no_grad():
        assert torch.equal(native(numbers(test)), net(numbers(test)))


for framework in [scikit_learn, scikit_learn_search, xgboost, lightgbm]:
    framework()
    print("passed", framework.__name__)
if importlib.util.find_spec("torch"):
    pytorch()
    print("passed pytorch")
sys.exit(0)
