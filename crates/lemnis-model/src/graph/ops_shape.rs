//! Operators that move values without computing: casts, reshapes, concatenation, gathering.

use super::args::Args;
use super::tensor::{Data, Element, Shape, Tensor, wrong};
use crate::error::{Error, Result};

/// Runs `$body` with `$values` bound to the vector of whichever type, and wraps the result in the same variant.
macro_rules! each_type {
    ($data:expr, $values:ident => $body:expr) => {
        match $data {
            Data::F32($values) => Data::F32($body),
            Data::F64($values) => Data::F64($body),
            Data::I64($values) => Data::I64($body),
            Data::Bool($values) => Data::Bool($body),
            Data::Str($values) => Data::Str($body),
        }
    };
}

fn picked<T: Clone>(values: &[T], order: &[usize]) -> Vec<T> {
    order.iter().map(|at| values[*at].clone()).collect()
}

/// Converts values to `element`; floats round to nearest even, text that is no number fails.
pub(crate) fn cast(tensor: Tensor, element: Element) -> Result<Tensor> {
    if tensor.data.element() == element {
        return Ok(tensor);
    }
    let data = match (&tensor.data, element) {
        (Data::Str(values), Element::F32) => Data::F32(parse(values)?),
        (Data::Str(values), Element::F64) => Data::F64(parse(values)?),
        (Data::Str(values), Element::I64) => Data::I64(parse(values)?),
        (Data::F32(values), Element::I64) => Data::I64(values.iter().map(|value| *value as i64).collect()),
        (Data::F64(values), Element::I64) => Data::I64(values.iter().map(|value| *value as i64).collect()),
        (Data::Bool(_), Element::I64) => Data::I64(tensor.to_i64()?.into_owned()),
        (_, Element::F32) => Data::F32(tensor.to_f32()?.into_owned()),
        (_, Element::F64) => Data::F64(tensor.to_f64()?.into_owned()),
        (_, Element::Bool) => Data::Bool(tensor.to_f64()?.iter().map(|value| *value != 0.0).collect()),
        (Data::F32(values), Element::Str) => Data::Str(values.iter().map(f32::to_string).collect()),
        (Data::F64(values), Element::Str) => Data::Str(values.iter().map(f64::to_string).collect()),
        (Data::I64(values), Element::Str) => Data::Str(values.iter().map(i64::to_string).collect()),
        (Data::Bool(values), Element::Str) => {
            Data::Str(values.iter().map(|value| u8::from(*value).to_string()).collect())
        }
        (Data::Str(_) | Data::I64(_), _) => return Ok(tensor),
    };
    Ok(Tensor { shape: tensor.shape, data })
}

fn parse<T: std::str::FromStr>(values: &[String]) -> Result<Vec<T>> {
    values
        .iter()
        .map(|value| value.trim().parse().map_err(|_| Error::graph("a text is not a number")))
        .collect()
}

/// `Reshape` to the sizes in the second input: 0 keeps a size, -1 takes what is left.
pub(crate) fn reshape(args: &mut Args<'_>) -> Result<Tensor> {
    let wanted = args.get(1)?;
    let Data::I64(wanted) = &wanted.data else {
        return Err(wrong("whole numbers", wanted));
    };
    let have = args.get(0)?.shape;
    let mut dims = [1usize; super::tensor::MAX_RANK];
    if wanted.len() > dims.len() {
        return Err(Error::Unsupported(format!("a tensor of {} dimensions", wanted.len())));
    }
    let mut free = None;
    for (axis, size) in wanted.iter().enumerate() {
        dims[axis] = match *size {
            -1 if free.is_none() => {
                free = Some(axis);
                1
            }
            0 => *have.dims().get(axis).ok_or_else(|| Error::graph("it keeps a size that is not there"))?,
            size => usize::try_from(size).map_err(|_| Error::graph(format!("a size of {size}")))?,
        };
    }
    let known: usize = dims[..wanted.len()].iter().product();
    if let Some(axis) = free {
        dims[axis] = have.count().checked_div(known).unwrap_or(0);
    }
    let shape = Shape::new(&dims[..wanted.len()])?;
    if shape.count() != have.count() {
        return Err(Error::graph(format!("{have:?} cannot become {shape:?}")));
    }
    let mut tensor = args.take(0)?;
    tensor.shape = shape;
    Ok(tensor)
}

