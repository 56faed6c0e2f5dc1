//! The k-th largest number of each row.

mod cpu;
mod cuda;
#[cfg(test)]
pub(crate) mod tests;

use candle_core::{Result, Tensor};

use crate::{dispatch::dispatch, op::apply};

/// The `k`-th largest number of the last dimension of `x` (f32; on the CPU f64, too): `[...]` becomes `[..., 1]`. What is not a number is the largest. It has
/// no gradient.
///
/// # Errors
///
/// Fails for another dtype, and where the last dimension has not k values.
pub fn kth_largest(x: &Tensor, k: usize) -> Result<Tensor> {
    let n = x.dims().last().copied().unwrap_or(0);
    if k == 0 || k > n || n > u32::MAX as usize {
        candle_core::bail!(
            "kth-largest: k is {k} and the input {:?}: must be from 1 to the length of the last dimension",
            x.dims()
        )
    }
    let x = &x.detach().contiguous()?;
    let kth = cpu::Kth { k, n };
    dispatch! {
        x;
        cuda => cuda::kth_largest(kth, x);
        cpu => apply(kth, [x])
    }
}
