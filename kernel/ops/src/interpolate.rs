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

/// Settings of [`interpolate_with`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interpolate {
    pub how: Interpolation,
    /// Whether a low-pass filter as wide as the pixels of the result is part of it, as torch's `antialias=True` and Pillow
    /// do. Bicubic then has a = -0.5, and at the edge the weights of the pixels that are there are scaled to a sum of 1, so
    /// that the result is another one also where the image grows.
    pub antialias: bool,
    /// How many pixels of the result one of the input becomes, in height and width, where that is not the quotient of the
    /// sizes: torch's `scale_factor` with `recompute_scale_factor=False`.
    pub scale_factor: Option<(f64, f64)>,
}

impl From<Interpolation> for Interpolate {
    fn from(how: Interpolation) -> Interpolate {
        Interpolate {
            how,
            antialias: false,
            scale_factor: None,
        }
    }
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
    interpolate_with(x, size, &how.into())
}

/// As [`interpolate`], with a low-pass filter or another scale than that of the sizes.
///
/// # Errors
///
/// Fails as [`interpolate`], for an antialiased [`Interpolation::Nearest`], and for scale factors that are not above 0 and
/// finite.
pub fn interpolate_with(
    x: &Tensor,
    size: (usize, usize),
    settings: &Interpolate,
) -> Result<Tensor> {
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
    if settings.antialias && settings.how == Interpolation::Nearest {
        candle_core::bail!(
            "interpolate: a nearest pixel has no antialiasing: use Interpolation::Bilinear or Interpolation::Bicubic"
        )
    }
    if let Some((vertical, horizontal)) = settings.scale_factor
        && [vertical, horizontal]
            .iter()
            .any(|factor| !factor.is_finite() || *factor <= 0.0)
    {
        candle_core::bail!(
            "interpolate: the scale factors are {vertical} and {horizontal}: must be above 0 and finite"
        )
    }
    if !x.device().is_cpu() {
        return composed::interpolate_with(x, size, settings);
    }
    let (rows, columns) = all_taps((height, width), size, settings);
    let op = InterpolateOp {
        rows,
        columns,
        height,
        width,
    };
    widened(x, |x| x.apply_op1(op))
}

/// The pixels that a value of the result is made of, along one direction, with their weights.
pub(super) type Taps = Vec<(usize, f64)>;

/// The taps of each row and of each column of the result.
pub(super) fn all_taps(
    from: (usize, usize),
    to: (usize, usize),
    settings: &Interpolate,
) -> (Vec<Taps>, Vec<Taps>) {
    let scale = |from: usize, to: usize, factor: Option<f64>| {
        factor.map_or(from as f64 / to as f64, |factor| 1.0 / factor)
    };
    let factors = settings.scale_factor;
    let (vertical, horizontal) = (
        scale(from.0, to.0, factors.map(|factors| factors.0)),
        scale(from.1, to.1, factors.map(|factors| factors.1)),
    );
    let taps = match settings.antialias {
        true => antialiased_taps,
        false => taps,
    };
    (
        taps(from.0, to.0, vertical, settings.how),
        taps(from.1, to.1, horizontal, settings.how),
    )
}

/// `scale` is how many pixels of the input one of the result is.
fn taps(from: usize, to: usize, scale: f64, how: Interpolation) -> Vec<Taps> {
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
                        .map(|step| (inside(low + step), keys(t - step, -0.75)))
                        .to_vec()
                }
            }
        })
        .collect()
}

/// The kernel is stretched to the pixels of the result where those are the larger ones, and is cut at the edge; torch's
/// `_compute_indices_min_size_weights_aa`.
fn antialiased_taps(from: usize, to: usize, scale: f64, how: Interpolation) -> Vec<Taps> {
    let stretch = scale.max(1.0);
    let reach = match how {
        Interpolation::Nearest => 0.5,
        Interpolation::Bilinear => 1.0,
        Interpolation::Bicubic => 2.0,
    };
    let kernel = |distance: f64| match how {
        Interpolation::Nearest => 1.0,
        Interpolation::Bilinear => (1.0 - distance.abs()).max(0.0),
        Interpolation::Bicubic => keys(distance, -0.5),
    };
    // The last pixel is there for a scale that leads beyond the input.
    let inside = |index: f64, end: usize| index.clamp(0.0, end as f64) as usize;
    (0..to)
        .map(|i| {
            let centre = (i as f64 + 0.5) * scale;
            let first = inside((centre - reach * stretch + 0.5).floor(), from - 1);
            let end = inside((centre + reach * stretch + 0.5).floor(), from).max(first + 1);
            let weights: Vec<f64> = (first..end)
                .map(|index| kernel((index as f64 - centre + 0.5) / stretch))
                .collect();
            let sum: f64 = weights.iter().sum();
            (first..end)
                .zip(weights)
                .map(|(index, weight)| (index, if sum == 0.0 { 0.0 } else { weight / sum }))
                .collect()
        })
        .collect()
}

/// Keys' kernel.
fn keys(distance: f64, a: f64) -> f64 {
    let d = distance.abs();
    if d <= 1.0 {
        ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
    } else if d < 2.0 {
        ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a
    } else {
        0.0
    }
}

struct InterpolateOp {
    rows: Vec<Taps>,
    columns: Vec<Taps>,
    height: usize,
    width: usize,
}

impl InterpolateOp {
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

impl CustomOp1 for InterpolateOp {
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
