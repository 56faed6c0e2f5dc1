//! Means and minima over square windows that are cut at the border: what guided filters and dark channels are made of.

mod cpu;
mod cuda;
#[cfg(test)]
pub(crate) mod tests;

use candle_core::{Result, Tensor};

use self::cpu::{Fold, Windows, plane};
use crate::{dispatch::dispatch, op::apply, storage::widened};

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
        let sums = windows(radius, Fold::Sum, &x.contiguous()?)?;
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
        windows(radius, Fold::Least, &x.detach().contiguous()?)
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

fn windows(radius: usize, fold: Fold, x: &Tensor) -> Result<Tensor> {
    let windows = Windows { radius, fold };
    dispatch! {
        x;
        cuda => cuda::windows(windows, x);
        cpu => apply(windows, [x])
    }
}
