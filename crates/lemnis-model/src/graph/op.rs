//! The list of operators: from a node's name and attributes to something that runs.
//!
//! Attributes are parsed here, once; `run` only dispatches. An operator that is not in the list is refused at load.

use super::args::Args;
use super::attributes::Attributes;
use super::ops_compare::{Compare, Logic};
use super::ops_linear::{Gemm, Linear};
use super::ops_math::{Binary, Unary};
use super::ops_ml::{Binarizer, Imputer, Norm, Scaler};
use super::ops_reduce::{Pick, Reduce};
use super::ops_text::{LabelEncoder, OneHot};
use super::plan::Results;
use super::tensor::{Data, Element, Tensor};
use super::tree_attributes;
use super::{ops_compare, ops_linear, ops_math, ops_ml, ops_reduce, ops_shape};
use crate::error::{Error, Result};
use crate::tree::Forest;

/// One operator with its parameters.
#[derive(Debug)]
pub(crate) enum Op {
    Identity,
    Cast(Element),
    Reshape,
    Flatten(i64),
    Transpose(Vec<i64>),
    Squeeze(Option<Vec<i64>>),
    Unsqueeze(Option<Vec<i64>>),
    Concat(i64),
    Gather(i64),
    Slice,
    ShapeOf,
    Unary(Unary),
    Binary(Binary),
    Fold(Binary),
    Clip(f32, f32),
    Compare(Compare),
    Logic(Logic),
    Not,
    Where,
    Softmax { axis: i64, flatten: bool },
    Pick(Pick),
    Reduce(Reduce),
    MatMul,
    Gemm(Gemm),
    Linear(Box<Linear>),
    Scaler(Scaler),
    Normalizer(Norm),
    Imputer(Imputer),
    Binarizer(Binarizer),
    ArrayFeatureExtractor,
    FeatureVectorizer,
    OneHot(Box<OneHot>),
    LabelEncoder(Box<LabelEncoder>),
    Forest(Box<Forest>),
}

impl Op {
    /// Compiles the node behind `attributes`; `inputs` are its inputs' element types as far as they are known.
    pub(crate) fn compile(
        attributes: &Attributes<'_>,
        opset: i64,
        inputs: &[Option<Element>],
    ) -> Result<Self> {
        let node = attributes.0;
        let ml = match node.domain.as_str() {
            "" | "ai.onnx" => false,
            "ai.onnx.ml" => true,
            other => {
                return Err(Error::Unsupported(format!("operator {} of domain {other:?}", node.op_type)));
            }
        };
        let axes = || attributes.has("axes").then(|| attributes.ints("axes").to_vec());
        Ok(match (ml, node.op_type.as_str()) {
            (false, "Identity") => Op::Identity,
            (false, "Cast") => Op::Cast(Element::of(attributes.int("to", 0) as i32)?),
            (false, "Reshape") => Op::Reshape,
            (false, "Flatten") => Op::Flatten(attributes.int("axis", 1)),
            (false, "Transpose") => Op::Transpose(attributes.ints("perm").to_vec()),
            (false, "Squeeze") => Op::Squeeze(axes()),
            (false, "Unsqueeze") => Op::Unsqueeze(axes()),
            (false, "Concat") => Op::Concat(attributes.int("axis", 1)),
            (false, "Gather") => Op::Gather(attributes.int("axis", 0)),
            (false, "Slice") if opset >= 10 => Op::Slice,
            (false, "Shape") => Op::ShapeOf,
            (false, "Relu") => Op::Unary(Unary::Relu),
            (false, "Sigmoid") => Op::Unary(Unary::Sigmoid),
            (false, "Tanh") => Op::Unary(Unary::Tanh),
            (false, "Log") => Op::Unary(Unary::Log),
            (false, "Exp") => Op::Unary(Unary::Exp),
            (false, "Neg") => Op::Unary(Unary::Neg),
            (false, "Abs") => Op::Unary(Unary::Abs),
            (false, "Sqrt") => Op::Unary(Unary::Sqrt),
            (false, "Floor") => Op::Unary(Unary::Floor),
            (false, "Ceil") => Op::Unary(Unary::Ceil),
            (false, "Add") => Op::Binary(Binary::Add),
            (false, "Sub") => Op::Binary(Binary::Sub),
            (false, "Mul") => Op::Binary(Binary::Mul),
            (false, "Div") => Op::Binary(Binary::Div),
            (false, "Pow") => Op::Binary(Binary::Pow),
            (false, "Max") => Op::Fold(Binary::Max),
            (false, "Min") => Op::Fold(Binary::Min),
            (false, "Sum") => Op::Fold(Binary::Add),
            (false, "Clip") => {
                Op::Clip(attributes.float("min", f32::NEG_INFINITY), attributes.float("max", f32::INFINITY))
            }
            (false, "Greater") => Op::Compare(Compare::Greater),
            (false, "GreaterOrEqual") => Op::Compare(Compare::GreaterOrEqual),
            (false, "Less") => Op::Compare(Compare::Less),
            (false, "LessOrEqual") => Op::Compare(Compare::LessOrEqual),
            (false, "Equal") => Op::Compare(Compare::Equal),
            (false, "And") => Op::Logic(Logic::And),
            (false, "Or") => Op::Logic(Logic::Or),
            (false, "Xor") => Op::Logic(Logic::Xor),
            (false, "Not") => Op::Not,
            (false, "Where") => Op::Where,
            (false, "Softmax") => {
                let flatten = opset < 13;
                Op::Softmax { axis: attributes.int("axis", if flatten { 1 } else { -1 }), flatten }
            }
            (false, "ArgMax" | "ArgMin") => Op::Pick(Pick::compile(attributes)),
            (false, "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin") => {
                Op::Reduce(Reduce::compile(attributes)?)
            }
            (false, "MatMul") => Op::MatMul,
            (false, "Gemm") => Op::Gemm(Gemm::compile(attributes)),
            (true, "LinearClassifier" | "LinearRegressor") => {
                Op::Linear(Box::new(Linear::compile(attributes)?))
            }
            (true, "Scaler") => Op::Scaler(Scaler::compile(attributes)),
            (true, "Normalizer") => Op::Normalizer(Norm::compile(attributes)?),
            (true, "Imputer") => Op::Imputer(Imputer::compile(attributes)),
            (true, "Binarizer") => Op::Binarizer(Binarizer(attributes.float("threshold", 0.0))),
            (true, "ArrayFeatureExtractor") => Op::ArrayFeatureExtractor,
            (true, "FeatureVectorizer") => Op::FeatureVectorizer,
            (true, "OneHotEncoder") => Op::OneHot(Box::new(OneHot::compile(attributes)?)),
            (true, "LabelEncoder") => Op::LabelEncoder(Box::new(LabelEncoder::compile(attributes)?)),
            // the probabilities stay a matrix: a sequence of maps has no place in a table
            (true, "ZipMap") => Op::Identity,
            (true, "TreeEnsembleClassifier" | "TreeEnsembleRegressor") => {
                let input = inputs.first().copied().flatten();
                Op::Forest(Box::new(tree_attributes::compile(attributes, input)?))
            }
            (true, "TreeEnsemble") => {
                let input = inputs.first().copied().flatten();
                Op::Forest(Box::new(tree_attributes::compile_v5(attributes, input)?))
            }
            (_, other) => return Err(Error::Unsupported(format!("operator {other}"))),
        })
    }

