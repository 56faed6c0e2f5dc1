//! Dimensions, counted from either end.

use candle_core::{D, Result, Tensor, bail};

/// A dimension: an integer of any type, negative from the end, or candle's `D::Minus1`.
pub trait Axis: Copy {
    /// Returns the dimension as a number, negative from the end.
    fn axis(self) -> i64;
}

macro_rules! axes {
    ($($number:ty),*) => {$(
        impl Axis for $number {
            fn axis(self) -> i64 {
                // No tensor has so many dimensions.
                i64::try_from(self).unwrap_or(i64::MAX)
            }
        }
    )*};
}

axes!(i32, i64, isize, u32, usize);

impl Axis for D {
    fn axis(self) -> i64 {
        match self {
            D::Minus1 => -1,
            D::Minus2 => -2,
            D::Minus(count) => i64::try_from(count).map_or(i64::MIN, |count| -count),
        }
    }
}

/// Returns the dimension of `x` from the front.
pub(crate) fn dimension(x: &Tensor, dim: i64, op: &str) -> Result<usize> {
    let rank = x.rank() as i64;
    let index = if dim < 0 {
        dim.saturating_add(rank)
    } else {
        dim
    };
    if rank == 0 {
        bail!("{op}: dimension {dim} of a tensor of shape []: it has none")
    }
    if !(0..rank).contains(&index) {
        bail!(
            "{op}: dimension {dim} of a tensor of shape {:?}: must be from {} to {}",
            x.dims(),
            -rank,
            rank - 1
        )
    }
    Ok(index as usize)
}
