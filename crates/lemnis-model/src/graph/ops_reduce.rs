//! Operators that work along an axis: softmax, arg-max, sums.

use super::args::Args;
use super::attributes::Attributes;
use super::tensor::{Data, Shape, Tensor, wrong};
use crate::error::{Error, Result};

/// Softmax along `axis`; `flatten` is the rule before opset 13: all axes from `axis` on are one.
pub(crate) fn softmax(mut tensor: Tensor, axis: i64, flatten: bool) -> Result<Tensor> {
    let axis = tensor.shape.axis(axis)?;
    let (outer, size, inner) = tensor.shape.around(axis);
    let (size, inner) = if flatten { (size * inner, 1) } else { (size, inner) };
    match &mut tensor.data {
        Data::F32(values) => along(values, outer, size, inner, |v| f64::from(*v), |v| v as f32),
        Data::F64(values) => along(values, outer, size, inner, |v| *v, |v| v),
        _ => return Err(wrong("floating point numbers", &tensor)),
    }
    Ok(tensor)
}

fn along<T>(
    values: &mut [T],
    outer: usize,
    size: usize,
    inner: usize,
    get: impl Fn(&T) -> f64,
    put: impl Fn(f64) -> T,
) {
    let mut row = vec![0.0; size];
    for o in 0..outer {
        for i in 0..inner {
            let at = |k: usize| (o * size + k) * inner + i;
            for (k, value) in row.iter_mut().enumerate() {
                *value = get(&values[at(k)]);
            }
            softmax_row(&mut row);
            for (k, value) in row.iter().enumerate() {
                values[at(k)] = put(*value);
            }
        }
    }
}

/// Softmax of one row, in place.
pub(crate) fn softmax_row(row: &mut [f64]) {
    let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for value in row.iter_mut() {
        *value = (*value - top).exp();
        sum += *value;
    }
    for value in row {
        *value /= sum;
    }
}

/// `ArgMax` and `ArgMin`.
#[derive(Debug)]
pub(crate) struct Pick {
    axis: i64,
    keep: bool,
    last: bool,
    largest: bool,
}

impl Pick {
    pub(crate) fn compile(attributes: &Attributes<'_>) -> Self {
        Self {
            axis: attributes.int("axis", 0),
            keep: attributes.int("keepdims", 1) != 0,
            last: attributes.int("select_last_index", 0) != 0,
            largest: attributes.0.op_type == "ArgMax",
        }
    }

    pub(crate) fn run(&self, tensor: &Tensor) -> Result<Tensor> {
        let axis = tensor.shape.axis(self.axis)?;
        let (outer, size, inner) = tensor.shape.around(axis);
        if size == 0 {
            return Err(Error::graph("there is nothing to choose from"));
        }
        let values = tensor.to_f64()?;
        let mut picked = Vec::with_capacity(outer * inner);
        for o in 0..outer {
            for i in 0..inner {
                let mut best = 0;
                for k in 1..size {
                    let (a, b) = (values[(o * size + k) * inner + i], values[(o * size + best) * inner + i]);
                    let better = if self.largest { a > b } else { a < b };
                    if better || (self.last && a == b) {
                        best = k;
                    }
                }
                picked.push(best as i64);
            }
        }
        Ok(Tensor { shape: reduced(tensor.shape, &[axis], self.keep)?, data: Data::I64(picked) })
    }
}

/// `ReduceSum`, `ReduceMean`, `ReduceMax` and `ReduceMin`.
#[derive(Debug)]
pub(crate) struct Reduce {
    kind: Kind,
    axes: Vec<i64>,
    keep: bool,
    empty_is_noop: bool,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Sum,
    Mean,
    Max,
    Min,
}

impl Reduce {
    pub(crate) fn compile(attributes: &Attributes<'_>) -> Result<Self> {
        let kind = match attributes.0.op_type.as_str() {
            "ReduceSum" => Kind::Sum,
            "ReduceMean" => Kind::Mean,
            "ReduceMax" => Kind::Max,
            "ReduceMin" => Kind::Min,
            other => return Err(Error::Unsupported(format!("operator {other}"))),
        };
        Ok(Self {
            kind,
            axes: attributes.ints("axes").to_vec(),
            keep: attributes.int("keepdims", 1) != 0,
            empty_is_noop: attributes.int("noop_with_empty_axes", 0) != 0,
        })
    }

    pub(crate) fn run(&self, args: &mut Args<'_>) -> Result<Tensor> {
        let axes = match args.optional(1) {
            Some(tensor) => tensor.to_i64()?.into_owned(),
            None => self.axes.clone(),
        };
        if axes.is_empty() && self.empty_is_noop {
            return args.take(0);
        }
        let tensor = args.get(0)?;
        let mut axes: Vec<usize> = if axes.is_empty() {
            (0..tensor.shape.rank()).collect()
        } else {
            axes.iter().map(|axis| tensor.shape.axis(*axis)).collect::<Result<_>>()?
        };
        axes.sort_unstable();
        axes.dedup();
        let mut shape = tensor.shape;
        let mut values = tensor.to_f64()?.into_owned();
        for axis in &axes {
            let (outer, size, inner) = shape.around(*axis);
            let mut next = Vec::with_capacity(outer * inner);
            for o in 0..outer {
                for i in 0..inner {
                    let run = (0..size).map(|k| values[(o * size + k) * inner + i]);
                    next.push(match self.kind {
                        Kind::Sum => run.sum(),
                        Kind::Mean => run.sum::<f64>() / size as f64,
                        Kind::Max => run.fold(f64::NEG_INFINITY, f64::max),
                        Kind::Min => run.fold(f64::INFINITY, f64::min),
                    });
                }
            }
            values = next;
            shape = reduced(shape, &[*axis], true)?;
        }
        let shape = reduced(tensor.shape, &axes, self.keep)?;
        let data = match tensor.data {
            Data::F32(_) => Data::F32(values.into_iter().map(|value| value as f32).collect()),
            Data::I64(_) => Data::I64(values.into_iter().map(|value| value as i64).collect()),
            _ => Data::F64(values),
        };
        Ok(Tensor { shape, data })
    }
}

fn reduced(shape: Shape, axes: &[usize], keep: bool) -> Result<Shape> {
    let mut dims = Vec::with_capacity(shape.rank());
    for (axis, size) in shape.dims().iter().enumerate() {
        if !axes.contains(&axis) {
            dims.push(*size);
        } else if keep {
            dims.push(1);
        }
    }
    Shape::new(&dims)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_sums_to_one_however_large_the_scores() {
        let scores = Tensor::f32(Shape::matrix(1, 3), vec![1000.0, 1000.0, -1000.0]);
        let Data::F32(values) = softmax(scores, -1, false).unwrap().data else { panic!("floats expected") };
        assert_eq!(values, vec![0.5, 0.5, 0.0]);
    }

    #[test]
    fn the_first_of_equals_is_picked() {
        let pick = Pick { axis: 1, keep: false, last: false, largest: true };
        let tensor = Tensor::f32(Shape::matrix(2, 2), vec![1.0, 1.0, 0.0, 3.0]);
        let picked = pick.run(&tensor).unwrap();
        assert_eq!(picked.data, Data::I64(vec![0, 1]));
        assert_eq!(picked.shape.dims(), &[2]);
    }
}
