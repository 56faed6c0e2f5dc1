//! Means and minima over square windows that are cut at the border: what guided filters and dark channels are made of.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, backend::BackendStorage};
use rayon::prelude::*;

use super::{
    real::Real,
    storage::{by_dtype, output, values, widened},
};

/// The mean of the window of (2 radius + 1)² values around each value; at the border, of those inside.
///
/// `x` is [..., height, width]. The box filter of He, Sun and Tang's guided filter (2010); OpenCV's `boxFilter` mirrors
/// the border instead. The sums are kept in f64.
///
/// # Errors
///
/// Fails for ranks below 2 and for integer dtypes, and on a GPU for a radius of more than 5,504 (f64: 2,432).
pub fn box_filter(x: &Tensor, radius: usize) -> Result<Tensor> {
    let op = "box-filter";
    rank_2(op, x)?;
    let (height, width) = plane(x.shape());
    let inside = |length: usize| -> Vec<f64> {
        (0..length)
            .map(|i| {
                (i.saturating_add(radius).min(length - 1) - i.saturating_sub(radius) + 1) as f64
            })
            .collect()
    };
    widened(x, |x| {
        let rows = Tensor::new(inside(height), x.device())?.reshape((height, 1))?;
        let columns = Tensor::new(inside(width), x.device())?.reshape((1, width))?;
        let area = rows.broadcast_mul(&columns)?.to_dtype(x.dtype())?;
        let sums = x.contiguous()?.apply_op1(Windows {
            radius,
            fold: Fold::Sum,
        })?;
        sums.broadcast_div(&area)
    })
}

/// The least value of the window of (2 radius + 1)² values around each value; beyond the border is nothing.
///
/// `x` is [..., height, width]; a grey-scale erosion. What is not a number wins. It has no gradient.
///
/// # Errors
///
/// As [`box_filter`].
pub fn min_filter(x: &Tensor, radius: usize) -> Result<Tensor> {
    rank_2("min-filter", x)?;
    widened(x, |x| {
        x.detach().contiguous()?.apply_op1_no_bwd(&Windows {
            radius,
            fold: Fold::Least,
        })
    })
}

fn rank_2(op: &'static str, x: &Tensor) -> Result<()> {
    if x.rank() < 2 {
        candle_core::bail!(
            "{op}: the input is {:?}: must be [..., height, width]",
            x.dims()
        )
    }
    Ok(())
}

/// Height and width of an image's shape.
pub(crate) fn plane(shape: &Shape) -> (usize, usize) {
    match shape.dims() {
        [.., height, width] => (*height, *width),
        _ => (1, shape.elem_count()),
    }
}

/// What is taken of a window.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fold {
    Sum,
    Least,
}

struct Windows {
    radius: usize,
    fold: Fold,
}

impl CustomOp1 for Windows {
    fn name(&self) -> &'static str {
        match self.fold {
            Fold::Sum => "box-filter",
            Fold::Least => "min-filter",
        }
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(storage.dtype(), self.name(), T => {
            let x = values::<T>(storage, layout)?;
            let (height, width) = plane(layout.shape());
            let area = (height * width).max(1);
            let mut y = vec![T::ZERO; x.len()];
            y.par_chunks_exact_mut(area).zip(x.par_chunks_exact(area)).for_each(|(y, x)| {
                let mut rows_done = vec![T::ZERO; area];
                for (from, to) in x.chunks_exact(width).zip(rows_done.chunks_exact_mut(width)) {
                    line(self.fold, self.radius, from.iter().copied(), |i, value| to[i] = value);
                }
                for column in 0..width {
                    let from = rows_done[column..].iter().step_by(width).copied();
                    line(self.fold, self.radius, from, |i, value| y[i * width + column] = value);
                }
            });
            Ok(output(y, layout.shape()))
        })
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        storage: &candle_core::CudaStorage,
        layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        super::cuda::window::forward(self.name(), self.fold, self.radius, storage, layout)
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        if self.fold == Fold::Least {
            candle_core::bail!("min-filter has no gradient")
        }
        // A value is in the windows of those that are in its own.
        let sums = Windows {
            radius: self.radius,
            fold: Fold::Sum,
        };
        Ok(Some(grad.contiguous()?.apply_op1_no_bwd(&sums)?))
    }
}

/// One line's windows; `put` gets each result with its place.
fn line<T: Real>(
    fold: Fold,
    radius: usize,
    values: impl ExactSizeIterator<Item = T> + Clone,
    mut put: impl FnMut(usize, T),
) {
    let length = values.len();
    let radius = radius.min(length);
    let mut entering = values.clone();
    match fold {
        Fold::Sum => {
            let mut sum: f64 = entering.by_ref().take(radius).map(T::as_f64).sum();
            let mut leaving = values;
            for i in 0..length {
                sum += entering.next().map_or(0.0, T::as_f64);
                put(i, T::of(sum));
                if i >= radius {
                    sum -= leaving.next().map_or(0.0, T::as_f64);
                }
            }
        }
        Fold::Least => {
            // The values that can still be the least of a window, in rising order, with their places.
            let mut candidates: std::collections::VecDeque<(usize, T)> = Default::default();
            let missing = |value: T| value.as_f64().is_nan();
            let mut next = 0;
            for i in 0..length {
                for value in entering.by_ref().take((i + radius + 1).min(length) - next) {
                    while candidates.back().is_some_and(|&(_, last)| {
                        !missing(last) && (missing(value) || last >= value)
                    }) {
                        candidates.pop_back();
                    }
                    candidates.push_back((next, value));
                    next += 1;
                }
                while candidates
                    .front()
                    .is_some_and(|&(place, _)| place + radius < i)
                {
                    candidates.pop_front();
                }
                let first_missing = candidates.iter().find(|&&(_, value)| missing(value));
                if let Some(&(_, value)) = first_missing.or(candidates.front()) {
                    put(i, value);
                }
            }
        }
    }
}
