//! Vectors of unit length.

mod composed;
mod cpu;
#[cfg(test)]
pub(crate) mod tests;

use candle_core::{Result, Tensor};

use crate::{dims::dimension, dispatch::dispatch, op::apply};

/// x / max(||x||₂, eps) over dimension `dim` (negative from the end): torch's `normalize`, whose eps is 1e-12.
///
/// # Errors
///
/// Fails where the dimension does not exist, and for integer dtypes.
pub fn l2_normalize(x: &Tensor, dim: i64, eps: f64) -> Result<Tensor> {
    let dim = dimension(x, dim, "l2-normalize")?;
    let last = x.rank() - 1;
    dispatch! {
        x;
        composed => composed::l2_normalize(x, dim, eps);
        cpu(x) => if dim == last {
            apply(cpu::L2Normalize { eps }, [x])
        } else {
            let turned = x.transpose(dim, last)?;
            apply(cpu::L2Normalize { eps }, [&turned])?.transpose(dim, last)
        }
    }
}
