//! Products of matrices and the linear models of ONNX-ML.
//!
//! Sums are kept in 64 bits for linear models and in 32 bits, in the order of the inner index, for matrix products.

use super::args::Args;
use super::attributes::Attributes;
use super::plan::Results;
use super::tensor::{Data, Shape, Tensor};
use crate::error::{Error, Result};
use crate::tree::{Labels, PostTransform};

/// `MatMul` of matrices; a vector on the left is a row, on the right a column. A left side of more dimensions is
/// taken as a stack of rows.
pub(crate) fn matmul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if b.shape.rank() > 2 {
        return Err(Error::Unsupported(
            "operator MatMul with a right side of more than two dimensions".to_owned(),
        ));
    }
    let inner = a.shape.dims().last().copied().unwrap_or(1);
    let rows = a.shape.count().checked_div(inner).unwrap_or(0);
    let (b_rows, columns) = match b.shape.dims() {
        [size] => (*size, 1),
        [rows, columns] => (*rows, *columns),
        _ => (1, 1),
    };
    if b_rows != inner {
        return Err(Error::graph(format!("{:?} and {:?} do not multiply", a.shape, b.shape)));
    }
    let mut dims = a.shape.dims().to_vec();
    dims.pop();
    if b.shape.rank() == 2 {
        dims.push(columns);
    }
    let shape = Shape::new(&dims)?;
    let data = if matches!((&a.data, &b.data), (Data::F64(_), _) | (_, Data::F64(_))) {
        let mut out = vec![0.0; rows * columns];
        product(&a.to_f64()?, &b.to_f64()?, &mut out, inner, columns);
        Data::F64(out)
    } else {
        let mut out = vec![0.0; rows * columns];
        product(&a.to_f32()?, &b.to_f32()?, &mut out, inner, columns);
        Data::F32(out)
    };
    Ok(Tensor { shape, data })
}

/// Adds `a` (rows × inner) times `b` (inner × columns) to `out`.
fn product<T>(a: &[T], b: &[T], out: &mut [T], inner: usize, columns: usize)
where
    T: Copy + std::ops::Mul<Output = T> + std::ops::AddAssign,
{
    if inner == 0 || columns == 0 {
        return;
    }
    for (a_row, out_row) in a.chunks_exact(inner).zip(out.chunks_exact_mut(columns)) {
        for (factor, b_row) in a_row.iter().zip(b.chunks_exact(columns)) {
            for (sum, value) in out_row.iter_mut().zip(b_row) {
                *sum += *factor * *value;
            }
        }
    }
}

/// `Gemm`: alpha · A · B + beta · C.
#[derive(Debug)]
pub(crate) struct Gemm {
    alpha: f32,
    beta: f32,
    turn_a: bool,
    turn_b: bool,
}

impl Gemm {
    pub(crate) fn compile(attributes: &Attributes<'_>) -> Self {
        Self {
            alpha: attributes.float("alpha", 1.0),
            beta: attributes.float("beta", 1.0),
            turn_a: attributes.int("transA", 0) != 0,
            turn_b: attributes.int("transB", 0) != 0,
        }
    }

    pub(crate) fn run(&self, args: &Args<'_>) -> Result<Tensor> {
        let turned = |tensor: &Tensor, turn: bool| {
            if turn { super::ops_shape::transpose(tensor, &[]).map(Some) } else { Ok(None) }
        };
        let (a, b) = (args.get(0)?, args.get(1)?);
        let (turned_a, turned_b) = (turned(a, self.turn_a)?, turned(b, self.turn_b)?);
        let mut result = matmul(turned_a.as_ref().unwrap_or(a), turned_b.as_ref().unwrap_or(b))?;
        if self.alpha != 1.0 {
            result = super::ops_math::binary(result, &scalar(self.alpha)?, super::ops_math::Binary::Mul)?;
        }
        if let Some(c) = args.optional(2) {
            let scaled;
            let c = if self.beta == 1.0 {
                c
            } else {
                scaled =
                    super::ops_math::binary(c.clone(), &scalar(self.beta)?, super::ops_math::Binary::Mul)?;
                &scaled
            };
            result = super::ops_math::binary(result, c, super::ops_math::Binary::Add)?;
        }
        Ok(result)
    }
}

