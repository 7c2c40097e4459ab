//! Named tensors, and their way into a model's columns.

use std::collections::{HashMap, HashSet};

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

/// The columns that `signature` asks for, copied from the tensors.
pub(super) fn frame(inputs: &[Tensor], signature: &Signature) -> Result<Frame, Rejection> {
    let places = check(inputs, signature)?;
    build(&places, signature, |place| inputs.get(place).map(|input| column(&input.elements)))
}

/// As [`frame`], with the elements moved out of the tensors.
pub(super) fn into_frame(mut inputs: Vec<Tensor>, signature: &Signature) -> Result<Frame, Rejection> {
    let places = check(&inputs, signature)?;
    build(&places, signature, |place| {
        let elements = std::mem::replace(&mut inputs.get_mut(place)?.elements, Elements::Ints(Vec::new()));
        Some(moved(elements))
    })
}

/// Where the tensor of each field of the signature is, once all of them are known to fit.
struct Places {
    rows: usize,
    of_fields: Vec<Option<usize>>,
}

fn check(inputs: &[Tensor], signature: &Signature) -> Result<Places, Rejection> {
    let fields: HashSet<&str> = signature.inputs.iter().map(|field| field.name.as_str()).collect();
    if let Some(unknown) = inputs.iter().find(|input| !fields.contains(input.name.as_str())) {
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
    let places: HashMap<&str, usize> =
        inputs.iter().enumerate().map(|(place, input)| (input.name.as_str(), place)).collect();
    let mut of_fields = Vec::with_capacity(signature.inputs.len());
    for field in &signature.inputs {
        let place = places.get(field.name.as_str()).copied();
        match place.and_then(|place| inputs.get(place)) {
            Some(input) => fits(field, input)?,
            None if field.required => {
                return Err(Rejection::new(format!("input {:?} is missing", field.name)));
            }
            None => {}
        }
        of_fields.push(place);
    }
    Ok(Places { rows, of_fields })
}

fn build(
    places: &Places,
    signature: &Signature,
    mut take: impl FnMut(usize) -> Option<Column>,
) -> Result<Frame, Rejection> {
    let columns = signature.inputs.iter().zip(&places.of_fields).map(|(field, place)| {
        let column = match place.and_then(&mut take) {
            Some(column) => typed(field, column),
            None if field.data_type == DataType::String => Column::Text(vec![String::new(); places.rows]),
            None => Column::Float(vec![f64::NAN; places.rows]),
        };
        (field.name.clone(), column)
    });
    Frame::new(columns.collect()).map_err(|error| Rejection::new(error.to_string()))
}

fn column(elements: &Elements) -> Column {
    match elements {
        Elements::Floats(values) => Column::Float(values.clone()),
        Elements::Ints(values) => Column::Int(values.clone()),
        Elements::Texts(values) => Column::Text(values.clone()),
    }
}

fn moved(elements: Elements) -> Column {
    match elements {
        Elements::Floats(values) => Column::Float(values),
        Elements::Ints(values) => Column::Int(values),
        Elements::Texts(values) => Column::Text(values),
    }
}

/// Fails unless the field takes the tensor: texts for texts, numbers for numbers, fractions for floats only.
fn fits(field: &Field, input: &Tensor) -> Result<(), Rejection> {
    let wants_text = field.data_type == DataType::String;
    if wants_text != matches!(input.elements, Elements::Texts(_)) {
        return Err(Rejection::new(format!(
            "input {:?} is {}, the model takes {}",
            field.name,
            input.datatype.word(),
            super::metadata::datatype(field.data_type)
        )));
    }
    if let Elements::Floats(values) = &input.elements
        && !is_float(field)
        && let Some(value) = values.iter().find(|value| !value.is_nan() && value.fract() != 0.0)
    {
        return Err(Rejection::new(format!("input {:?} takes whole numbers, not {value}", field.name)));
    }
    Ok(())
}

fn is_float(field: &Field) -> bool {
    matches!(field.data_type, DataType::Float | DataType::Double)
}

/// A column that [`fits`], in the field's kind. Whole numbers with missing ones among them stay floats.
fn typed(field: &Field, column: Column) -> Column {
    match column {
        Column::Int(values) if is_float(field) => {
            Column::Float(values.into_iter().map(|value| value as f64).collect())
        }
        Column::Float(values) if !is_float(field) && !values.iter().any(|value| value.is_nan()) => {
            Column::Int(values.into_iter().map(|value| value as i64).collect())
        }
        column => column,
    }
}
