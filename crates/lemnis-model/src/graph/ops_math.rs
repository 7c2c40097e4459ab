//! Element-wise arithmetic with NumPy's broadcasting.

use super::args::Args;
use super::tensor::{Data, Shape, Tensor, wrong};
use crate::error::{Error, Result};
use crate::tree::logistic;

/// Functions of one number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unary {
    Relu,
    Sigmoid,
    Tanh,
    Log,
    Exp,
    Neg,
    Abs,
    Sqrt,
    Floor,
    Ceil,
}

/// Functions of two numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Max,
    Min,
}

/// Applies `unary` to every value.
pub(crate) fn unary(mut tensor: Tensor, unary: Unary) -> Result<Tensor> {
    match &mut tensor.data {
        // in 64 bits and rounded once: within half a unit of the last place of the true value
        Data::F32(values) => {
            values.iter_mut().for_each(|value| *value = apply(unary, f64::from(*value)) as f32)
        }
        Data::F64(values) => values.iter_mut().for_each(|value| *value = apply(unary, *value)),
        Data::I64(values) => match unary {
            Unary::Neg => values.iter_mut().for_each(|value| *value = value.wrapping_neg()),
            Unary::Abs => values.iter_mut().for_each(|value| *value = value.wrapping_abs()),
            Unary::Relu => values.iter_mut().for_each(|value| *value = (*value).max(0)),
            _ => return Err(Error::graph("it takes floating point numbers and was given whole numbers")),
        },
        _ => return Err(wrong("numbers", &tensor)),
    }
    Ok(tensor)
}

fn apply(unary: Unary, x: f64) -> f64 {
    match unary {
        // not `max`, which would turn NaN into zero
        Unary::Relu => {
            if x < 0.0 {
                0.0
            } else {
                x
            }
        }
        Unary::Sigmoid => logistic(x),
        Unary::Tanh => x.tanh(),
        Unary::Log => x.ln(),
        Unary::Exp => x.exp(),
        Unary::Neg => -x,
        Unary::Abs => x.abs(),
        Unary::Sqrt => x.sqrt(),
        Unary::Floor => x.floor(),
        Unary::Ceil => x.ceil(),
    }
}

macro_rules! float_op {
    ($op:expr, $type:ty) => {
        match $op {
            Binary::Add => |a: $type, b: $type| a + b,
            Binary::Sub => |a: $type, b: $type| a - b,
            Binary::Mul => |a: $type, b: $type| a * b,
            Binary::Div => |a: $type, b: $type| a / b,
            Binary::Pow => |a: $type, b: $type| a.powf(b),
            Binary::Max => |a: $type, b: $type| if a > b || a.is_nan() { a } else { b },
            Binary::Min => |a: $type, b: $type| if a < b || a.is_nan() { a } else { b },
        }
    };
}

/// Applies `op` to `first` and `second`, broadcast to a common shape. Mixed number types meet in 64-bit floats.
pub(crate) fn binary(first: Tensor, second: &Tensor, op: Binary) -> Result<Tensor> {
    let shapes = (first.shape, second.shape);
    let (shape, data) = match (first.data, &second.data) {
        (Data::F32(a), Data::F32(b)) => {
            let f: fn(f32, f32) -> f32 = float_op!(op, f32);
            let (shape, values) = zip_owned(a, b, shapes, f)?;
            (shape, Data::F32(values))
        }
        (Data::F64(a), Data::F64(b)) => {
            let f: fn(f64, f64) -> f64 = float_op!(op, f64);
            let (shape, values) = zip_owned(a, b, shapes, f)?;
            (shape, Data::F64(values))
        }
        (Data::I64(a), Data::I64(b)) => {
            if matches!(op, Binary::Div) && b.contains(&0) {
                return Err(Error::graph("a whole number is divided by zero"));
            }
            let f: fn(i64, i64) -> i64 = match op {
                Binary::Add => i64::wrapping_add,
                Binary::Sub => i64::wrapping_sub,
                Binary::Mul => i64::wrapping_mul,
                Binary::Div => i64::wrapping_div,
                Binary::Pow => |a, b| a.wrapping_pow(u32::try_from(b).unwrap_or(0)),
                Binary::Max => i64::max,
                Binary::Min => i64::min,
            };
            let (shape, values) = zip_owned(a, b, shapes, f)?;
            (shape, Data::I64(values))
        }
        (a, b) => {
            // a whole-number column with missing values arrives as floats; Pow takes exponents of any type
            let single = matches!(a, Data::F32(_));
            let a = Tensor { shape: shapes.0, data: a };
            let f: fn(f64, f64) -> f64 = float_op!(op, f64);
            let b = Tensor { shape: shapes.1, data: b.clone() };
            let (shape, values) = zip_owned(a.to_f64()?.into_owned(), &b.to_f64()?, shapes, f)?;
            let data = if single {
                Data::F32(values.into_iter().map(|value| value as f32).collect())
            } else {
                Data::F64(values)
            };
            (shape, data)
        }
    };
    Ok(Tensor { shape, data })
}

fn zip_owned<T: Copy>(
    mut a: Vec<T>,
    b: &[T],
    shapes: (Shape, Shape),
    f: fn(T, T) -> T,
) -> Result<(Shape, Vec<T>)> {
    if shapes.0 == shapes.1 {
        a.iter_mut().zip(b).for_each(|(a, b)| *a = f(*a, *b));
        return Ok((shapes.0, a));
    }
    if let [b] = b
        && shapes.1.rank() <= shapes.0.rank()
    {
        a.iter_mut().for_each(|a| *a = f(*a, *b));
        return Ok((shapes.0, a));
    }
    zip(&a, b, shapes, f)
}

