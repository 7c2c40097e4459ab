//! Tensors: a shape without allocation and one vector of values.
//!
//! Every ONNX integer type is held as `i64`; the few operators whose result would differ do not exist in models of
//! tables. The invariant: `data.len()` is the product of the shape's dimensions.

use crate::error::{Error, Result};
use crate::onnx::proto::data_type;

/// The most dimensions a tensor may have.
pub(crate) const MAX_RANK: usize = 6;

/// The type of a tensor's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    F32,
    F64,
    I64,
    Bool,
    Str,
}

impl Element {
    /// From `TensorProto.DataType`.
    pub(crate) fn of(data_type: i32) -> Result<Self> {
        Ok(match data_type {
            data_type::FLOAT => Element::F32,
            data_type::DOUBLE => Element::F64,
            data_type::STRING => Element::Str,
            data_type::BOOL => Element::Bool,
            data_type::INT8
            | data_type::INT16
            | data_type::INT32
            | data_type::INT64
            | data_type::UINT8
            | data_type::UINT16
            | data_type::UINT32 => Element::I64,
            other => return Err(Error::Unsupported(format!("element type {other}"))),
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Element::F32 => "32-bit floats",
            Element::F64 => "64-bit floats",
            Element::I64 => "whole numbers",
            Element::Bool => "booleans",
            Element::Str => "text",
        }
    }
}

/// The dimensions of a tensor, outermost first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    dims: [usize; MAX_RANK],
    rank: u8,
}

impl Shape {
    pub(crate) fn new(dims: &[usize]) -> Result<Self> {
        if dims.len() > MAX_RANK {
            return Err(Error::Unsupported(format!("a tensor of {} dimensions", dims.len())));
        }
        let mut shape = Self { dims: [1; MAX_RANK], rank: dims.len() as u8 };
        shape.dims[..dims.len()].copy_from_slice(dims);
        Ok(shape)
    }

    pub(crate) fn vector(size: usize) -> Self {
        let mut dims = [1; MAX_RANK];
        dims[0] = size;
        Self { dims, rank: 1 }
    }

    pub(crate) fn matrix(rows: usize, columns: usize) -> Self {
        let mut dims = [1; MAX_RANK];
        dims[0] = rows;
        dims[1] = columns;
        Self { dims, rank: 2 }
    }

    pub(crate) fn dims(&self) -> &[usize] {
        &self.dims[..usize::from(self.rank)]
    }

    pub(crate) fn rank(&self) -> usize {
        usize::from(self.rank)
    }

    pub(crate) fn count(&self) -> usize {
        self.dims().iter().product()
    }

    /// Rows and columns of a tensor seen as a table: a vector is one row, as in ONNX-ML.
    pub(crate) fn table(&self) -> (usize, usize) {
        match self.dims() {
            [] => (1, 1),
            [columns] => (1, *columns),
            [rows, rest @ ..] => (*rows, rest.iter().product()),
        }
    }

    /// `axis` counted from the front; negative axes count from the back.
    pub(crate) fn axis(&self, axis: i64) -> Result<usize> {
        let rank = self.rank as i64;
        let from_front = if axis < 0 { axis + rank } else { axis };
        if (0..rank.max(1)).contains(&from_front) {
            Ok(from_front as usize)
        } else {
            Err(Error::graph(format!("axis {axis} of a tensor with {rank} dimensions")))
        }
    }

    /// Sizes before, at and after `axis`.
    pub(crate) fn around(&self, axis: usize) -> (usize, usize, usize) {
        let dims = self.dims();
        if dims.is_empty() {
            return (1, 1, 1);
        }
        (dims[..axis].iter().product(), dims[axis], dims[axis + 1..].iter().product())
    }
}

impl std::fmt::Debug for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.dims())
    }
}

/// The values of a tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I64(Vec<i64>),
    Bool(Vec<bool>),
    Str(Vec<String>),
}

impl Data {
    pub(crate) fn len(&self) -> usize {
        match self {
            Data::F32(values) => values.len(),
            Data::F64(values) => values.len(),
            Data::I64(values) => values.len(),
            Data::Bool(values) => values.len(),
            Data::Str(values) => values.len(),
        }
    }

    pub(crate) fn element(&self) -> Element {
        match self {
            Data::F32(_) => Element::F32,
            Data::F64(_) => Element::F64,
            Data::I64(_) => Element::I64,
            Data::Bool(_) => Element::Bool,
            Data::Str(_) => Element::Str,
        }
    }
}

/// A shape and its values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) shape: Shape,
    pub(crate) data: Data,
}

impl Tensor {
    pub(crate) fn f32(shape: Shape, values: Vec<f32>) -> Self {
        Self { shape, data: Data::F32(values) }
    }

    /// The values as 32-bit floats, converted where they are other numbers.
    pub(crate) fn to_f32(&self) -> Result<std::borrow::Cow<'_, [f32]>> {
        Ok(match &self.data {
            Data::F32(values) => values.as_slice().into(),
            Data::F64(values) => values.iter().map(|value| *value as f32).collect::<Vec<_>>().into(),
            Data::I64(values) => values.iter().map(|value| *value as f32).collect::<Vec<_>>().into(),
            Data::Bool(values) => {
                values.iter().map(|value| f32::from(u8::from(*value))).collect::<Vec<_>>().into()
            }
            Data::Str(_) => return Err(wrong("numbers", self)),
        })
    }

    /// The values as 64-bit floats, converted where they are other numbers.
    pub(crate) fn to_f64(&self) -> Result<std::borrow::Cow<'_, [f64]>> {
        Ok(match &self.data {
            Data::F64(values) => values.as_slice().into(),
            Data::F32(values) => values.iter().map(|value| f64::from(*value)).collect::<Vec<_>>().into(),
            Data::I64(values) => values.iter().map(|value| *value as f64).collect::<Vec<_>>().into(),
            Data::Bool(values) => {
                values.iter().map(|value| f64::from(u8::from(*value))).collect::<Vec<_>>().into()
            }
            Data::Str(_) => return Err(wrong("numbers", self)),
        })
    }

    /// The values as whole numbers; only integer and boolean tensors have them.
    pub(crate) fn to_i64(&self) -> Result<std::borrow::Cow<'_, [i64]>> {
        Ok(match &self.data {
            Data::I64(values) => values.as_slice().into(),
            Data::Bool(values) => values.iter().map(|value| i64::from(*value)).collect::<Vec<_>>().into(),
            _ => return Err(wrong("whole numbers", self)),
        })
    }
}

/// The error of an operator that was given `found` where it takes `expected`.
pub(crate) fn wrong(expected: &str, found: &Tensor) -> Error {
    Error::graph(format!("an operator takes {expected} and was given {}", found.data.element().name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_is_one_row_of_a_table() {
        assert_eq!(Shape::vector(4).table(), (1, 4));
        assert_eq!(Shape::matrix(3, 4).table(), (3, 4));
    }

    #[test]
    fn negative_axes_count_from_the_back() {
        assert_eq!(Shape::matrix(3, 4).axis(-1).unwrap(), 1);
        assert!(Shape::matrix(3, 4).axis(2).is_err());
    }
}
