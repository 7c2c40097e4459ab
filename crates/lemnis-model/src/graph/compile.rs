//! From an ONNX graph to a [`Plan`]: names become slot numbers, constants are set aside, dead steps are dropped.

use std::collections::HashMap;

use super::args::Source;
use super::attributes::Attributes;
use super::op::Op;
use super::plan::{Plan, Port, Step};
use super::tensor::{Element, Tensor};
use crate::error::{Error, Result};
use crate::onnx::{proto, tensor};

#[derive(Clone, Copy)]
enum Binding {
    Constant(u32),
    Slot(u32),
}

struct Compiler {
    names: HashMap<String, Binding>,
    constants: Vec<Tensor>,
    /// The element type of each slot, where it is known.
    elements: Vec<Option<Element>>,
    steps: Vec<Step>,
    opset: i64,
}

/// Compiles the graph of `model`. Fails on unknown operators, names that nothing defines, and broken attributes.
pub(crate) fn compile(model: &proto::Model) -> Result<Plan> {
    let graph = model.graph.as_ref().ok_or_else(|| Error::graph("the file holds no graph"))?;
    let opset = model
        .opset_import
        .iter()
        .find(|set| set.domain.is_empty() || set.domain == "ai.onnx")
        .map_or(1, |set| set.version);
    let mut compiler = Compiler {
        names: HashMap::new(),
        constants: Vec::new(),
        elements: Vec::new(),
        steps: Vec::new(),
        opset,
    };
    for initializer in &graph.initializer {
        compiler.constant(&initializer.name, tensor(initializer)?);
    }
    let mut inputs = Vec::new();
    for input in &graph.input {
        // before IR version 4 every initializer was listed among the inputs too
        if !compiler.names.contains_key(&input.name) {
            let (element, dims) = declared(input)?;
            let slot = compiler.slot(&input.name, Some(element));
            inputs.push(Port { name: input.name.clone(), element, dims, slot });
        }
    }
    for node in &graph.node {
        compiler.node(node)?;
    }
    let mut outputs = Vec::new();
    for output in &graph.output {
        let slot = compiler.output_slot(&output.name)?;
        // ZipMap and friends declare sequences; what is computed is a tensor of floats
        let (element, dims) = declared(output).unwrap_or((Element::F32, None));
        outputs.push(Port { name: output.name.clone(), element, dims, slot });
    }
    if outputs.is_empty() {
        return Err(Error::graph("it has no output"));
    }
    let steps = live(compiler.steps, &outputs, compiler.elements.len());
    Ok(Plan { inputs, outputs, steps, constants: compiler.constants, slots: compiler.elements.len() })
}

impl Compiler {
    fn constant(&mut self, name: &str, tensor: Tensor) {
        self.names.insert(name.to_owned(), Binding::Constant(self.constants.len() as u32));
        self.constants.push(tensor);
    }

    fn slot(&mut self, name: &str, element: Option<Element>) -> u32 {
        let slot = self.elements.len() as u32;
        self.elements.push(element);
        if !name.is_empty() {
            self.names.insert(name.to_owned(), Binding::Slot(slot));
        }
        slot
    }

    fn node(&mut self, node: &proto::Node) -> Result<()> {
        let attributes = Attributes(node);
        if node.op_type == "Constant" {
            let value = constant_value(&attributes)?;
            if let Some(name) = node.output.first() {
                self.constant(name, value);
            }
            return Ok(());
        }
        let mut sources = Vec::with_capacity(node.input.len());
        let mut elements = Vec::with_capacity(node.input.len());
        for name in &node.input {
            let (source, element) = self.source(name, node)?;
            sources.push(source);
            elements.push(element);
        }
        let op = Op::compile(&attributes, self.opset, &elements)?;
        let element = op.output(&elements);
        let scores = matches!(op, Op::Linear(_) | Op::Forest(_));
        let outputs = node
            .output
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let element = match index {
                    0 => element,
                    _ if scores => Some(Element::F32),
                    _ => None,
                };
                (!name.is_empty()).then(|| self.slot(name, element))
            })
            .collect();
        self.steps.push(Step { op, name: node.op_type.clone(), sources, outputs });
        Ok(())
    }

    fn source(&self, name: &str, node: &proto::Node) -> Result<(Source, Option<Element>)> {
        if name.is_empty() {
            return Ok((Source::Absent, None));
        }
        match self.names.get(name) {
            Some(Binding::Constant(index)) => {
                let element = self.constants.get(*index as usize).map(|tensor| tensor.data.element());
                Ok((Source::Constant(*index), element))
            }
            Some(Binding::Slot(slot)) => {
                let element = self.elements.get(*slot as usize).copied().flatten();
                Ok((Source::Slot { slot: *slot, last: false }, element))
            }
            None => {
                Err(Error::graph(format!("operator {} reads {name:?}, which nothing defines", node.op_type)))
            }
        }
    }

    /// The slot of a graph output; an output that is a constant is computed by an identity step.
    fn output_slot(&mut self, name: &str) -> Result<u32> {
        match self.names.get(name) {
            Some(Binding::Slot(slot)) => Ok(*slot),
            Some(Binding::Constant(constant)) => {
                let source = Source::Constant(*constant);
                let slot = self.slot("", None);
                self.steps.push(Step {
                    op: Op::Identity,
                    name: "Identity".to_owned(),
                    sources: vec![source],
                    outputs: vec![Some(slot)],
                });
                Ok(slot)
            }
            None => Err(Error::graph(format!("output {name:?} is never computed"))),
        }
    }
}

