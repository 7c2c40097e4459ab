//! Builds ONNX files. The same calls give the same bytes: no map, no clock, no randomness takes part.

use prost::Message;

use super::proto::{self, attribute_type, data_type};

/// Attribute constructors.
pub(crate) mod attr {
    use super::{attribute_type, proto::Attribute};

    pub(crate) fn int(name: &str, value: i64) -> Attribute {
        Attribute { name: name.to_owned(), i: value, r#type: attribute_type::INT, ..Default::default() }
    }

    pub(crate) fn float(name: &str, value: f32) -> Attribute {
        Attribute { name: name.to_owned(), f: value, r#type: attribute_type::FLOAT, ..Default::default() }
    }

    pub(crate) fn string(name: &str, value: &str) -> Attribute {
        Attribute {
            name: name.to_owned(),
            s: value.as_bytes().to_vec(),
            r#type: attribute_type::STRING,
            ..Default::default()
        }
    }

    pub(crate) fn ints(name: &str, values: Vec<i64>) -> Attribute {
        Attribute { name: name.to_owned(), ints: values, r#type: attribute_type::INTS, ..Default::default() }
    }

    pub(crate) fn floats(name: &str, values: Vec<f32>) -> Attribute {
        Attribute {
            name: name.to_owned(),
            floats: values,
            r#type: attribute_type::FLOATS,
            ..Default::default()
        }
    }

    pub(crate) fn strings<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> Attribute {
        Attribute {
            name: name.to_owned(),
            strings: values.into_iter().map(|value| value.as_bytes().to_vec()).collect(),
            r#type: attribute_type::STRINGS,
            ..Default::default()
        }
    }
}

/// Collects nodes, constants, inputs and outputs of one graph.
pub(crate) struct GraphBuilder {
    graph: proto::Graph,
    next: usize,
}

impl GraphBuilder {
    pub(crate) fn new(name: &str) -> Self {
        Self { graph: proto::Graph { name: name.to_owned(), ..Default::default() }, next: 0 }
    }

    /// A value name that no column can have: column names become inputs, so inner names carry a prefix.
    fn fresh(&mut self, hint: &str) -> String {
        self.next += 1;
        format!("lemnis:{hint}/{}", self.next)
    }

    /// Declares a graph input; `None` in `dims` is the row count.
    pub(crate) fn input(&mut self, name: &str, element: i32, dims: &[Option<i64>]) {
        self.graph.input.push(value_info(name, element, dims));
    }

    /// Declares a graph output.
    pub(crate) fn output(&mut self, name: &str, element: i32, dims: &[Option<i64>]) {
        self.graph.output.push(value_info(name, element, dims));
    }

    /// Adds a node of the default domain with one output, which it returns.
    pub(crate) fn op(&mut self, op: &str, inputs: &[&str], attributes: Vec<proto::Attribute>) -> String {
        let output = self.fresh(op);
        self.named(op, "", inputs, &output, attributes);
        output
    }

    /// Adds a node of domain `ai.onnx.ml` with one output, which it returns.
    pub(crate) fn ml(&mut self, op: &str, inputs: &[&str], attributes: Vec<proto::Attribute>) -> String {
        let output = self.fresh(op);
        self.named(op, "ai.onnx.ml", inputs, &output, attributes);
        output
    }

    /// Adds a node whose output has a given name.
    pub(crate) fn named(
        &mut self,
        op: &str,
        domain: &str,
        inputs: &[&str],
        output: &str,
        attributes: Vec<proto::Attribute>,
    ) {
        self.graph.node.push(proto::Node {
            input: inputs.iter().map(|name| (*name).to_owned()).collect(),
            output: vec![output.to_owned()],
            name: format!("{op}_{}", self.graph.node.len()),
            op_type: op.to_owned(),
            attribute: attributes,
            domain: domain.to_owned(),
        });
    }

    /// Adds a whole-number constant; no `dims` makes a scalar.
    pub(crate) fn ints(&mut self, values: &[i64], dims: &[i64]) -> String {
        self.constant(proto::Tensor {
            dims: dims.to_vec(),
            data_type: data_type::INT64,
            int64_data: values.to_vec(),
            ..Default::default()
        })
    }

    /// Adds a 32-bit float scalar.
    pub(crate) fn float(&mut self, value: f32) -> String {
        self.constant(proto::Tensor {
            data_type: data_type::FLOAT,
            float_data: vec![value],
            ..Default::default()
        })
    }

    /// Adds a 64-bit float scalar.
    pub(crate) fn double(&mut self, value: f64) -> String {
        self.constant(proto::Tensor {
            data_type: data_type::DOUBLE,
            double_data: vec![value],
            ..Default::default()
        })
    }

    /// Adds a vector of strings.
    pub(crate) fn texts(&mut self, values: &[String]) -> String {
        self.constant(proto::Tensor {
            dims: vec![values.len() as i64],
            data_type: data_type::STRING,
            string_data: values.iter().map(|value| value.as_bytes().to_vec()).collect(),
            ..Default::default()
        })
    }

    fn constant(&mut self, mut tensor: proto::Tensor) -> String {
        let name = self.fresh("const");
        tensor.name.clone_from(&name);
        self.graph.initializer.push(tensor);
        name
    }

    /// The file: IR 8, opset 17, ai.onnx.ml 3, which onnxruntime reads since 1.12.
    pub(crate) fn build(self) -> Vec<u8> {
        proto::Model {
            ir_version: 8,
            producer_name: "lemnis".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(self.graph),
            opset_import: vec![
                proto::OperatorSet { domain: String::new(), version: 17 },
                proto::OperatorSet { domain: "ai.onnx.ml".to_owned(), version: 3 },
            ],
            functions: Vec::new(),
        }
        .encode_to_vec()
    }
}

fn value_info(name: &str, element: i32, dims: &[Option<i64>]) -> proto::ValueInfo {
    let dim = |dim: &Option<i64>| proto::Dimension {
        value: Some(match dim {
            Some(size) => proto::DimensionValue::Fixed(*size),
            None => proto::DimensionValue::Named("rows".to_owned()),
        }),
    };
    proto::ValueInfo {
        name: name.to_owned(),
        r#type: Some(proto::Type {
            tensor_type: Some(proto::TensorType {
                elem_type: element,
                shape: Some(proto::TensorShape { dim: dims.iter().map(dim).collect() }),
            }),
        }),
    }
}
