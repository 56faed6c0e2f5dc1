//! The sum of the squares of many tensors: norms of gradients.

mod composed;
mod cpu;
mod cuda;
#[cfg(test)]
pub(crate) mod tests;

use candle_core::{Result, Tensor};

use crate::dispatch::{dispatch, has_cpu_kernels};

/// Σ x² over all tensors, summed in f64.
///
/// From a GPU comes one number for all tensors, not one for each: every one would wait for all that is queued there.
///
/// # Errors
///
/// Fails for integer dtypes, and for tensors on several GPUs.
pub fn sum_of_squares(tensors: &[&Tensor]) -> Result<f64> {
    let (here, elsewhere): (Vec<&Tensor>, Vec<&Tensor>) =
        tensors.iter().copied().partition(|x| has_cpu_kernels(x));
    let mut sum = 0.0;
    for x in here {
        sum += cpu::squares(x)?;
    }
    Ok(sum + on_device(&elsewhere)?)
}

fn on_device(tensors: &[&Tensor]) -> Result<f64> {
    let Some(&first) = tensors.first() else {
        return Ok(0.0);
    };
    dispatch! {
        first;
        cuda => cuda::total("sum-of-squares", tensors);
        composed => composed::total(tensors);
        cpu => composed::total(tensors)
    }
}
