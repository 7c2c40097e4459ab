//! Named tensors, and their way into a model's columns.

use lemnis_model::{Column, DataType, Field, Frame, Signature};

use super::Rejection;

/// The element types of the protocol that are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Datatype {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Fp32,
    Fp64,
    Bytes,
}

const WORDS: [(Datatype, &str); 13] = [
    (Datatype::Bool, "BOOL"),
    (Datatype::Uint8, "UINT8"),
    (Datatype::Uint16, "UINT16"),
    (Datatype::Uint32, "UINT32"),
    (Datatype::Uint64, "UINT64"),
    (Datatype::Int8, "INT8"),
    (Datatype::Int16, "INT16"),
    (Datatype::Int32, "INT32"),
    (Datatype::Int64, "INT64"),
    (Datatype::Fp16, "FP16"),
    (Datatype::Fp32, "FP32"),
    (Datatype::Fp64, "FP64"),
    (Datatype::Bytes, "BYTES"),
];

impl Datatype {
    pub(crate) fn parse(word: &str) -> Option<Self> {
        WORDS.into_iter().find(|(_, known)| *known == word).map(|(datatype, _)| datatype)
    }

    pub(crate) fn word(self) -> &'static str {
        WORDS.into_iter().find(|(datatype, _)| *datatype == self).map_or("", |(_, word)| word)
    }

    pub(crate) fn is_float(self) -> bool {
        matches!(self, Datatype::Fp16 | Datatype::Fp32 | Datatype::Fp64)
    }
}

/// Elements, widened to what columns hold. NaN and the empty text are missing, as in a [`Frame`].
#[derive(Debug)]
pub(crate) enum Elements {
    Floats(Vec<f64>),
    Ints(Vec<i64>),
    Texts(Vec<String>),
}

impl Elements {
    pub(crate) fn len(&self) -> usize {
        match self {
            Elements::Floats(values) => values.len(),
            Elements::Ints(values) => values.len(),
            Elements::Texts(values) => values.len(),
        }
    }
}

/// A tensor of shape `[rows]` or `[rows, 1]`.
#[derive(Debug)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) datatype: Datatype,
    pub(crate) elements: Elements,
}

/// The columns that `signature` asks for.
pub(super) fn frame(inputs: &[Tensor], signature: &Signature) -> Result<Frame, Rejection> {
    let known = |name: &str| signature.inputs.iter().any(|field| field.name == name);
    if let Some(unknown) = inputs.iter().find(|input| !known(&input.name)) {
        return Err(Rejection::new(format!("the model has no input {:?}", unknown.name)));
    }
    let rows = inputs.first().map_or(0, |input| input.elements.len());
    if let Some(other) = inputs.iter().find(|input| input.elements.len() != rows) {
        let found = other.elements.len();
        return Err(Rejection::new(format!(
            "input {:?} has {found} rows, the first input has {rows}",
            other.name
        )));
    }
    if rows == 0 {
        return Err(Rejection::new("there is no row to predict"));
    }
    let columns = signature
        .inputs
        .iter()
        .map(|field| {
            let column = match inputs.iter().find(|input| input.name == field.name) {
                Some(input) => column(field, input)?,
                None if field.required => {
                    return Err(Rejection::new(format!("input {:?} is missing", field.name)));
                }
                None if field.data_type == DataType::String => Column::Text(vec![String::new(); rows]),
                None => Column::Float(vec![f64::NAN; rows]),
            };
            Ok((field.name.clone(), column))
        })
        .collect::<Result<Vec<_>, _>>()?;
    Frame::new(columns).map_err(|error| Rejection::new(error.to_string()))
}

fn column(field: &Field, input: &Tensor) -> Result<Column, Rejection> {
    let wants_text = field.data_type == DataType::String;
    let wants_float = matches!(field.data_type, DataType::Float | DataType::Double);
    match &input.elements {
        Elements::Texts(values) if wants_text => Ok(Column::Text(values.clone())),
        Elements::Floats(values) if wants_float => Ok(Column::Float(values.clone())),
        Elements::Ints(values) if wants_float => {
            Ok(Column::Float(values.iter().map(|value| *value as f64).collect()))
        }
        Elements::Ints(values) if !wants_text => Ok(Column::Int(values.clone())),
        Elements::Floats(values) if !wants_text => whole(field, values),
        _ => Err(Rejection::new(format!(
            "input {:?} is {}, the model takes {}",
            field.name,
            input.datatype.word(),
            super::metadata::datatype(field.data_type)
        ))),
    }
}

/// Floats for a column of whole numbers: taken while they are whole or missing.
fn whole(field: &Field, values: &[f64]) -> Result<Column, Rejection> {
    if let Some(value) = values.iter().find(|value| !value.is_nan() && value.fract() != 0.0) {
        return Err(Rejection::new(format!("input {:?} takes whole numbers, not {value}", field.name)));
    }
    if values.iter().any(|value| value.is_nan()) {
        return Ok(Column::Float(values.to_vec()));
    }
    Ok(Column::Int(values.iter().map(|value| *value as i64).collect()))
}
