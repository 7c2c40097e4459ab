//! The numeric preprocessing operators of ONNX-ML.

use super::args::Args;
use super::attributes::Attributes;
use super::tensor::{Data, Shape, Tensor, wrong};
use crate::error::{Error, Result};

/// `Scaler`: (x − offset) · scale, per column or for all.
#[derive(Debug)]
pub(crate) struct Scaler {
    offset: Vec<f32>,
    scale: Vec<f32>,
}

impl Scaler {
    pub(crate) fn compile(attributes: &Attributes<'_>) -> Self {
        let or = |name: &str, default: f32| match attributes.floats(name) {
            [] => vec![default],
            values => values.to_vec(),
        };
        Self { offset: or("offset", 0.0), scale: or("scale", 1.0) }
    }

    pub(crate) fn run(&self, tensor: &Tensor) -> Result<Tensor> {
        let (_, columns) = tensor.shape.table();
        let fits = |values: &[f32]| values.len() == 1 || values.len() == columns;
        if !fits(&self.offset) || !fits(&self.scale) {
            return Err(Error::graph(format!(
                "it scales {} columns and was given {columns}",
                self.scale.len()
            )));
        }
        let pick = |values: &[f32], column: usize| values[if values.len() == 1 { 0 } else { column }];
        let values = tensor.to_f32()?;
        let mut scaled = Vec::with_capacity(values.len());
        for row in values.chunks_exact(columns.max(1)) {
            scaled.extend(
                row.iter()
                    .enumerate()
                    .map(|(column, value)| (value - pick(&self.offset, column)) * pick(&self.scale, column)),
            );
        }
        Ok(Tensor::f32(tensor.shape, scaled))
    }
}

/// `Normalizer`: each row divided by its largest value, its sum of magnitudes or its length.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Norm {
    Max,
    L1,
    L2,
}

impl Norm {
    pub(crate) fn compile(attributes: &Attributes<'_>) -> Result<Self> {
        Ok(match attributes.string("norm", "MAX").as_str() {
            "MAX" => Norm::Max,
            "L1" => Norm::L1,
            "L2" => Norm::L2,
            other => return Err(Error::Unsupported(format!("operator Normalizer with norm {other}"))),
        })
    }

    pub(crate) fn run(self, tensor: &Tensor) -> Result<Tensor> {
        let (_, columns) = tensor.shape.table();
        let values = tensor.to_f64()?;
        let mut scaled = Vec::with_capacity(values.len());
        for row in values.chunks_exact(columns.max(1)) {
            let norm = match self {
                Norm::Max => row.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                Norm::L1 => row.iter().map(|value| value.abs()).sum(),
                Norm::L2 => row.iter().map(|value| value * value).sum::<f64>().sqrt(),
            };
            let norm = if norm == 0.0 { 1.0 } else { norm };
            scaled.extend(row.iter().map(|value| (value / norm) as f32));
        }
        Ok(Tensor::f32(tensor.shape, scaled))
    }
}

/// `Imputer`: replaces one value, or NaN, by a value per column.
#[derive(Debug)]
pub(crate) struct Imputer {
    floats: Vec<f32>,
    replaced_float: f32,
    ints: Vec<i64>,
    replaced_int: i64,
}

impl Imputer {
    pub(crate) fn compile(attributes: &Attributes<'_>) -> Self {
        Self {
            floats: attributes.floats("imputed_value_floats").to_vec(),
            replaced_float: attributes.float("replaced_value_float", 0.0),
            ints: attributes.ints("imputed_value_int64s").to_vec(),
            replaced_int: attributes.int("replaced_value_int64", 0),
        }
    }

