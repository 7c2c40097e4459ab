//! A loaded model: frames in, frames out.
//!
//! Loading compiles the graph and decides for every graph input how it is fed, so that predicting only moves values.

use std::path::Path;

use lemnis_core::Digest;

use crate::error::{Error, Result};
use crate::frame::{Column, Frame};
use crate::graph::{Data, Element, Plan, Port, Shape, Tensor, compile};
use crate::mlmodel::{DataType, Description, Field, Signature, Task, describe};
use crate::onnx::{MAX_BYTES, read_model};

/// A model that answers.
#[derive(Debug)]
pub struct Model {
    plan: Plan,
    feeds: Vec<Feed>,
    signature: Signature,
    digest: Digest,
    task: Task,
    classes: Vec<String>,
}

/// How one graph input gets its values.
#[derive(Debug)]
enum Feed {
    /// One column of the signature.
    Column { field: usize, matrix: bool },
    /// All columns of the signature side by side, as `DataFrame.values` would be.
    Table,
}

impl Model {
    /// Loads the MLflow folder `dir` (flavor onnx), or a folder that holds only `model.onnx`.
    ///
    /// Fails when the folder, the file or the graph cannot be understood, and when the graph needs an operator that
    /// the interpreter does not have: a model that loads can answer.
    pub fn load(dir: &Path) -> Result<Self> {
        let description = describe(dir)?;
        let bytes = crate::mlmodel::read_limited(&description.model_file, MAX_BYTES)?;
        Self::new(&bytes, description)
    }

    pub(crate) fn new(bytes: &[u8], description: Description) -> Result<Self> {
        let plan = compile(&read_model(bytes)?)?;
        let inputs = match description.inputs {
            Some(inputs) => inputs,
            None => fields_of(&plan)?,
        };
        let outputs = description.outputs.unwrap_or_else(|| output_fields(&plan));
        let feeds = feeds(&plan, &inputs)?;
        let task = description.task.unwrap_or_else(|| guess_task(&plan));
        let signature = Signature { inputs, outputs };
        Ok(Self { plan, feeds, signature, digest: Digest::sha256(bytes), task, classes: description.classes })
    }

    /// What the model takes and gives.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// SHA-256 of `model.onnx`.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// What the model predicts.
    pub fn task(&self) -> Task {
        self.task
    }

    /// The classes of a model of our trainer, in the order of their numbers (binary: negative, positive); else empty.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Answers `input`, row by row. Columns are found by name; others than the signature's are ignored.
    ///
    /// A whole-number column may arrive as floats, NaN for missing. The result has one column per graph output; an
    /// output of several columns becomes `<output>_0`, `<output>_1`, …
    pub fn predict(&self, input: &Frame) -> Result<Frame> {
        let mut tensors = Vec::with_capacity(self.feeds.len());
        for (position, (feed, port)) in self.feeds.iter().zip(&self.plan.inputs).enumerate() {
            tensors.push(match feed {
                Feed::Column { field, matrix } => {
                    let name = &self.signature.inputs[*field].name;
                    let column = input
                        .column_near(name, position)
                        .ok_or_else(|| Error::MissingColumn(name.clone()))?;
                    let data = convert(name, column, port.element)?;
                    let rows = data.len();
                    Tensor { shape: if *matrix { Shape::matrix(rows, 1) } else { Shape::vector(rows) }, data }
                }
                Feed::Table => self.table(input, port.element)?,
            });
        }
        let outputs = self.plan.run(tensors)?;
        let mut columns = Vec::with_capacity(outputs.len());
        for (port, tensor) in self.plan.outputs.iter().zip(outputs) {
            unpack(&port.name, tensor, input.rows(), &mut columns)?;
        }
        Frame::new(columns)
    }

