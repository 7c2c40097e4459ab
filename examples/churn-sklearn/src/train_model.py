"""Stage train_model: fits a random forest, logs the run with mlflow, writes metrics.json and models/model.pkl.

Where the run is logged is not written here: mlflow takes it from MLFLOW_TRACKING_URI.
"""

import json
import pickle
from pathlib import Path

import mlflow
import pandas as pd
import yaml
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

EXPERIMENT = "churn-sklearn"
MODEL_NAME = "churn-sklearn"

# mlflow saves scikit-learn models with skops, which refuses types that a forged file could misuse. This file is written
# here and now from our own model, so the two that a forest behind an encoder consists of are allowed.
OWN_TYPES = ["numpy.dtype", "sklearn.tree._tree.Tree"]


def read(part: str, target: str) -> tuple[pd.DataFrame, pd.Series]:
    rows = pd.read_csv(f"data/processed/{part}.csv")
    features = rows.drop(columns=[target])
    # Numbers as floats: a whole-number column could not hold a missing value when the model serves.
    numbers = features.select_dtypes("number").columns
    return features.astype(dict.fromkeys(numbers, "float64")), rows[target]


def pipeline(features: pd.DataFrame, params: dict) -> Pipeline:
    """The model with its preprocessing: it takes the columns as they are in the file."""
    numbers = list(features.select_dtypes("number").columns)
    categories = [name for name in features.columns if name not in numbers]
    return Pipeline([
        ("columns", ColumnTransformer([
            ("numbers", SimpleImputer(strategy="median"), numbers),
            ("categories", OneHotEncoder(handle_unknown="ignore"), categories),
        ])),
        ("forest", RandomForestClassifier(
            n_estimators=params["trees"],
            max_depth=params["max_depth"],
            min_samples_leaf=params["min_samples_leaf"],
            random_state=params["seed"],
        )),
    ])


def main() -> None:
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    target = params["process_data"]["target"]
    features, labels = read("train", target)
    test_features, test_labels = read("test", target)

    mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run():
        mlflow.log_params(params["train_model"])
        model = pipeline(features, params["train_model"]).fit(features, labels)

        scores = model.predict_proba(test_features)[:, 1]
        metrics = {
            "roc_auc": roc_auc_score(test_labels, scores),
            "log_loss": log_loss(test_labels, scores),
            "accuracy": accuracy_score(test_labels, scores >= 0.5),
            "f1": f1_score(test_labels, scores >= 0.5),
        }
        mlflow.log_metrics(metrics)
        mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(test_features, model.predict(test_features)),
            pip_requirements="requirements.txt",
            skops_trusted_types=OWN_TYPES,
            registered_model_name=MODEL_NAME,
        )
        mlflow.log_artifact("params.yaml")

    Path("metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    Path("models").mkdir(exist_ok=True)
    with open("models/model.pkl", "wb") as out:
        pickle.dump(model, out)
    print(", ".join(f"{name} {value:.3f}" for name, value in metrics.items()))


if __name__ == "__main__":
    main()
