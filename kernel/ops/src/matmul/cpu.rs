//! The kernels of the CPU.

use candle_core::{Layout, Result, Shape};

use crate::{
    affine,
    gemm::{Matrix, gemm_batched, product},
    op::{Op, Operand},
    real::Real,
    simd::zeros,
};

pub(super) struct MatMul;

/// The matrices of a batch.
fn matrices<'a, T>(values: &'a [T], layout: &Layout) -> Vec<Matrix<'a, T>> {
    let (dims, strides) = (layout.dims(), layout.stride());
    let rank = dims.len();
    let mut starts = vec![layout.start_offset()];
    for (&length, &stride) in dims[..rank - 2].iter().zip(strides) {
        starts = starts
            .iter()
            .flat_map(|start| (0..length).map(move |i| start + i * stride))
            .collect();
    }
    starts
        .into_iter()
        .map(|start| Matrix {
            values: values.get(start..).unwrap_or(&[]),
            row: strides[rank - 2],
            column: strides[rank - 1],
        })
        .collect()
}

/// The product of tensors of one rank and equal leading dimensions.
fn multiplied<T: Real>(
    (left, left_layout): (&[T], &Layout),
    (right, right_layout): (&[T], &Layout),
) -> (Vec<T>, Shape) {
    let mut shape = left_layout.dims().to_vec();
    let rank = shape.len();
    let (m, k, n) = (
        shape[rank - 2],
        shape[rank - 1],
        right_layout.dims()[rank - 1],
    );
    shape[rank - 1] = n;
    let shape = Shape::from(shape);
    let pairs: Vec<_> = matrices(left, left_layout)
        .into_iter()
        .zip(matrices(right, right_layout))
        .collect();
    let out = match pairs[..] {
        [(left, right)] => product((m, k, n), left, right, None),
        _ => {
            let mut out = zeros::<T>(shape.elem_count());
            gemm_batched((m, k, n), &pairs, &mut out);
            out
        }
    };
    (out, shape)
}

impl Op<2> for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn forward<T: Real>(&self, [left, right]: [Operand<'_>; 2]) -> Result<(Vec<T>, Shape)> {
        Ok(multiplied(
            (left.all::<T>()?, left.layout()),
            (right.all()?, right.layout()),
        ))
    }

    fn backward<T: Real>(
        &self,
        [left, right]: [Operand<'_>; 2],
        _: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 2]> {
        let of_result = (grad.all::<T>()?, grad.layout());
        let (last, before) = (left.dims().len() - 1, left.dims().len() - 2);
        let turned = |operand: Operand<'_>| operand.layout().transpose(before, last);
        let left_grad = match left.is_tracked() {
            true => Some(multiplied(of_result, (right.all()?, &turned(right)?)).0),
            false => None,
        };
        let right_grad = match right.is_tracked() {
            true => Some(multiplied((left.all()?, &turned(left)?), of_result).0),
            false => None,
        };
        Ok([left_grad, right_grad])
    }
}

pub(super) struct Linear;

impl Op<2> for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn forward<T: Real>(&self, [x, weight]: [Operand<'_>; 2]) -> Result<(Vec<T>, Shape)> {
        affine::forward(x, weight, None)
    }

    fn backward<T: Real>(
        &self,
        [x, weight]: [Operand<'_>; 2],
        _: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 2]> {
        let [x, weight, _] = affine::backward(x, weight, false, &grad.values::<T>()?)?;
        Ok([x, weight])
    }
}

impl Op<3> for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn forward<T: Real>(&self, [x, weight, bias]: [Operand<'_>; 3]) -> Result<(Vec<T>, Shape)> {
        affine::forward(x, weight, Some(bias))
    }

    fn backward<T: Real>(
        &self,
        [x, weight, bias]: [Operand<'_>; 3],
        _: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 3]> {
        affine::backward(x, weight, bias.is_tracked(), &grad.values::<T>()?)
    }
}