    fn table(&self, input: &Frame, element: Element) -> Result<Tensor> {
        let width = self.signature.inputs.len();
        let rows = input.rows();
        let mut columns = Vec::with_capacity(width);
        for (position, field) in self.signature.inputs.iter().enumerate() {
            let column = input
                .column_near(&field.name, position)
                .ok_or_else(|| Error::MissingColumn(field.name.clone()))?;
            columns.push((field.name.as_str(), column));
        }
        let shape = Shape::matrix(rows, width);
        let data = match element {
            Element::F32 => {
                let mut values = vec![0.0; rows * width];
                for (at, (name, column)) in columns.iter().enumerate() {
                    for (row, value) in values.iter_mut().skip(at).step_by(width).enumerate() {
                        *value = column.as_f32(row).ok_or_else(|| wrong(name, column, element))?;
                    }
                }
                Data::F32(values)
            }
            _ => {
                let parts = columns
                    .iter()
                    .map(|(name, column)| convert(name, column, element))
                    .collect::<Result<Vec<_>>>()?;
                interleave(&parts, rows)?
            }
        };
        Ok(Tensor { shape, data })
    }
}

fn interleave(parts: &[Data], rows: usize) -> Result<Data> {
    macro_rules! join {
        ($variant:path) => {{
            let mut joined = Vec::with_capacity(rows * parts.len());
            for row in 0..rows {
                for part in parts {
                    match part {
                        $variant(values) => joined.push(values[row].clone()),
                        _ => return Err(Error::Frame("the columns hold different types".to_owned())),
                    }
                }
            }
            $variant(joined)
        }};
    }
    Ok(match parts.first() {
        Some(Data::F64(_)) => join!(Data::F64),
        Some(Data::I64(_)) => join!(Data::I64),
        Some(Data::Bool(_)) => join!(Data::Bool),
        Some(Data::Str(_)) => join!(Data::Str),
        _ => join!(Data::F32),
    })
}

/// The values of `column` for a graph input of type `element`.
fn convert(name: &str, column: &Column, element: Element) -> Result<Data> {
    Ok(match (column, element) {
        (Column::Float(values), Element::F64) => Data::F64(values.clone()),
        (Column::Float(values), Element::F32) => {
            Data::F32(values.iter().map(|value| *value as f32).collect())
        }
        (Column::Float(values), Element::I64) => whole_or_float(values),
        (Column::Int(values), Element::I64) => Data::I64(values.clone()),
        (Column::Int(values), Element::F64) => Data::F64(values.iter().map(|value| *value as f64).collect()),
        (Column::Int(values), Element::F32) => Data::F32(values.iter().map(|value| *value as f32).collect()),
        (Column::Int(values), Element::Bool) => Data::Bool(values.iter().map(|value| *value != 0).collect()),
        (Column::Text(values), Element::Str) => Data::Str(values.clone()),
        _ => return Err(wrong(name, column, element)),
    })
}

/// Whole numbers where every value is one; else the floats themselves, NaN included: our graphs cast to floats first.
fn whole_or_float(values: &[f64]) -> Data {
    let whole = |value: &f64| value.fract() == 0.0 && value.abs() < 9.0e18;
    if values.iter().all(whole) {
        Data::I64(values.iter().map(|value| *value as i64).collect())
    } else {
        Data::F64(values.to_vec())
    }
}

fn wrong(name: &str, column: &Column, element: Element) -> Error {
    Error::ColumnType { column: name.to_owned(), found: column.kind(), expected: element.name() }
}

fn unpack(name: &str, tensor: Tensor, rows: usize, columns: &mut Vec<(String, Column)>) -> Result<()> {
    let width = tensor.data.len().checked_div(rows).unwrap_or(1);
    if width * rows != tensor.data.len() {
        return Err(Error::graph(format!(
            "output {name:?} has {} values for {rows} rows",
            tensor.data.len()
        )));
    }
    let column = match tensor.data {
        Data::F32(values) => Column::Float(values.into_iter().map(f64::from).collect()),
        Data::F64(values) => Column::Float(values),
        Data::I64(values) => Column::Int(values),
        Data::Bool(values) => Column::Int(values.into_iter().map(i64::from).collect()),
        Data::Str(values) => Column::Text(values),
    };
    if width == 1 {
        columns.push((name.to_owned(), column));
        return Ok(());
    }
    for at in 0..width {
        let part = match &column {
            Column::Float(values) => Column::Float(values.iter().skip(at).step_by(width).copied().collect()),
            Column::Int(values) => Column::Int(values.iter().skip(at).step_by(width).copied().collect()),
            Column::Text(values) => Column::Text(values.iter().skip(at).step_by(width).cloned().collect()),
        };
        columns.push((format!("{name}_{at}"), part));
    }
    Ok(())
}

