//! `mlflow.autolog` of scikit-learn, XGBoost and LightGBM against a server: models are logged, load back and agree.
//!
//! PyTorch is half a gigabyte to download; it is looked at where `LEMNIS_TEST_TORCH_PYTHON` names a Python that has it,
//! with `lightning` and all of `tests/python/requirements.txt`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that cannot go on ends")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Up, clean, python};

/// What the script printed, in a project of its own.
fn autolog(python: &Path) -> String {
    let home = tempfile::tempdir().unwrap();
    let server = Up::start(home.path());
    let mut command = Command::new(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/autolog.py")).current_dir(home.path());
    clean(&mut command, home.path());
    command.env("MLFLOW_TRACKING_URI", &server.url).env("MLFLOW_DISABLE_TELEMETRY", "true");
    // Tests run side by side; matplotlib draws without a display.
    command.env("OMP_NUM_THREADS", "1").env("MPLBACKEND", "Agg");
    let output = command.output().unwrap();
    let said =
        format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn autologged_models_of_scikit_learn_xgboost_and_lightgbm_load_back_and_agree() {
    let Some(python) = python("mlflow.autolog of scikit-learn, XGBoost and LightGBM") else { return };
    let said = autolog(&python);
    for framework in ["scikit_learn", "scikit_learn_search", "xgboost", "lightgbm"] {
        assert!(said.contains(&format!("passed {framework}\n")), "{said}");
    }
}

#[test]
fn autologged_models_of_pytorch_load_back_and_agree() {
    let Some(python) = std::env::var_os("LEMNIS_TEST_TORCH_PYTHON").map(PathBuf::from) else {
        eprintln!("skipped: LEMNIS_TEST_TORCH_PYTHON names no Python with torch, lightning and mlflow");
        return;
    };
    let said = autolog(&python);
    assert!(said.contains("passed pytorch\n"), "{said}");
}
