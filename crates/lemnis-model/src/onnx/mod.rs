//! The ONNX file format: messages, a reader with limits, a writer with deterministic bytes.

pub(crate) mod proto;
mod read;
mod write;

pub(crate) use read::{MAX_BYTES, read_model, tensor};
pub(crate) use write::{GraphBuilder, attr};