/// `Flatten` to a matrix at `axis`.
pub(crate) fn flatten(mut tensor: Tensor, axis: i64) -> Result<Tensor> {
    let rank = tensor.shape.rank() as i64;
    let axis = usize::try_from(if axis < 0 { axis + rank } else { axis })
        .ok()
        .filter(|axis| *axis <= rank as usize)
        .ok_or_else(|| Error::graph(format!("axis {axis} of {rank} dimensions")))?;
    let (front, back) = tensor.shape.dims().split_at(axis);
    tensor.shape = Shape::matrix(front.iter().product(), back.iter().product());
    Ok(tensor)
}

/// `Transpose`; without `perm` the axes are reversed.
pub(crate) fn transpose(tensor: &Tensor, perm: &[i64]) -> Result<Tensor> {
    let rank = tensor.shape.rank();
    let perm: Vec<usize> = if perm.is_empty() {
        (0..rank).rev().collect()
    } else {
        perm.iter().map(|axis| tensor.shape.axis(*axis)).collect::<Result<_>>()?
    };
    let mut seen = perm.clone();
    seen.sort_unstable();
    if seen != (0..rank).collect::<Vec<_>>() {
        return Err(Error::graph("its permutation does not name every axis once"));
    }
    let dims = tensor.shape.dims();
    let mut steps = vec![1; rank];
    for axis in (0..rank.saturating_sub(1)).rev() {
        steps[axis] = steps[axis + 1] * dims[axis + 1];
    }
    let shape = Shape::new(&perm.iter().map(|axis| dims[*axis]).collect::<Vec<_>>())?;
    let order: Vec<usize> = (0..shape.count())
        .map(|mut position| {
            let mut at = 0;
            for axis in (0..rank).rev() {
                at += position % shape.dims()[axis] * steps[perm[axis]];
                position /= shape.dims()[axis];
            }
            at
        })
        .collect();
    let data = each_type!(&tensor.data, values => picked(values, &order));
    Ok(Tensor { shape, data })
}

/// Removes axes of size one.
pub(crate) fn squeeze(args: &mut Args<'_>, axes: Option<&[i64]>) -> Result<Tensor> {
    let given = axes_of(args, axes)?;
    let mut tensor = args.take(0)?;
    let drop: Vec<usize> = match given {
        Some(axes) => axes.iter().map(|axis| tensor.shape.axis(*axis)).collect::<Result<_>>()?,
        None => (0..tensor.shape.rank()).filter(|axis| tensor.shape.dims()[*axis] == 1).collect(),
    };
    if drop.iter().any(|axis| tensor.shape.dims().get(*axis) != Some(&1)) {
        return Err(Error::graph("it removes an axis whose size is not one"));
    }
    let kept: Vec<usize> = (0..tensor.shape.rank())
        .filter(|axis| !drop.contains(axis))
        .map(|axis| tensor.shape.dims()[axis])
        .collect();
    tensor.shape = Shape::new(&kept)?;
    Ok(tensor)
}

