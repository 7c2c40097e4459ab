//! Typed access to a node's attributes, while the plan is compiled.

use super::tensor::Tensor;
use crate::error::{Error, Result};
use crate::onnx::{proto, tensor};

/// The attributes of one node.
pub(crate) struct Attributes<'a>(pub(crate) &'a proto::Node);

impl<'a> Attributes<'a> {
    pub(crate) fn find(&self, name: &str) -> Option<&'a proto::Attribute> {
        self.0.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    pub(crate) fn int(&self, name: &str, default: i64) -> i64 {
        self.find(name).map_or(default, |attribute| attribute.i)
    }

    pub(crate) fn float(&self, name: &str, default: f32) -> f32 {
        self.find(name).map_or(default, |attribute| attribute.f)
    }

    pub(crate) fn string(&self, name: &str, default: &str) -> String {
        self.find(name).map_or_else(|| default.to_owned(), |attribute| text(&attribute.s))
    }

    pub(crate) fn ints(&self, name: &str) -> &'a [i64] {
        self.find(name).map_or(&[], |attribute| &attribute.ints)
    }

    pub(crate) fn floats(&self, name: &str) -> &'a [f32] {
        self.find(name).map_or(&[], |attribute| &attribute.floats)
    }

    pub(crate) fn strings(&self, name: &str) -> Vec<String> {
        self.find(name)
            .map_or_else(Vec::new, |attribute| attribute.strings.iter().map(|value| text(value)).collect())
    }

    pub(crate) fn tensor(&self, name: &str) -> Result<Option<Tensor>> {
        self.find(name).and_then(|attribute| attribute.t.as_ref()).map(tensor).transpose()
    }

    /// The error of a node whose attributes contradict each other.
    pub(crate) fn broken(&self, reason: &str) -> Error {
        Error::graph(format!("operator {} {:?}: {reason}", self.0.op_type, self.0.name))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