    /// The element type of the first output, where it follows from the inputs.
    pub(crate) fn output(&self, inputs: &[Option<Element>]) -> Option<Element> {
        match self {
            Op::Cast(element) => Some(*element),
            Op::Compare(_) | Op::Logic(_) | Op::Not => Some(Element::Bool),
            Op::ShapeOf | Op::Pick(_) => Some(Element::I64),
            Op::Linear(_) | Op::Scaler(_) | Op::Normalizer(_) | Op::OneHot(_) | Op::FeatureVectorizer => {
                Some(Element::F32)
            }
            Op::LabelEncoder(encoder) => Some(encoder.output()),
            Op::Forest(_) => None,
            Op::Where => inputs.get(1).copied().flatten(),
            _ => inputs.first().copied().flatten(),
        }
    }

    /// Runs the operator on `args`.
    pub(crate) fn run(&self, args: &mut Args<'_>) -> Result<Results> {
        Ok(Results::One(match self {
            Op::Identity => args.take(0)?,
            Op::Cast(element) => ops_shape::cast(args.take(0)?, *element)?,
            Op::Reshape => ops_shape::reshape(args)?,
            Op::Flatten(axis) => ops_shape::flatten(args.take(0)?, *axis)?,
            Op::Transpose(perm) => ops_shape::transpose(args.get(0)?, perm)?,
            Op::Squeeze(axes) => ops_shape::squeeze(args, axes.as_deref())?,
            Op::Unsqueeze(axes) => ops_shape::unsqueeze(args, axes.as_deref())?,
            Op::Concat(axis) => ops_shape::concat(args, *axis)?,
            Op::Gather(axis) => ops_shape::gather(args.get(0)?, args.get(1)?, *axis)?,
            Op::Slice => ops_shape::slice(args)?,
            Op::ShapeOf => {
                let dims: Vec<i64> = args.get(0)?.shape.dims().iter().map(|dim| *dim as i64).collect();
                Tensor { shape: super::Shape::vector(dims.len()), data: Data::I64(dims) }
            }
            Op::Unary(unary) => ops_math::unary(args.take(0)?, *unary)?,
            Op::Binary(binary) => {
                let first = args.take(0)?;
                ops_math::binary(first, args.get(1)?, *binary)?
            }
            Op::Fold(binary) => ops_math::fold(args, *binary)?,
            Op::Clip(low, high) => ops_math::clip(args, *low, *high)?,
            Op::Compare(compare) => ops_compare::compare(args.get(0)?, args.get(1)?, *compare)?,
            Op::Logic(logic) => ops_compare::logic(args.get(0)?, args.get(1)?, *logic)?,
            Op::Not => ops_compare::not(args.take(0)?)?,
            Op::Where => ops_compare::select(args.get(0)?, args.get(1)?, args.get(2)?)?,
            Op::Softmax { axis, flatten } => ops_reduce::softmax(args.take(0)?, *axis, *flatten)?,
            Op::Pick(pick) => pick.run(args.get(0)?)?,
            Op::Reduce(reduce) => reduce.run(args)?,
            Op::MatMul => ops_linear::matmul(args.get(0)?, args.get(1)?)?,
            Op::Gemm(gemm) => gemm.run(args)?,
            Op::Linear(linear) => return linear.run(args.get(0)?),
            Op::Scaler(scaler) => scaler.run(args.get(0)?)?,
            Op::Normalizer(norm) => norm.run(args.get(0)?)?,
            Op::Imputer(imputer) => imputer.run(args.take(0)?)?,
            Op::Binarizer(binarizer) => binarizer.run(args.take(0)?)?,
            Op::ArrayFeatureExtractor => ops_ml::extract(args.get(0)?, args.get(1)?)?,
            Op::FeatureVectorizer => ops_ml::vectorize(args)?,
            Op::OneHot(one_hot) => one_hot.run(args.get(0)?)?,
            Op::LabelEncoder(encoder) => encoder.run(args.get(0)?)?,
            Op::Forest(forest) => return tree_attributes::run(forest, args.get(0)?),
        }))
    }
}