fn scalar(value: f32) -> Result<Tensor> {
    Ok(Tensor::f32(Shape::new(&[])?, vec![value]))
}

/// `LinearClassifier` and `LinearRegressor`.
#[derive(Debug)]
pub(crate) struct Linear {
    /// One row of weights per class or target.
    coefficients: Vec<f64>,
    intercepts: Vec<f64>,
    outputs: usize,
    post: PostTransform,
    labels: Option<Labels>,
}

impl Linear {
    pub(crate) fn compile(attributes: &Attributes<'_>) -> Result<Self> {
        let wide = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect::<Vec<_>>();
        let coefficients = wide(attributes.floats("coefficients"));
        let mut intercepts = wide(attributes.floats("intercepts"));
        let labels = if attributes.0.op_type == "LinearClassifier" {
            let texts = attributes.strings("classlabels_strings");
            Some(if texts.is_empty() {
                Labels::Ints(attributes.ints("classlabels_ints").to_vec())
            } else {
                Labels::Texts(texts)
            })
        } else {
            None
        };
        let outputs = match &labels {
            Some(labels) => intercepts
                .len()
                .max(if coefficients.is_empty() { 0 } else { 1 })
                .max(if intercepts.is_empty() { labels.len() } else { 0 }),
            None => usize::try_from(attributes.int("targets", 1)).unwrap_or(1),
        };
        if outputs == 0 || !coefficients.len().is_multiple_of(outputs) {
            return Err(attributes.broken("its coefficients do not divide among its outputs"));
        }
        intercepts.resize(outputs, 0.0);
        let post = PostTransform::parse(&attributes.string("post_transform", "NONE"))?;
        Ok(Self { coefficients, intercepts, outputs, post, labels })
    }

    pub(crate) fn run(&self, tensor: &Tensor) -> Result<Results> {
        let (rows, columns) = tensor.shape.table();
        if columns * self.outputs != self.coefficients.len() {
            return Err(Error::graph(format!(
                "it has {} coefficients a row and was given {columns} columns",
                self.coefficients.len() / self.outputs
            )));
        }
        let values = tensor.to_f64()?;
        let width = if self.labels.is_some() && self.outputs == 1 { 2 } else { self.outputs };
        let mut scores = Vec::with_capacity(rows * width);
        let mut picked = Vec::with_capacity(rows);
        let mut row_scores = vec![0.0; width];
        for row in values.chunks_exact(columns.max(1)) {
            for (output, score) in row_scores.iter_mut().enumerate().take(self.outputs) {
                let weights = &self.coefficients[output * columns..(output + 1) * columns];
                *score = self.intercepts[output] + row.iter().zip(weights).map(|(x, w)| x * w).sum::<f64>();
            }
            if self.labels.is_some() {
                if self.outputs == 1 {
                    row_scores[1] = row_scores[0];
                    row_scores[0] = -row_scores[0];
                }
                picked.push(crate::tree::largest(&row_scores));
            }
            self.post.apply(&mut row_scores);
            scores.extend(row_scores.iter().map(|score| *score as f32));
        }
        let scores = Tensor::f32(Shape::matrix(rows, width), scores);
        Ok(match &self.labels {
            Some(labels) => Results::Two(super::tree_attributes::label_tensor(labels, &picked), scores),
            None => Results::One(scores),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_multiply() {
        let a = Tensor::f32(Shape::matrix(2, 2), vec![1.0, 2.0, 3.0, 4.0]);
        let b = Tensor::f32(Shape::matrix(2, 2), vec![5.0, 6.0, 7.0, 8.0]);
        assert_eq!(matmul(&a, &b).unwrap(), Tensor::f32(Shape::matrix(2, 2), vec![19.0, 22.0, 43.0, 50.0]));
    }
}