fn feeds(plan: &Plan, inputs: &[Field]) -> Result<Vec<Feed>> {
    let matrix = |port: &Port| port.dims.as_ref().is_some_and(|dims| dims.len() >= 2);
    let named = |port: &Port| inputs.iter().position(|field| field.name == port.name);
    if let [port] = plan.inputs.as_slice() {
        let wide = port.dims.as_ref().is_some_and(|dims| dims.len() == 2 && dims[1] != Some(1));
        return match named(port) {
            Some(field) if inputs.len() == 1 && !wide => {
                Ok(vec![Feed::Column { field, matrix: matrix(port) }])
            }
            _ if inputs.len() == 1 && !wide => Ok(vec![Feed::Column { field: 0, matrix: matrix(port) }]),
            _ => {
                let declared = port.dims.as_ref().and_then(|dims| dims.get(1).copied().flatten());
                if declared.is_some_and(|width| width != inputs.len()) {
                    return Err(Error::MlModel(format!(
                        "the signature has {} columns, the graph takes {}",
                        inputs.len(),
                        declared.unwrap_or_default()
                    )));
                }
                Ok(vec![Feed::Table])
            }
        };
    }
    plan.inputs
        .iter()
        .map(|port| {
            let field = named(port).ok_or_else(|| {
                Error::MlModel(format!("the graph takes {:?}, which the signature does not have", port.name))
            })?;
            Ok(Feed::Column { field, matrix: matrix(port) })
        })
        .collect()
}

/// The columns of a graph without a signature: one per input, or one per column of its only input.
fn fields_of(plan: &Plan) -> Result<Vec<Field>> {
    let field = |name: String, element| Field { name, data_type: data_type(element), required: true };
    if let [port] = plan.inputs.as_slice()
        && let Some([_, columns]) = port.dims.as_deref()
    {
        return match columns {
            Some(1) => Ok(vec![field(port.name.clone(), port.element)]),
            Some(width) => Ok((0..*width).map(|at| field(at.to_string(), port.element)).collect()),
            None => Err(Error::MlModel(
                "a table of any width needs a signature that names its columns".to_owned(),
            )),
        };
    }
    Ok(plan.inputs.iter().map(|port| field(port.name.clone(), port.element)).collect())
}

fn output_fields(plan: &Plan) -> Vec<Field> {
    let mut fields = Vec::with_capacity(plan.outputs.len());
    for port in &plan.outputs {
        let data_type = data_type(port.element);
        match port.dims.as_deref() {
            Some([_, Some(width)]) if *width > 1 => fields.extend((0..*width).map(|at| Field {
                name: format!("{}_{at}", port.name),
                data_type,
                required: true,
            })),
            _ => fields.push(Field { name: port.name.clone(), data_type, required: true }),
        }
    }
    fields
}

fn data_type(element: Element) -> DataType {
    match element {
        Element::F32 => DataType::Float,
        Element::F64 => DataType::Double,
        Element::I64 => DataType::Long,
        Element::Bool => DataType::Boolean,
        Element::Str => DataType::String,
    }
}

fn guess_task(plan: &Plan) -> Task {
    let has = |name: &str| plan.outputs.iter().any(|port| port.name == name);
    if has("label") && has("probability") {
        Task::Binary
    } else if has("prediction") {
        Task::Regression
    } else {
        Task::Other
    }
}