/// Applies `f` to the pairs of `a` and `b` that broadcasting forms.
pub(crate) fn zip<A, B, T>(
    a: &[A],
    b: &[B],
    (a_shape, b_shape): (Shape, Shape),
    f: impl Fn(A, B) -> T,
) -> Result<(Shape, Vec<T>)>
where
    A: Clone,
    B: Clone,
{
    let shape = broadcast(a_shape, b_shape)?;
    if a_shape == shape && b_shape == shape {
        return Ok((shape, a.iter().zip(b).map(|(a, b)| f(a.clone(), b.clone())).collect()));
    }
    let (a_index, b_index) = (Strides::of(a_shape, shape), Strides::of(b_shape, shape));
    let mut values = Vec::with_capacity(shape.count());
    for position in 0..shape.count() {
        let (a_at, b_at) = (a_index.at(position), b_index.at(position));
        match (a.get(a_at), b.get(b_at)) {
            (Some(a), Some(b)) => values.push(f(a.clone(), b.clone())),
            _ => return Err(Error::graph("shapes and values disagree")),
        }
    }
    Ok((shape, values))
}

/// The common shape of two tensors under NumPy's rules.
pub(crate) fn broadcast(a: Shape, b: Shape) -> Result<Shape> {
    let rank = a.rank().max(b.rank());
    let dim = |shape: &Shape, axis: usize| {
        let missing = rank - shape.rank();
        if axis < missing { 1 } else { shape.dims()[axis - missing] }
    };
    let mut dims = Vec::with_capacity(rank);
    for axis in 0..rank {
        dims.push(match (dim(&a, axis), dim(&b, axis)) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            _ => return Err(Error::graph(format!("shapes {a:?} and {b:?} do not fit together"))),
        });
    }
    Shape::new(&dims)
}

/// Maps positions in a broadcast result to positions in one operand.
struct Strides {
    /// (size of the result along the axis, step of the operand), innermost first.
    axes: Vec<(usize, usize)>,
}

impl Strides {
    fn of(operand: Shape, result: Shape) -> Self {
        let mut step = 1;
        let mut axes = Vec::with_capacity(result.rank());
        for (back, size) in result.dims().iter().rev().enumerate() {
            let own = operand.rank().checked_sub(back + 1).map_or(1, |axis| operand.dims()[axis]);
            axes.push((*size, if own == 1 { 0 } else { step }));
            step *= own;
        }
        Self { axes }
    }

    fn at(&self, mut position: usize) -> usize {
        let mut at = 0;
        for (size, step) in &self.axes {
            at += position % size * step;
            position /= size;
        }
        at
    }
}

/// Folds all inputs with `op`: Max, Min and Sum take any number of them.
pub(crate) fn fold(args: &mut Args<'_>, op: Binary) -> Result<Tensor> {
    let mut result = args.take(0)?;
    for index in 1..args.len() {
        result = binary(result, args.get(index)?, op)?;
    }
    Ok(result)
}

/// Limits every value; limits are attributes before opset 11 and inputs since.
pub(crate) fn clip(args: &mut Args<'_>, low: f32, high: f32) -> Result<Tensor> {
    let limit = |index: usize, default: f32| match args.optional(index) {
        Some(tensor) => tensor.to_f64()?.first().copied().ok_or_else(|| Error::graph("a limit has no value")),
        None => Ok(f64::from(default)),
    };
    let (low, high) = (limit(1, low)?, limit(2, high)?);
    let mut tensor = args.take(0)?;
    match &mut tensor.data {
        Data::F32(values) => values.iter_mut().for_each(|value| {
            if f64::from(*value) < low {
                *value = low as f32;
            }
            if f64::from(*value) > high {
                *value = high as f32;
            }
        }),
        Data::F64(values) => values.iter_mut().for_each(|value| {
            if *value < low {
                *value = low;
            }
            if *value > high {
                *value = high;
            }
        }),
        Data::I64(values) => {
            values.iter_mut().for_each(|value| *value = (*value).max(low as i64).min(high as i64))
        }
        _ => return Err(wrong("numbers", &tensor)),
    }
    Ok(tensor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_broadcast_over_a_matrix() {
        let a = Tensor::f32(Shape::matrix(2, 3), vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let b = Tensor::f32(Shape::vector(3), vec![10.0, 20.0, 30.0]);
        let sum = binary(a, &b, Binary::Add).unwrap();
        assert_eq!(sum.data, Data::F32(vec![11.0, 22.0, 33.0, 14.0, 25.0, 36.0]));
    }

    #[test]
    fn a_column_and_a_row_make_a_table() {
        let a = Tensor::f32(Shape::matrix(2, 1), vec![1.0, 2.0]);
        let b = Tensor::f32(Shape::matrix(1, 2), vec![10.0, 20.0]);
        let product = binary(a, &b, Binary::Mul).unwrap();
        assert_eq!(product, Tensor::f32(Shape::matrix(2, 2), vec![10.0, 20.0, 20.0, 40.0]));
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let a = Tensor::f32(Shape::vector(2), vec![1.0, 2.0]);
        let b = Tensor::f32(Shape::vector(3), vec![1.0, 2.0, 3.0]);
        assert!(binary(a, &b, Binary::Add).is_err());
    }
}
