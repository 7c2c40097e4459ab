//! Comparisons and logic, with broadcasting.

use super::ops_math::zip;
use super::tensor::{Data, Tensor, wrong};
use crate::error::{Error, Result};

/// Comparisons of two values.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Compare {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
}

/// Functions of two truth values.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Logic {
    And,
    Or,
    Xor,
}

impl Compare {
    fn holds<T: PartialOrd>(self, a: T, b: T) -> bool {
        match self {
            Compare::Greater => a > b,
            Compare::GreaterOrEqual => a >= b,
            Compare::Less => a < b,
            Compare::LessOrEqual => a <= b,
            Compare::Equal => a == b,
        }
    }
}

/// Whether `compare` holds, pair by pair.
pub(crate) fn compare(first: &Tensor, second: &Tensor, compare: Compare) -> Result<Tensor> {
    let shapes = (first.shape, second.shape);
    let (shape, values) = match (&first.data, &second.data) {
        (Data::F32(a), Data::F32(b)) => zip(a, b, shapes, |a, b| compare.holds(a, b))?,
        (Data::I64(a), Data::I64(b)) => zip(a, b, shapes, |a, b| compare.holds(a, b))?,
        (Data::Bool(a), Data::Bool(b)) => zip(a, b, shapes, |a, b| compare.holds(a, b))?,
        (Data::Str(a), Data::Str(b)) => {
            let (a, b): (Vec<&str>, Vec<&str>) =
                (a.iter().map(String::as_str).collect(), b.iter().map(String::as_str).collect());
            zip(&a, &b, shapes, |a, b| compare.holds(a, b))?
        }
        _ => zip(&first.to_f64()?, &second.to_f64()?, shapes, |a, b| compare.holds(a, b))?,
    };
    Ok(Tensor { shape, data: Data::Bool(values) })
}

/// Combines truth values, pair by pair.
pub(crate) fn logic(first: &Tensor, second: &Tensor, logic: Logic) -> Result<Tensor> {
    let (Data::Bool(a), Data::Bool(b)) = (&first.data, &second.data) else {
        return Err(wrong("booleans", first));
    };
    let (shape, values) = zip(a, b, (first.shape, second.shape), |a, b| match logic {
        Logic::And => a && b,
        Logic::Or => a || b,
        Logic::Xor => a != b,
    })?;
    Ok(Tensor { shape, data: Data::Bool(values) })
}

/// Turns truth values round.
pub(crate) fn not(mut tensor: Tensor) -> Result<Tensor> {
    match &mut tensor.data {
        Data::Bool(values) => values.iter_mut().for_each(|value| *value = !*value),
        _ => return Err(wrong("booleans", &tensor)),
    }
    Ok(tensor)
}

/// `Where`: values of `yes` where `condition` holds, else of `no`.
pub(crate) fn select(condition: &Tensor, yes: &Tensor, no: &Tensor) -> Result<Tensor> {
    let Data::Bool(holds) = &condition.data else {
        return Err(wrong("booleans", condition));
    };
    let shapes = (yes.shape, no.shape);
    let chosen = |shape, data| Tensor { shape, data };
    macro_rules! choose {
        ($a:expr, $b:expr, $variant:path) => {{
            let (shape, pairs) = zip($a, $b, shapes, |a, b| (a, b))?;
            let (shape, values) =
                zip(holds, &pairs, (condition.shape, shape), |holds, (a, b)| if holds { a } else { b })?;
            chosen(shape, $variant(values))
        }};
    }
    Ok(match (&yes.data, &no.data) {
        (Data::F32(a), Data::F32(b)) => choose!(a, b, Data::F32),
        (Data::F64(a), Data::F64(b)) => choose!(a, b, Data::F64),
        (Data::I64(a), Data::I64(b)) => choose!(a, b, Data::I64),
        (Data::Bool(a), Data::Bool(b)) => choose!(a, b, Data::Bool),
        (Data::Str(a), Data::Str(b)) => choose!(a, b, Data::Str),
        _ => return Err(Error::graph("the two sides are of different types")),
    })
}
