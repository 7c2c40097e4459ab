//! From bytes to messages and tensors, with limits: a hostile file is refused before it costs memory.
//!
//! The invariant: a tensor that leaves here has exactly as many values as its shape says.

use prost::Message;

use super::proto::{self, data_type};
use crate::error::{Error, Result};
use crate::graph::{Data, Shape, Tensor};

/// The largest model file that is read, in bytes.
pub(crate) const MAX_BYTES: u64 = 1 << 30;
const MAX_NODES: usize = 100_000;
const MAX_VALUES: usize = 1 << 28;

/// Parses a model file and checks its outer shape.
pub(crate) fn read_model(bytes: &[u8]) -> Result<proto::Model> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::TooLarge {
            what: "the model file in bytes".to_owned(),
            size: bytes.len() as u64,
            limit: MAX_BYTES,
        });
    }
    let model = proto::Model::decode(bytes).map_err(Error::NotOnnx)?;
    let Some(graph) = &model.graph else {
        return Err(Error::graph("the file holds no graph"));
    };
    if graph.node.len() > MAX_NODES {
        return Err(Error::TooLarge {
            what: "the number of operators".to_owned(),
            size: graph.node.len() as u64,
            limit: MAX_NODES as u64,
        });
    }
    if let Some(function) = model.functions.first() {
        return Err(Error::Unsupported(format!("model-local function {:?}", function.name)));
    }
    Ok(model)
}

/// The values of an initializer or a tensor attribute.
pub(crate) fn tensor(message: &proto::Tensor) -> Result<Tensor> {
    let name = &message.name;
    if message.data_location != 0 {
        return Err(Error::Unsupported(format!("tensor {name:?} in an external file")));
    }
    let mut count: usize = 1;
    let mut dims = Vec::with_capacity(message.dims.len());
    for dim in &message.dims {
        let dim = usize::try_from(*dim)
            .map_err(|_| Error::graph(format!("tensor {name:?} has a dimension of {dim}")))?;
        count = count
            .checked_mul(dim)
            .filter(|count| *count <= MAX_VALUES)
            .ok_or_else(|| Error::graph(format!("tensor {name:?} is larger than {MAX_VALUES} values")))?;
        dims.push(dim);
    }
    let raw = message.raw_data.as_slice();
    let data = match message.data_type {
        data_type::FLOAT if raw.is_empty() => Data::F32(message.float_data.clone()),
        data_type::FLOAT => Data::F32(chunks(raw, f32::from_le_bytes)),
        data_type::DOUBLE if raw.is_empty() => Data::F64(message.double_data.clone()),
        data_type::DOUBLE => Data::F64(chunks(raw, f64::from_le_bytes)),
        data_type::INT64 if raw.is_empty() => Data::I64(message.int64_data.clone()),
        data_type::INT64 => Data::I64(chunks(raw, i64::from_le_bytes)),
        data_type::INT32 if !raw.is_empty() => Data::I64(chunks(raw, |b| i64::from(i32::from_le_bytes(b)))),
        data_type::INT16 if !raw.is_empty() => Data::I64(chunks(raw, |b| i64::from(i16::from_le_bytes(b)))),
        data_type::UINT16 if !raw.is_empty() => Data::I64(chunks(raw, |b| i64::from(u16::from_le_bytes(b)))),
        data_type::INT8 if !raw.is_empty() => Data::I64(chunks(raw, |b| i64::from(i8::from_le_bytes(b)))),
        data_type::UINT8 if !raw.is_empty() => Data::I64(chunks(raw, |b: [u8; 1]| i64::from(b[0]))),
        data_type::INT32 | data_type::INT16 | data_type::INT8 | data_type::UINT16 | data_type::UINT8 => {
            Data::I64(message.int32_data.iter().map(|value| i64::from(*value)).collect())
        }
        data_type::UINT32 if raw.is_empty() => {
            Data::I64(message.uint64_data.iter().map(|value| *value as i64).collect())
        }
        data_type::UINT32 => Data::I64(chunks(raw, |b| i64::from(u32::from_le_bytes(b)))),
        data_type::BOOL if raw.is_empty() => {
            Data::Bool(message.int32_data.iter().map(|value| *value != 0).collect())
        }
        data_type::BOOL => Data::Bool(raw.iter().map(|value| *value != 0).collect()),
        data_type::STRING => Data::Str(message.string_data.iter().map(|value| text(value)).collect()),
        other => return Err(Error::Unsupported(format!("tensor {name:?} of element type {other}"))),
    };
    if data.len() != count {
        return Err(Error::graph(format!(
            "tensor {name:?} has {} values, its shape says {count}",
            data.len()
        )));
    }
    Ok(Tensor { shape: Shape::new(&dims)?, data })
}

/// ONNX strings are bytes; what is not UTF-8 is replaced, as onnxruntime's Python side does.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn chunks<const N: usize, T>(raw: &[u8], convert: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (chunks, _) = raw.as_chunks::<N>();
    chunks.iter().map(|chunk| convert(*chunk)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_with_too_few_values_is_refused() {
        let message = proto::Tensor {
            name: "w".to_owned(),
            dims: vec![2, 2],
            data_type: data_type::FLOAT,
            float_data: vec![1.0],
            ..Default::default()
        };
        let error = tensor(&message).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the ONNX graph is broken: tensor \"w\" has 1 values, its shape says 4"
        );
    }

    #[test]
    fn a_file_of_noise_is_not_a_model() {
        assert!(read_model(&[0xff; 64]).is_err());
        assert!(read_model(b"").unwrap_err().to_string().contains("no graph"));
    }

    #[test]
    fn an_absurd_shape_costs_no_memory() {
        let message =
            proto::Tensor { dims: vec![1 << 40, 1 << 40], data_type: data_type::FLOAT, ..Default::default() };
        assert!(tensor(&message).is_err());
    }
}
