//! The interpreter: an ONNX graph compiled once into a plan of steps over numbered slots, then run many times.

mod args;
mod attributes;
mod compile;
mod op;
mod ops_compare;
mod ops_linear;
mod ops_math;
mod ops_ml;
mod ops_reduce;
mod ops_shape;
mod ops_text;
mod plan;
mod tensor;
mod tree_attributes;

pub(crate) use compile::compile;
pub(crate) use plan::{Plan, Port};
pub(crate) use tensor::{Data, Element, Shape, Tensor};
