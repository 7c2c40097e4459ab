//! YAML as DVC reads and writes it: an ordered reader with positions, a byte-exact writer, and edits in
//! place that keep a person's comments.

mod analysis;
mod edit;
mod emit;
mod flow;
mod read;
mod scalar;
mod shared;
mod spelling;
mod style;
mod value;

pub(crate) use edit::{put_stage, replace_value, rewrite, set_stage};
pub(crate) use emit::{emit, emit_shared};
pub(crate) use read::{Kind, Node, parse};
pub(crate) use scalar::python_float;
pub(crate) use shared::Shared;
pub(crate) use value::{Key, Map, Value};

#[cfg(test)]
mod vectors;