/// Inserts axes of size one.
pub(crate) fn unsqueeze(args: &mut Args<'_>, axes: Option<&[i64]>) -> Result<Tensor> {
    let axes = axes_of(args, axes)?.ok_or_else(|| Error::graph("it has no axes"))?;
    let mut tensor = args.take(0)?;
    let rank = tensor.shape.rank() + axes.len();
    let mut old = tensor.shape.dims().iter();
    let mut dims = Vec::with_capacity(rank);
    for position in 0..rank as i64 {
        if axes.iter().any(|axis| *axis == position || axis + rank as i64 == position) {
            dims.push(1);
        } else if let Some(size) = old.next() {
            dims.push(*size);
        }
    }
    let shape = Shape::new(&dims)?;
    if dims.len() != rank || shape.count() != tensor.data.len() {
        return Err(Error::graph("its axes repeat or are out of range"));
    }
    tensor.shape = shape;
    Ok(tensor)
}

fn axes_of(args: &Args<'_>, attribute: Option<&[i64]>) -> Result<Option<Vec<i64>>> {
    Ok(match args.optional(1) {
        Some(tensor) => Some(tensor.to_i64()?.into_owned()),
        None => attribute.map(<[i64]>::to_vec),
    })
}

/// `Concat` along `axis`. Numbers of different types meet in 32-bit floats.
pub(crate) fn concat(args: &Args<'_>, axis: i64) -> Result<Tensor> {
    let tensors: Vec<&Tensor> = (0..args.len()).map(|index| args.get(index)).collect::<Result<_>>()?;
    let Some(first) = tensors.first() else {
        return Err(Error::graph("it has no input"));
    };
    let axis = first.shape.axis(axis)?;
    let (outer, _, inner) = first.shape.around(axis);
    let mut sizes = Vec::with_capacity(tensors.len());
    for tensor in &tensors {
        let fits = tensor.shape.rank() == first.shape.rank()
            && (0..first.shape.rank())
                .all(|other| other == axis || tensor.shape.dims()[other] == first.shape.dims()[other]);
        if !fits {
            return Err(Error::graph(format!("{:?} and {:?} do not join", first.shape, tensor.shape)));
        }
        sizes.push(tensor.shape.dims().get(axis).copied().unwrap_or(1));
    }
    let total: usize = sizes.iter().sum();
    let mut dims = first.shape.dims().to_vec();
    if let Some(size) = dims.get_mut(axis) {
        *size = total;
    }
    let shape = Shape::new(&dims)?;

    macro_rules! join {
        ($variant:path) => {{
            let mut parts = Vec::with_capacity(tensors.len());
            for (tensor, size) in tensors.iter().zip(&sizes) {
                let $variant(values) = &tensor.data else {
                    return mixed(&tensors, &sizes, outer, inner, shape);
                };
                parts.push((values.as_slice(), size * inner));
            }
            $variant(interleave(&parts, outer, total * inner))
        }};
    }
    let data = match first.data {
        Data::F32(_) => join!(Data::F32),
        Data::F64(_) => join!(Data::F64),
        Data::I64(_) => join!(Data::I64),
        Data::Bool(_) => join!(Data::Bool),
        Data::Str(_) => join!(Data::Str),
    };
    Ok(Tensor { shape, data })
}

fn mixed(tensors: &[&Tensor], sizes: &[usize], outer: usize, inner: usize, shape: Shape) -> Result<Tensor> {
    let converted = tensors.iter().map(|tensor| tensor.to_f32()).collect::<Result<Vec<_>>>()?;
    let parts: Vec<(&[f32], usize)> =
        converted.iter().zip(sizes).map(|(values, size)| (values.as_ref(), size * inner)).collect();
    let total: usize = parts.iter().map(|(_, width)| width).sum();
    Ok(Tensor::f32(shape, interleave(&parts, outer, total)))
}

fn interleave<T: Clone>(parts: &[(&[T], usize)], outer: usize, width: usize) -> Vec<T> {
    let mut joined = Vec::with_capacity(outer * width);
    for row in 0..outer {
        for (values, size) in parts {
            joined.extend_from_slice(&values[row * size..(row + 1) * size]);
        }
    }
    joined
}

