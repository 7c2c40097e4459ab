//! The Open Inference Protocol, version 2, over HTTP: JSON tensors and the binary tensor extension.
//!
//! A model's columns are tensors of shape `[rows]` (`[rows, 1]` is taken too), named and typed by its signature. Every
//! mistake of a caller is a [`Rejection`] with one sentence, never a failure of the server.

mod binary;
mod metadata;
mod read;
mod tensor;
mod write;

use lemnis_model::{Frame, Signature};

use crate::Input;

pub use metadata::{EXTENSIONS, datatype, metadata};
pub use write::Answer;

/// The header that says how many bytes of a body are JSON; binary tensors follow them.
pub const HEADER_LENGTH: &str = "inference-header-content-length";

/// A refused request: answer 400 with `{"error": message}`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Rejection(pub(crate) String);

impl Rejection {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Rejection(message.into())
    }

    /// The answer's body.
    pub fn body(&self) -> String {
        serde_json::json!({ "error": self.0 }).to_string()
    }
}

/// An inference request that was read but not yet typed by a model.
#[derive(Debug)]
pub struct Request {
    /// The caller's own id, to be repeated in the answer.
    pub id: Option<String>,
    inputs: Vec<tensor::Tensor>,
    outputs: Option<Vec<write::Wanted>>,
    binary_by_default: bool,
}

impl Request {
    /// Reads a body, of which the first `json_length` bytes are JSON where binary tensors follow.
    pub fn read(body: &[u8], json_length: Option<usize>) -> Result<Self, Rejection> {
        read::request(body, json_length)
    }

    /// The columns that `signature` asks for.
    pub fn frame(&self, signature: &Signature) -> Result<Frame, Rejection> {
        tensor::frame(&self.inputs, signature)
    }

    /// As [`Request::frame`], without copying the elements: what is left of the request can only answer.
    pub fn take_frame(&mut self, signature: &Signature) -> Result<Frame, Rejection> {
        tensor::into_frame(std::mem::take(&mut self.inputs), signature)
    }

    /// The answer with the outputs that were asked for, or all of them.
    pub fn answer(
        &self,
        model: &str,
        version: u32,
        outputs: &Frame,
        signature: &Signature,
    ) -> Result<Answer, Rejection> {
        write::answer(self, model, version, outputs, signature)
    }

    /// Fails if an output is asked for that no model of `signature` gives, where the signature names its outputs.
    pub fn check_outputs(&self, signature: &Signature) -> Result<(), Rejection> {
        if signature.outputs.is_empty() {
            return Ok(());
        }
        let unknown = self
            .outputs
            .iter()
            .flatten()
            .find(|wanted| !signature.outputs.iter().any(|field| field.name == wanted.name));
        unknown.map_or(Ok(()), |wanted| Err(write::unknown_output(&wanted.name)))
    }
}

impl Input for &mut Request {
    type Refusal = Rejection;

    fn frame(&self, signature: &Signature) -> Result<Frame, Rejection> {
        self.check_outputs(signature)?;
        Request::frame(self, signature)
    }

    fn last_frame(&mut self, signature: &Signature) -> Result<Frame, Rejection> {
        self.check_outputs(signature)?;
        self.take_frame(signature)
    }
}
