//! What a request asks with: something that becomes a frame once it is known which model answers.

use lemnis_model::{Frame, Signature};

/// A body that was read but not yet typed. A closure from a signature to a frame is one.
pub trait Input {
    /// Why the body is not what the model takes.
    type Refusal;

    /// The columns that `signature` asks for. Called while another model may have to answer instead.
    fn frame(&self, signature: &Signature) -> Result<Frame, Self::Refusal>;

    /// As [`Input::frame`], for the last model that is asked: values may be moved instead of copied.
    fn last_frame(&mut self, signature: &Signature) -> Result<Frame, Self::Refusal> {
        self.frame(signature)
    }
}

impl<F, E> Input for F
where
    F: Fn(&Signature) -> Result<Frame, E>,
{
    type Refusal = E;

    fn frame(&self, signature: &Signature) -> Result<Frame, E> {
        self(signature)
    }
}
