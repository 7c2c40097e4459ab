//! Models: the MLflow model folder, a native ONNX-ML interpreter and the built-in baseline trainer.
//!
//! A [`Model`] is loaded from a folder that MLflow would load too and answers [`Frame`]s. [`train`] makes such
//! folders. The crate hides the ONNX wire format, the interpreter and the numerics of boosting; a model that is
//! loaded never fails for reasons that could have been found at load time.

mod error;
mod frame;
mod graph;
mod mlmodel;
mod model;
mod onnx;
pub mod train;
mod tree;

pub use error::Error;
pub use frame::{Column, Frame};
pub use mlmodel::{DataType, Field, Signature, Task};
pub use model::Model;
