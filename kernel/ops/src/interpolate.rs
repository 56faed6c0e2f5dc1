//! Images of another size.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, backend::BackendStorage};
use rayon::prelude::*;

use super::{
    composed,
    real::Real,
    storage::{by_dtype, output, read, tensor, values, widened},
};

/// How [`interpolate`] finds the values between pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// The pixel at the rounded-down position.
    Nearest,
    /// Between the 2 x 2 nearest pixels.
    Bilinear,
    /// Keys' cubic convolution over 4 x 4 pixels with a = -0.75 (Keys, 1981), as in PyTorch and OpenCV.
    Bicubic,
}

/// `x`, [batch, channels, height, width], brought to the height and width of `size`.
///
/// The same as torch's `interpolate` with `align_corners=False` and `antialias=False`: pixels are areas, and
/// beyond the edge the outermost pixel goes on.
///
/// # Errors
///
/// Fails where the rank is not 4 or one of the sizes is empty.
pub fn interpolate(x: &Tensor, size: (usize, usize), how: Interpolation) -> Result<Tensor> {
    let [_, _, height, width] = *x.dims() else {
        candle_core::bail!(
            "interpolate: the input is {:?}: must be [batch, channels, height, width]",
            x.dims()
        )
    };
    if height * width * size.0 * size.1 == 0 {
        candle_core::bail!(
            "interpolate: from {:?} to {size:?}: must not be empty",
            x.dims()
        )
    }
    if !x.device().is_cpu() {
        return composed::interpolate(x, size, how);
    }
    let op = Interpolate {
        rows: taps(height, size.0, how),
        columns: taps(width, size.1, how),
        height,
        width,
    };
    widened(x, |x| x.apply_op1(op))
}

/// The pixels that a value of the result is made of, along one direction, with their weights.
pub(super) type Taps = Vec<(usize, f64)>;

pub(super) fn taps(from: usize, to: usize, how: Interpolation) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let inside = |index: f64| index.clamp(0.0, from as f64 - 1.0) as usize;
    (0..to)
        .map(|i| {
            let centre = (i as f64 + 0.5) * scale - 0.5;
            match how {
                Interpolation::Nearest => vec![(inside((i as f64 * scale).floor()), 1.0)],
                Interpolation::Bilinear => {
                    let centre = centre.max(0.0);
                    let (low, t) = (centre.floor(), centre.fract());
                    vec![(inside(low), 1.0 - t), (inside(low + 1.0), t)]
                }
                Interpolation::Bicubic => {
                    let low = centre.floor();
                    let t = centre - low;
                    [-1.0, 0.0, 1.0, 2.0]
                        .map(|step| (inside(low + step), keys(t - step)))
                        .to_vec()
                }
            }
        })
        .collect()
}

/// Keys' kernel with a = -0.75.
fn keys(distance: f64) -> f64 {
    const A: f64 = -0.75;
    let d = distance.abs();
    if d <= 1.0 {
        ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0
    } else if d < 2.0 {
        ((A * d - 5.0 * A) * d + 8.0 * A) * d - 4.0 * A
    } else {
        0.0
    }
}

struct Interpolate {
    rows: Vec<Taps>,
    columns: Vec<Taps>,
    height: usize,
    width: usize,
}

impl Interpolate {
    fn plane<T: Real>(&self, x: &[T], y: &mut [T]) {
        let width = self.columns.len();
        // Along the rows first; the columns then are sums of whole rows.
        let mut wide = vec![T::ZERO; self.height * width];
        for (wide, x) in wide.chunks_exact_mut(width).zip(x.chunks_exact(self.width)) {
            for (value, taps) in wide.iter_mut().zip(&self.columns) {
                for &(index, weight) in taps {
                    *value += x[index] * T::of(weight);
                }
            }
        }
        for (y, taps) in y.chunks_exact_mut(width).zip(&self.rows) {
            for &(index, weight) in taps {
                let weight = T::of(weight);
                for (y, &x) in y.iter_mut().zip(&wide[index * width..][..width]) {
                    *y += x * weight;
                }
            }
        }
    }

    fn plane_backward<T: Real>(&self, grad: &[T], out: &mut [T]) {
        let width = self.columns.len();
        let mut wide = vec![T::ZERO; self.height * width];
        for (grad, taps) in grad.chunks_exact(width).zip(&self.rows) {
            for &(index, weight) in taps {
                let weight = T::of(weight);
                for (wide, &grad) in wide[index * width..][..width].iter_mut().zip(grad) {
                    *wide += grad * weight;
                }
            }
        }
        for (wide, out) in wide
            .chunks_exact(width)
            .zip(out.chunks_exact_mut(self.width))
        {
            for (&grad, taps) in wide.iter().zip(&self.columns) {
                for &(index, weight) in taps {
                    out[index] += grad * T::of(weight);
                }
            }
        }
    }
}

impl CustomOp1 for Interpolate {
    fn name(&self) -> &'static str {
        "interpolate"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(storage.dtype(), self.name(), T => {
            let x = values::<T>(storage, layout)?;
            let (from, to) = (self.height * self.width, self.rows.len() * self.columns.len());
            let dims = layout.dims();
            let mut y = vec![<T as Real>::ZERO; dims[0] * dims[1] * to];
            y.par_chunks_mut(to).zip(x.par_chunks(from)).for_each(|(y, x)| self.plane(x, y));
            Ok(output(y, (dims[0], dims[1], self.rows.len(), self.columns.len())))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        by_dtype!(x.dtype(), self.name(), T => {
            read!(grad: T = grad, self.name());
            let (from, to) = (self.height * self.width, self.rows.len() * self.columns.len());
            let mut out = vec![<T as Real>::ZERO; x.elem_count()];
            out.par_chunks_mut(from).zip(grad.par_chunks(to)).for_each(|(out, grad)| self.plane_backward(grad, out));
            Ok(Some(tensor(out, x.shape())?))
        })
    }
}