/// `Gather`: the slices of `tensor` along `axis` that `indices` name.
pub(crate) fn gather(tensor: &Tensor, indices: &Tensor, axis: i64) -> Result<Tensor> {
    let axis = tensor.shape.axis(axis)?;
    let (outer, size, inner) = tensor.shape.around(axis);
    let mut wanted = Vec::with_capacity(indices.data.len());
    for index in indices.to_i64()?.iter() {
        let from_front = if *index < 0 { index + size as i64 } else { *index };
        match usize::try_from(from_front) {
            Ok(index) if index < size => wanted.push(index),
            _ => return Err(Error::graph(format!("index {index} of {size} values"))),
        }
    }
    let mut dims = tensor.shape.dims().get(..axis).unwrap_or(&[]).to_vec();
    dims.extend_from_slice(indices.shape.dims());
    dims.extend_from_slice(tensor.shape.dims().get(axis + 1..).unwrap_or(&[]));
    let shape = Shape::new(&dims)?;
    let data = each_type!(&tensor.data, values => {
        let mut taken = Vec::with_capacity(shape.count());
        for o in 0..outer {
            for index in &wanted {
                let start = (o * size + index) * inner;
                taken.extend_from_slice(&values[start..start + inner]);
            }
        }
        taken
    });
    Ok(Tensor { shape, data })
}

/// `Slice` with starts, ends, axes and steps as inputs (opset 10 and later); steps must be positive.
pub(crate) fn slice(args: &Args<'_>) -> Result<Tensor> {
    let starts = args.get(1)?.to_i64()?;
    let ends = args.get(2)?.to_i64()?;
    let axes = match args.optional(3) {
        Some(axes) => axes.to_i64()?.into_owned(),
        None => (0..starts.len() as i64).collect(),
    };
    let steps = match args.optional(4) {
        Some(steps) => steps.to_i64()?.into_owned(),
        None => vec![1; starts.len()],
    };
    let mut tensor = args.get(0)?.clone();
    for (((start, end), axis), step) in starts.iter().zip(ends.iter()).zip(&axes).zip(&steps) {
        let at = tensor.shape.axis(*axis)?;
        let (_, size, _) = tensor.shape.around(at);
        let clamp = |bound: i64| (if bound < 0 { bound + size as i64 } else { bound }).clamp(0, size as i64);
        let step = usize::try_from(*step)
            .ok()
            .filter(|step| *step > 0)
            .ok_or_else(|| Error::Unsupported("operator Slice with a negative step".to_owned()))?;
        let wanted: Vec<i64> = (clamp(*start)..clamp(*end)).step_by(step).collect();
        let indices = Tensor { shape: Shape::vector(wanted.len()), data: Data::I64(wanted) };
        tensor = gather(&tensor, &indices, *axis)?;
    }
    Ok(tensor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gather_takes_columns_of_a_matrix() {
        let matrix = Tensor::f32(Shape::matrix(2, 3), vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let index = Tensor { shape: Shape::new(&[]).unwrap(), data: Data::I64(vec![-1]) };
        let column = gather(&matrix, &index, 1).unwrap();
        assert_eq!(column, Tensor::f32(Shape::vector(2), vec![3.0, 6.0]));
        let outside = Tensor { shape: Shape::vector(1), data: Data::I64(vec![3]) };
        assert!(gather(&matrix, &outside, 1).is_err());
    }

    #[test]
    fn transpose_swaps_rows_and_columns() {
        let matrix = Tensor::f32(Shape::matrix(2, 3), vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let turned = transpose(&matrix, &[]).unwrap();
        assert_eq!(turned, Tensor::f32(Shape::matrix(3, 2), vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0]));
    }

    #[test]
    fn a_whole_number_beyond_24_bits_rounds_to_even_as_a_float() {
        let tensor = Tensor { shape: Shape::vector(1), data: Data::I64(vec![16_777_217]) };
        assert_eq!(cast(tensor, Element::F32).unwrap().data, Data::F32(vec![16_777_216.0]));
    }
}
