//! Reading `MLmodel`: where the ONNX file is, the signature, and what our own trainer noted.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::{Field, MLMODEL, MODEL_FILE, Task, parse_schema};
use crate::error::{Error, Result};

const MAX_BYTES: u64 = 16 << 20;

/// What is known of a model before its graph is read.
#[derive(Debug)]
pub(crate) struct Description {
    pub(crate) model_file: PathBuf,
    pub(crate) inputs: Option<Vec<Field>>,
    pub(crate) outputs: Option<Vec<Field>>,
    pub(crate) task: Option<Task>,
    pub(crate) classes: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    flavors: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    signature: Option<SignatureEntry>,
    #[serde(default)]
    metadata: Option<BTreeMap<String, serde_json::Value>>,
}

#[derive(Deserialize)]
struct SignatureEntry {
    #[serde(default)]
    inputs: Option<String>,
    #[serde(default)]
    outputs: Option<String>,
}

#[derive(Deserialize)]
struct Note {
    task: Task,
    #[serde(default)]
    classes: Vec<String>,
}

/// Describes the model folder `dir`; a folder with `model.onnx` alone is a model too.
pub(crate) fn describe(dir: &Path) -> Result<Description> {
    let path = dir.join(MLMODEL);
    if !path.is_file() {
        let model_file = dir.join(MODEL_FILE);
        if !model_file.is_file() {
            return Err(Error::NoModel { path: dir.to_owned() });
        }
        return Ok(Description { model_file, inputs: None, outputs: None, task: None, classes: Vec::new() });
    }
    let text = String::from_utf8(read_limited(&path, MAX_BYTES)?)
        .map_err(|_| Error::MlModel("it is not UTF-8 text".to_owned()))?;
    parse(&text, dir)
}

fn parse(text: &str, dir: &Path) -> Result<Description> {
    let file: File = serde_saphyr::from_str(text)
        .map_err(|error| Error::MlModel(format!("it is not readable: {error}")))?;
    let Some(flavor) = file.flavors.get("onnx") else {
        let there: Vec<&str> = file.flavors.keys().map(String::as_str).collect();
        return Err(Error::Unsupported(format!(
            "a model without the onnx flavor (it has {})",
            there.join(", ")
        )));
    };
    let data = flavor.get("data").and_then(serde_json::Value::as_str).unwrap_or(MODEL_FILE);
    let relative = Path::new(data);
    if !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(Error::MlModel(format!("its model file {data:?} is outside the folder")));
    }
    let (mut inputs, mut outputs) = (None, None);
    if let Some(signature) = file.signature {
        inputs = signature.inputs.as_deref().map(parse_schema).transpose()?.flatten();
        // outputs are only told to callers; a schema of another kind is no reason to refuse the model
        outputs = signature.outputs.as_deref().and_then(|text| parse_schema(text).ok().flatten());
    }
    let note = file
        .metadata
        .and_then(|mut metadata| metadata.remove("lemnis"))
        .and_then(|note| serde_json::from_value::<Note>(note).ok());
    Ok(Description {
        model_file: dir.join(relative),
        inputs,
        outputs,
        task: note.as_ref().map(|note| note.task),
        classes: note.map(|note| note.classes).unwrap_or_default(),
    })
}

/// The bytes of `path`, which must not be larger than `limit`.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let failed = |source| Error::File { path: path.to_owned(), action: "read", source };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > limit {
        return Err(Error::TooLarge { what: format!("{} in bytes", path.display()), size, limit });
    }
    std::fs::read(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mlflow_writes_is_read() {
        let text = "flavors:\n  onnx:\n    code: null\n    data: model.onnx\n    providers:\n    - \
                    CPUExecutionProvider\n  python_function:\n    data: model.onnx\n    loader_module: \
                    mlflow.onnx\nmlflow_version: 3.17.2\nsignature:\n  inputs: '[{\"type\": \"double\", \"name\": \"a\", \
                    \"required\": false}, {\"type\": \"string\",\n    \"name\": \"b\", \"required\": true}]'\n  outputs: \
                    null\n  params: null\nutc_time_created: '2026-11-24 14:18:45.925580'\n";
        let description = parse(text, Path::new("m")).unwrap();
        assert_eq!(description.model_file, Path::new("m/model.onnx"));
        let inputs = description.inputs.unwrap();
        assert_eq!(inputs[1].name, "b");
        assert!(!inputs[0].required);
        assert_eq!(description.task, None);
    }

    #[test]
    fn a_model_file_outside_the_folder_is_refused() {
        let text = "flavors:\n  onnx:\n    data: ../../etc/passwd\n";
        assert!(parse(text, Path::new("m")).unwrap_err().to_string().contains("outside the folder"));
    }

    #[test]
    fn another_flavor_is_named_in_the_error() {
        let text = "flavors:\n  sklearn:\n    pickled_model: model.pkl\n";
        let error = parse(text, Path::new("m")).unwrap_err();
        assert!(error.to_string().contains("sklearn"), "{error}");
    }
}
