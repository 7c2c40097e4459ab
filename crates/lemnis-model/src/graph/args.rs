//! How an operator reaches its inputs: constants by reference, intermediate values by move when nobody needs them later.

use super::tensor::Tensor;
use crate::error::{Error, Result};

/// Where one input of a step comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// An optional input that the node leaves out.
    Absent,
    /// An initializer or folded constant.
    Constant(u32),
    /// A value computed before; `last` says that no later step reads it.
    Slot { slot: u32, last: bool },
}

/// The inputs of one step while it runs.
pub(crate) struct Args<'a> {
    pub(crate) sources: &'a [Source],
    pub(crate) constants: &'a [Tensor],
    pub(crate) slots: &'a mut [Option<Tensor>],
}

impl Args<'_> {
    pub(crate) fn len(&self) -> usize {
        self.sources.len()
    }

    /// Input `index`, which must be there.
    pub(crate) fn get(&self, index: usize) -> Result<&Tensor> {
        self.optional(index).ok_or_else(|| Error::graph(format!("input {index} is not there")))
    }

    /// Input `index`, if the node has it.
    pub(crate) fn optional(&self, index: usize) -> Option<&Tensor> {
        match self.sources.get(index)? {
            Source::Absent => None,
            Source::Constant(constant) => self.constants.get(*constant as usize),
            Source::Slot { slot, .. } => self.slots.get(*slot as usize)?.as_ref(),
        }
    }

    /// Input `index` as an owned tensor: moved out if this is its last use, else cloned.
    pub(crate) fn take(&mut self, index: usize) -> Result<Tensor> {
        if let Some(Source::Slot { slot, last: true }) = self.sources.get(index)
            && let Some(tensor) = self.slots.get_mut(*slot as usize).and_then(Option::take)
        {
            return Ok(tensor);
        }
        self.get(index).cloned()
    }
}
