//! The kernels of the CPU.

use std::{borrow::Cow, ops::Deref};

use candle_core::{Layout, Result, Shape, Storage};

use rayon::prelude::*;

use super::{Layers, narrow::Weights};
use crate::{
    affine::linear_shape,
    drop_mask::Mask,
    functions::{Function, Relu},
    gemm::{Before, Matrix, add_to_rows, on_this_thread},
    op::{Op, Operand},
    real::Real,
    simd::simd_kernel,
    storage::{cpu_storage, values},
};

const NAME: &str = "residual-mlp";

/// Without gradients, for any widths.
impl Op<1> for Layers<'_> {
    fn name(&self) -> &'static str {
        NAME
    }

    fn forward<T: Real>(&self, [x]: [Operand<'_>; 1]) -> Result<(Vec<T>, Shape)> {
        let (x_layout, x) = (x.layout(), x.values::<T>()?);
        let operands = [self.hidden, self.output, self.skip]
            .map(|(weight, bias)| (weight.storage_and_layout(), bias.storage_and_layout()));
        let [(hidden, hidden_bias), (out, output_bias), (skip, skip_bias)] = &operands;
        let (hidden, hidden_bias) = (read::<T>(hidden)?, read::<T>(hidden_bias)?);
        let (out, output_bias) = (read::<T>(out)?, read::<T>(output_bias)?);
        let (skip, skip_bias) = (read::<T>(skip)?, read::<T>(skip_bias)?);
        let bias: Vec<T> = output_bias
            .iter()
            .zip(&*skip_bias)
            .map(|(&a, &b)| a + b)
            .collect();

        let ((rows, inputs, outputs), shape) = linear_shape(x_layout, self.skip.0.layout());
        let units = hidden_bias.len();
        let piece = rows_of_a_share(rows, units);
        let mut y = vec![T::ZERO; rows * outputs];
        y.par_chunks_mut(piece * outputs)
            .zip(x.par_chunks(piece * inputs))
            .for_each_init(Vec::new, |inner, (y, x)| {
                let rows = x.len() / inputs;
                let x = Matrix::new(x, inputs);
                inner.resize(rows * units, T::ZERO);
                let weight = Matrix::new(&hidden, inputs).transposed();
                on_this_thread((rows, inputs, units), x, weight, Before::Overwrite, inner);
                add_bias_and_rectify(&hidden_bias, inner);
                let (inner, weight) = (
                    Matrix::new(inner, units),
                    Matrix::new(&out, units).transposed(),
                );
                on_this_thread((rows, units, outputs), inner, weight, Before::Overwrite, y);
                let weight = Matrix::new(&skip, inputs).transposed();
                on_this_thread((rows, inputs, outputs), x, weight, Before::Add, y);
                add_to_rows(&bias, y);
            });
        Ok((y, Shape::from(shape)))
    }
}

/// The values of a tensor that is locked for reading.
fn read<'a, T: Real>(
    (storage, layout): &'a (impl Deref<Target = Storage>, &'a Layout),
) -> Result<Cow<'a, [T]>> {
    values::<T>(cpu_storage(storage, NAME)?, layout)
}

/// A share for each thread, so that threads meet once and not after each layer; but not so few rows that laying out the
/// weights takes longer than multiplying with them, and not more hidden values than 1 MiB.
fn rows_of_a_share(rows: usize, units: usize) -> usize {
    const FEWEST: usize = 64;
    let most = ((1 << 18) / units).max(FEWEST);
    rows.div_ceil(rayon::current_num_threads())
        .clamp(FEWEST, most)
}

simd_kernel! {
    fn add_bias_and_rectify['a, T: Real](bias: &'a [T], rows: &'a mut [T]) -> () {
        for row in rows.chunks_exact_mut(bias.len()) {
            for (x, &bias) in row.iter_mut().zip(bias) {
                *x = Relu::value(*x + bias);
            }
        }
    }
}

/// With gradients, for few inputs and outputs.
pub(super) struct Narrow {
    pub(super) mask: Mask,
}

impl Op<3> for Narrow {
    fn name(&self) -> &'static str {
        NAME
    }

    fn forward<T: Real>(&self, [x, first, second]: [Operand<'_>; 3]) -> Result<(Vec<T>, Shape)> {
        let units = first.dims()[0];
        let ((_, _, outputs), shape) = linear_shape(x.layout(), second.layout());
        let weights = Weights::new(&first.values::<T>()?, &second.values()?, units, outputs);
        Ok((weights.forward(&x.values()?, self.mask), Shape::from(shape)))
    }

    fn backward<T: Real>(
        &self,
        [x, first, second]: [Operand<'_>; 3],
        _: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 3]> {
        let (units, outputs) = (first.dims()[0], second.dims()[0]);
        let tracked = [x.is_tracked(), first.is_tracked(), second.is_tracked()];
        let weights = Weights::new(&first.values::<T>()?, &second.values()?, units, outputs);
        let (x, sums) = weights.backward(&x.values()?, &grad.values()?, self.mask, tracked[0]);
        let (first, second) = sums.operands(units);
        Ok([
            tracked[0].then_some(x),
            tracked[1].then_some(first),
            tracked[2].then_some(second),
        ])
    }
}
