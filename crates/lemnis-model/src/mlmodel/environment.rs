//! The files by which MLflow rebuilds a Python environment, and the loader that our models bring along.
//!
//! Versions are lower bounds: the graph uses operators that every onnxruntime since 1.12 has, and a model must not
//! pull users back to the day it was trained.

/// The release of MLflow whose format is written.
pub(crate) const MLFLOW_VERSION: &str = "3.17.2";
/// The Python that is asked for where an environment is built from scratch.
pub(crate) const PYTHON_VERSION: &str = "3.11.7";
/// The onnx release that the flavor entry names.
pub(crate) const ONNX_VERSION: &str = "1.17.0";

const REQUIREMENTS: [&str; 5] =
    ["mlflow>=2.9", "numpy>=1.24", "onnx>=1.14", "onnxruntime>=1.16", "pandas>=1.5"];

/// `requirements.txt`.
pub(crate) fn requirements() -> String {
    REQUIREMENTS.join("\n")
}

/// `python_env.yaml`.
pub(crate) fn python_env() -> String {
    format!(
        "python: {PYTHON_VERSION}\nbuild_dependencies:\n- pip\n- setuptools\n- wheel\ndependencies:\n- -r requirements.txt\n"
    )
}

/// `conda.yaml`.
pub(crate) fn conda() -> String {
    let requirements: String = REQUIREMENTS.iter().map(|line| format!("  - {line}\n")).collect();
    format!(
        "channels:\n- conda-forge\ndependencies:\n- python={PYTHON_VERSION}\n- pip\n- pip:\n{requirements}name: mlflow-env\n"
    )
}

/// Where the loader lies inside the model folder, and its module name.
pub(crate) const LOADER_DIR: &str = "code";
pub(crate) const LOADER_MODULE: &str = "lemnis_onnx";

/// The `python_function` loader of models that take text.
///
/// `mlflow.onnx` hands `DataFrame[column].values` to onnxruntime, which takes NumPy arrays only; since pandas 3 a text
/// column's values are an Arrow array. The loader makes NumPy arrays of them, missing text empty, and leaves the rest
/// to `mlflow.onnx`.
pub(crate) const LOADER: &str = r#""""Loads this model for mlflow.pyfunc: mlflow.onnx, for text columns of every pandas release.

onnxruntime takes NumPy arrays; pandas 3 keeps text in Arrow arrays. Text columns become NumPy
arrays of str here, with missing values as the empty string, which the model reads as missing.
"""

import mlflow.onnx
import pandas as pd


class _Model:
    def __init__(self, path):
        self._model = mlflow.onnx._load_pyfunc(path)
        self._texts = {name for name, kind in self._model.inputs if kind == "tensor(string)"}

    def get_raw_model(self):
        return self._model.get_raw_model()

    def predict(self, data, params=None):
        if isinstance(data, pd.DataFrame):
            texts = self._texts if len(self._model.inputs) > 1 else set(data.columns)
            texts = [name for name in data.columns if name in texts] if self._texts else []
            if texts:
                data = data.assign(
                    **{name: data[name].astype(object).where(data[name].notna(), "") for name in texts}
                )
                data = data.astype({name: object for name in texts})
        return self._model.predict(data, params)


def _load_pyfunc(path):
    return _Model(path)
"#;
