//! Vectors of unit length.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, backend::BackendStorage};

use super::{
    composed,
    real::Real,
    rows::dot,
    simd::{fill, simd_kernel},
    softmax::dimension,
    storage::{by_dtype, output, read, tensor, values, widened},
};

/// x / max(||x||₂, eps) over dimension `dim` (negative from the end): torch's `normalize`, whose eps is 1e-12.
///
/// # Errors
///
/// Fails where the dimension does not exist, and for integer dtypes.
pub fn l2_normalise(x: &Tensor, dim: i64, eps: f64) -> Result<Tensor> {
    let dim = dimension(x, dim, "l2-normalise")?;
    if !x.device().is_cpu() {
        return composed::l2_normalise(x, dim, eps);
    }
    let last = x.rank() - 1;
    widened(x, |x| {
        if dim == last {
            x.apply_op1(L2Normalise { eps })
        } else {
            x.transpose(dim, last)?
                .apply_op1(L2Normalise { eps })?
                .transpose(dim, last)
        }
    })
}

struct L2Normalise {
    eps: f64,
}

impl CustomOp1 for L2Normalise {
    fn name(&self) -> &'static str {
        "l2-normalise"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(storage.dtype(), self.name(), T => {
            let x = values::<T>(storage, layout)?;
            let n = layout.dims().last().copied().unwrap_or(1);
            let y = fill(x.len().checked_div(n).unwrap_or(0), n, n, |range, y| {
                normalise_rows(&x[range.start * n..range.end * n], y, n, self.eps);
            });
            Ok(output(y, layout.shape()))
        })
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        by_dtype!(x.dtype(), self.name(), T => {
            let shape = y.shape();
            let n = shape.dims().last().copied().unwrap_or(1);
            read!(x: T = x, self.name());
            read!(y: T = y, self.name());
            read!(grad: T = grad, self.name());
            let out = fill(x.len().checked_div(n).unwrap_or(0), n, 2 * n, |range, out| {
                let part = range.start * n..range.end * n;
                normalise_rows_backward(&x[part.clone()], &y[part.clone()], &grad[part], out, n, self.eps);
            });
            Ok(Some(tensor(out, shape)?))
        })
    }
}

simd_kernel! {
    fn normalise_rows['a, T: Real](x: &'a [T], y: &'a mut [T], n: usize, eps: f64) -> () {
        for (x, y) in x.chunks_exact(n).zip(y.chunks_exact_mut(n)) {
            let scale = T::ONE / dot(x, x).sqrt().larger(T::of(eps));
            for (y, &x) in y.iter_mut().zip(x) {
                *y = x * scale;
            }
        }
    }
}

simd_kernel! {
    /// (g - y (y · g)) / ||x||; g / eps where the length is below eps, and is thus a constant.
    fn normalise_rows_backward['a, T: Real](
        x: &'a [T], y: &'a [T], grad: &'a [T], out: &'a mut [T], n: usize, eps: f64,
    ) -> () {
        let eps = T::of(eps);
        for (((x, y), grad), out) in
            x.chunks_exact(n).zip(y.chunks_exact(n)).zip(grad.chunks_exact(n)).zip(out.chunks_exact_mut(n))
        {
            let length = dot(x, x).sqrt();
            let projected = if length > eps { dot(y, grad) } else { T::ZERO };
            let scale = T::ONE / length.larger(eps);
            for ((out, &y), &grad) in out.iter_mut().zip(y).zip(grad) {
                *out = (grad - y * projected) * scale;
            }
        }
    }
}
