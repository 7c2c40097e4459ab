//! What a model takes and gives, in the protocol's words.

use lemnis_model::{DataType, Field, Signature};
use serde_json::{Value, json};

/// What this server understands beyond the protocol's core.
pub const EXTENSIONS: [&str; 3] = ["binary_tensor_data", "model_configuration", "statistics"];

/// The datatype of a signature's type.
pub fn datatype(data_type: DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "BOOL",
        DataType::Integer => "INT32",
        DataType::Long => "INT64",
        DataType::Float => "FP32",
        DataType::Double => "FP64",
        DataType::String => "BYTES",
    }
}

/// The answer to a metadata request.
pub fn metadata(model: &str, versions: &[u32], signature: &Signature) -> Value {
    let tensors = |fields: &[Field]| -> Vec<Value> {
        fields
            .iter()
            .map(|field| json!({ "name": field.name, "datatype": datatype(field.data_type), "shape": [-1] }))
            .collect()
    };
    json!({
        "name": model,
        "versions": versions.iter().map(u32::to_string).collect::<Vec<_>>(),
        "platform": "onnx_onnxv1",
        "inputs": tensors(&signature.inputs),
        "outputs": tensors(&signature.outputs),
    })
}