/// Drops steps that no output needs and marks the last reader of each slot.
fn live(steps: Vec<Step>, outputs: &[Port], slots: usize) -> Vec<Step> {
    let mut needed = vec![false; slots];
    let mut is_output = vec![false; slots];
    for port in outputs {
        needed[port.slot as usize] = true;
        is_output[port.slot as usize] = true;
    }
    let mut kept = Vec::with_capacity(steps.len());
    let mut read_later = vec![false; slots];
    for mut step in steps.into_iter().rev() {
        if !step.outputs.iter().flatten().any(|slot| needed[*slot as usize]) {
            continue;
        }
        let twice = |index: usize, slot: u32, sources: &[Source]| {
            sources[index + 1..]
                .iter()
                .any(|other| matches!(other, Source::Slot { slot: s, .. } if *s == slot))
        };
        for index in 0..step.sources.len() {
            if let Source::Slot { slot, .. } = step.sources[index] {
                needed[slot as usize] = true;
                let last = !read_later[slot as usize]
                    && !is_output[slot as usize]
                    && !twice(index, slot, &step.sources);
                step.sources[index] = Source::Slot { slot, last };
            }
        }
        for source in &step.sources {
            if let Source::Slot { slot, .. } = source {
                read_later[*slot as usize] = true;
            }
        }
        kept.push(step);
    }
    kept.reverse();
    kept
}

fn declared(value: &proto::ValueInfo) -> Result<(Element, Option<Vec<Option<usize>>>)> {
    let tensor =
        value.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref()).ok_or_else(|| {
            Error::Unsupported(format!("graph input {:?} that is not a tensor", value.name))
        })?;
    let dims = tensor.shape.as_ref().map(|shape| {
        let dim = |dim: &proto::Dimension| match dim.value {
            Some(proto::DimensionValue::Fixed(size)) => usize::try_from(size).ok(),
            _ => None,
        };
        shape.dim.iter().map(dim).collect()
    });
    Ok((Element::of(tensor.elem_type)?, dims))
}

fn constant_value(attributes: &Attributes<'_>) -> Result<Tensor> {
    use super::tensor::{Data, Shape};
    let scalar = Shape::new(&[])?;
    let vector = |data: Data| Tensor { shape: Shape::vector(data.len()), data };
    if let Some(value) = attributes.tensor("value")? {
        return Ok(value);
    }
    Ok(if attributes.has("value_float") {
        Tensor { shape: scalar, data: Data::F32(vec![attributes.float("value_float", 0.0)]) }
    } else if attributes.has("value_int") {
        Tensor { shape: scalar, data: Data::I64(vec![attributes.int("value_int", 0)]) }
    } else if attributes.has("value_string") {
        Tensor { shape: scalar, data: Data::Str(vec![attributes.string("value_string", "")]) }
    } else if attributes.has("value_floats") {
        vector(Data::F32(attributes.floats("value_floats").to_vec()))
    } else if attributes.has("value_ints") {
        vector(Data::I64(attributes.ints("value_ints").to_vec()))
    } else if attributes.has("value_strings") {
        vector(Data::Str(attributes.strings("value_strings")))
    } else {
        return Err(Error::Unsupported("operator Constant without a dense value".to_owned()));
    })
}
