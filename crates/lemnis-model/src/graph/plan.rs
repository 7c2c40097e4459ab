//! A compiled graph and the loop that runs it.
//!
//! The invariant: every slot a step reads was written before, which `compile` proves once; the loop only indexes.

use super::args::{Args, Source};
use super::op::Op;
use super::tensor::{Element, Tensor};
use crate::error::{Error, Result};

/// A named input or output of the graph.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) element: Element,
    /// Declared dimensions; `None` inside is a free one, `None` outside means that no shape is declared.
    pub(crate) dims: Option<Vec<Option<usize>>>,
    pub(crate) slot: u32,
}

#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) op: Op,
    /// The operator's ONNX name, for errors.
    pub(crate) name: String,
    pub(crate) sources: Vec<Source>,
    pub(crate) outputs: Vec<Option<u32>>,
}

/// What `compile` makes and `run` walks.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
    pub(crate) steps: Vec<Step>,
    pub(crate) constants: Vec<Tensor>,
    pub(crate) slots: usize,
}

/// The results of one step: nearly always one tensor, two for classifiers.
pub(crate) enum Results {
    One(Tensor),
    Two(Tensor, Tensor),
}

impl Plan {
    /// Runs the graph on `inputs`, which stand in the order of `self.inputs`.
    pub(crate) fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>> {
        let mut slots: Vec<Option<Tensor>> = Vec::new();
        slots.resize_with(self.slots, || None);
        for (port, tensor) in self.inputs.iter().zip(inputs) {
            slots[port.slot as usize] = Some(tensor);
        }
        for step in &self.steps {
            let mut args =
                Args { sources: &step.sources, constants: &self.constants, slots: slots.as_mut_slice() };
            let results = step.op.run(&mut args).map_err(|error| at(step, error))?;
            for source in &step.sources {
                if let Source::Slot { slot, last: true } = source {
                    slots[*slot as usize] = None;
                }
            }
            store(step, results, &mut slots);
        }
        self.outputs
            .iter()
            .enumerate()
            .map(|(index, port)| {
                let slot = port.slot as usize;
                let again = self.outputs[index + 1..].iter().any(|other| other.slot == port.slot);
                let tensor = if again { slots[slot].clone() } else { slots[slot].take() };
                tensor.ok_or_else(|| Error::graph(format!("output {:?} has no value", port.name)))
            })
            .collect()
    }
}

fn store(step: &Step, results: Results, slots: &mut [Option<Tensor>]) {
    let mut put = |index: usize, tensor: Tensor| {
        if let Some(Some(slot)) = step.outputs.get(index) {
            slots[*slot as usize] = Some(tensor);
        }
    };
    match results {
        Results::One(tensor) => put(0, tensor),
        Results::Two(first, second) => {
            put(0, first);
            put(1, second);
        }
    }
}

fn at(step: &Step, error: Error) -> Error {
    match error {
        Error::Graph(reason) => Error::Operator { operator: step.name.clone(), reason },
        other => other,
    }
}