    pub(crate) fn run(&self, mut tensor: Tensor) -> Result<Tensor> {
        let (_, columns) = tensor.shape.table();
        let known = |count: usize| count == 1 || count == columns;
        match &mut tensor.data {
            Data::F32(values) if known(self.floats.len()) => {
                for (index, value) in values.iter_mut().enumerate() {
                    let missing = if self.replaced_float.is_nan() {
                        value.is_nan()
                    } else {
                        *value == self.replaced_float
                    };
                    if missing {
                        *value = self.floats[if self.floats.len() == 1 { 0 } else { index % columns }];
                    }
                }
            }
            Data::I64(values) if known(self.ints.len()) => {
                for (index, value) in values.iter_mut().enumerate() {
                    if *value == self.replaced_int {
                        *value = self.ints[if self.ints.len() == 1 { 0 } else { index % columns }];
                    }
                }
            }
            _ => return Err(Error::graph("its replacements do not fit the input's type and columns")),
        }
        Ok(tensor)
    }
}

/// `Binarizer`: one above the threshold, else zero.
#[derive(Debug)]
pub(crate) struct Binarizer(pub(crate) f32);

impl Binarizer {
    pub(crate) fn run(&self, mut tensor: Tensor) -> Result<Tensor> {
        let threshold = self.0;
        match &mut tensor.data {
            Data::F32(values) => {
                values.iter_mut().for_each(|value| *value = f32::from(u8::from(*value > threshold)))
            }
            Data::F64(values) => values
                .iter_mut()
                .for_each(|value| *value = f64::from(u8::from(*value > f64::from(threshold)))),
            Data::I64(values) => {
                values.iter_mut().for_each(|value| *value = i64::from(*value as f64 > f64::from(threshold)));
            }
            _ => return Err(wrong("numbers", &tensor)),
        }
        Ok(tensor)
    }
}

/// `ArrayFeatureExtractor`: the columns that `indices` name. A vector is one row.
pub(crate) fn extract(tensor: &Tensor, indices: &Tensor) -> Result<Tensor> {
    let columns = tensor.shape.dims().last().copied().unwrap_or(1);
    let rows = tensor.shape.count().checked_div(columns).unwrap_or(0);
    let mut as_rows = tensor.clone();
    as_rows.shape = Shape::matrix(rows, columns);
    let mut flat = indices.clone();
    flat.shape = Shape::vector(indices.data.len());
    let mut taken = super::ops_shape::gather(&as_rows, &flat, 1)?;
    if tensor.shape.rank() > 2 {
        let mut dims = tensor.shape.dims().to_vec();
        dims.pop();
        dims.push(flat.data.len());
        taken.shape = Shape::new(&dims)?;
    }
    Ok(taken)
}

/// `FeatureVectorizer`: all inputs side by side, as 32-bit floats.
pub(crate) fn vectorize(args: &Args<'_>) -> Result<Tensor> {
    let rows = args.get(0)?.shape.dims().first().copied().unwrap_or(1);
    let mut parts = Vec::with_capacity(args.len());
    for index in 0..args.len() {
        let tensor = args.get(index)?;
        let width = tensor.shape.count().checked_div(rows).unwrap_or(0);
        if width * rows != tensor.shape.count() {
            return Err(Error::graph("its inputs have different numbers of rows"));
        }
        parts.push((tensor.to_f32()?, width));
    }
    let width = parts.iter().map(|(_, width)| width).sum();
    let mut joined = Vec::with_capacity(rows * width);
    for row in 0..rows {
        for (values, width) in &parts {
            joined.extend_from_slice(&values[row * width..(row + 1) * width]);
        }
    }
    Ok(Tensor::f32(Shape::matrix(rows, width), joined))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_normalised_one_by_one() {
        let tensor = Tensor::f32(Shape::matrix(2, 2), vec![1.0, 3.0, 0.0, 0.0]);
        assert_eq!(Norm::L1.run(&tensor).unwrap().data, Data::F32(vec![0.25, 0.75, 0.0, 0.0]));
    }

    #[test]
    fn a_missing_value_is_replaced_by_its_columns_value() {
        let imputer =
            Imputer { floats: vec![7.0, 8.0], replaced_float: f32::NAN, ints: Vec::new(), replaced_int: 0 };
        let tensor = Tensor::f32(Shape::matrix(2, 2), vec![1.0, f32::NAN, f32::NAN, 2.0]);
        assert_eq!(imputer.run(tensor).unwrap().data, Data::F32(vec![1.0, 8.0, 7.0, 2.0]));
    }
}
