//! Writing a model folder: each file whole or not at all, `MLmodel` last, and the same bytes for the same model.
//!
//! No time, run or host goes into the files; what MLflow would fill with chance comes from the model's digest.

use std::fs;
use std::path::Path;

use lemnis_core::Digest;

use super::environment::{
    LOADER, LOADER_DIR, LOADER_MODULE, MLFLOW_VERSION, ONNX_VERSION, PYTHON_VERSION, conda, python_env,
    requirements,
};
use super::{DataType, MLMODEL, MODEL_FILE, Signature, Task, schema_json};
use crate::error::{Error, Result};

/// What goes into a folder.
pub(crate) struct Saved<'a> {
    pub(crate) onnx: &'a [u8],
    pub(crate) signature: &'a Signature,
    pub(crate) task: Task,
    pub(crate) classes: &'a [String],
}

/// Writes the folder `dir`, making it where it is not there.
pub(crate) fn save(dir: &Path, saved: &Saved<'_>) -> Result<()> {
    let takes_text = saved.signature.inputs.iter().any(|field| field.data_type == DataType::String);
    let digest = Digest::sha256(saved.onnx);
    make_dir(dir)?;
    write(&dir.join(MODEL_FILE), saved.onnx)?;
    write(&dir.join("requirements.txt"), requirements().as_bytes())?;
    write(&dir.join("conda.yaml"), conda().as_bytes())?;
    write(&dir.join("python_env.yaml"), python_env().as_bytes())?;
    if takes_text {
        let code = dir.join(LOADER_DIR);
        make_dir(&code)?;
        write(&code.join(format!("{LOADER_MODULE}.py")), LOADER.as_bytes())?;
    }
    write(&dir.join(MLMODEL), mlmodel(saved, &digest, takes_text).as_bytes())?;
    // the renames themselves are on disk once the folder is
    Ok(())
}

fn mlmodel(saved: &Saved<'_>, digest: &Digest, takes_text: bool) -> String {
    let mut text = String::from("flavors:\n  onnx:\n");
    let code = if takes_text { LOADER_DIR } else { "null" };
    text.push_str(&format!("    code: {code}\n    data: {MODEL_FILE}\n    onnx_session_options: null\n"));
    text.push_str(&format!("    onnx_version: {ONNX_VERSION}\n    providers:\n    - CPUExecutionProvider\n"));
    text.push_str("  python_function:\n");
    if takes_text {
        text.push_str(&format!("    code: {LOADER_DIR}\n"));
    }
    text.push_str(&format!("    data: {MODEL_FILE}\n    env:\n      conda: conda.yaml\n"));
    text.push_str("      virtualenv: python_env.yaml\n");
    let loader = if takes_text { LOADER_MODULE } else { "mlflow.onnx" };
    text.push_str(&format!("    loader_module: {loader}\n    python_version: {PYTHON_VERSION}\n"));
    text.push_str("is_signature_from_type_hint: false\nmetadata:\n  lemnis:\n");
    let task = match saved.task {
        Task::Binary => "binary",
        Task::Multiclass => "multiclass",
        Task::Regression => "regression",
        Task::Other => "other",
    };
    text.push_str(&format!("    task: {task}\n"));
    if !saved.classes.is_empty() {
        text.push_str("    classes:\n");
        for class in saved.classes {
            text.push_str(&format!("    - {}\n", double_quoted(class)));
        }
    }
    text.push_str(&format!("mlflow_version: {MLFLOW_VERSION}\nmodel_id: null\n"));
    text.push_str(&format!("model_size_bytes: {}\n", saved.onnx.len()));
    text.push_str(&format!("model_uuid: {}\nprompts: null\nsignature:\n", &digest.hex()[..32]));
    text.push_str(&format!("  inputs: {}\n", single_quoted(&schema_json(&saved.signature.inputs))));
    text.push_str(&format!("  outputs: {}\n", single_quoted(&schema_json(&saved.signature.outputs))));
    text.push_str("  params: null\ntype_hint_from_example: false\n");
    text
}

/// A YAML scalar in single quotes: its only escape is the doubled quote. The text has no line breaks.
fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A YAML scalar in double quotes: JSON's escapes are YAML's too.
fn double_quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn make_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(failed(dir))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    lemnis_core::write_whole(path, |out| out.write_all(bytes)).map_err(failed(path))
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path: path.clone(), action: "written", source }
}

#[cfg(test)]
mod tests {
    use super::super::{Field, describe};
    use super::*;

    fn saved(signature: &Signature) -> Saved<'_> {
        Saved { onnx: b"bytes", signature, task: Task::Other, classes: &[] }
    }

    fn signature(name: &str, data_type: DataType) -> Signature {
        let field = |name: &str| Field { name: name.to_owned(), data_type, required: true };
        Signature { inputs: vec![field(name)], outputs: vec![field("y")] }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let signature = signature("it's \"quoted\": {x} #\u{e4}", DataType::String);
        let classes = vec!["yes: no".to_owned(), "1".to_owned()];
        let saved = Saved { classes: &classes, task: Task::Binary, ..saved(&signature) };
        save(dir.path(), &saved).unwrap();
        let description = describe(dir.path()).unwrap();
        assert_eq!(description.inputs.unwrap(), signature.inputs);
        assert_eq!(description.task, Some(Task::Binary));
        assert_eq!(description.classes, classes);
    }

    #[test]
    fn only_models_that_take_text_bring_a_loader() {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path(), &saved(&signature("a", DataType::Double))).unwrap();
        assert!(!dir.path().join("code").exists());
        let text = fs::read_to_string(dir.path().join(MLMODEL)).unwrap();
        assert!(text.contains("loader_module: mlflow.onnx\n"), "{text}");
    }

    #[test]
    fn the_same_model_gives_the_same_bytes() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let signature = signature("a", DataType::String);
        for dir in [&a, &b] {
            save(dir.path(), &saved(&signature)).unwrap();
        }
        for file in [MLMODEL, "conda.yaml", "requirements.txt", "python_env.yaml", "code/lemnis_onnx.py"] {
            assert_eq!(fs::read(a.path().join(file)).unwrap(), fs::read(b.path().join(file)).unwrap());
        }
    }
}
