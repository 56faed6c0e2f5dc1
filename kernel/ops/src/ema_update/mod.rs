//! Exponential moving averages of tensors, in place.

mod composed;
mod cpu;
mod cuda;
#[cfg(test)]
pub(crate) mod tests;

use candle_core::{Result, Tensor};

use crate::dispatch::dispatch;

/// `average = decay · average + (1 - decay) · value`, in place, for each pair: momentum encoders and model averages.
///
/// Each average is contiguous and has the shape and dtype (f32 or f64) of its value. A tensor that shares an average's
/// memory sees the new values.
///
/// # Errors
///
/// Fails where the numbers, shapes or dtypes differ.
pub fn ema_update(averages: &[Tensor], values: &[Tensor], decay: f64) -> Result<()> {
    if averages.len() != values.len() {
        candle_core::bail!(
            "ema-update: {} averages and {} values: there must be one of each",
            averages.len(),
            values.len()
        )
    }
    for (average, value) in averages.iter().zip(values) {
        if average.dims() != value.dims() || average.dtype() != value.dtype() {
            candle_core::bail!(
                "ema-update: an average is {:?} {} and its value {:?} {}: they must agree",
                average.dims(),
                average.dtype().as_str(),
                value.dims(),
                value.dtype().as_str()
            )
        }
        update(average, value, decay)?;
    }
    Ok(())
}

fn update(average: &Tensor, value: &Tensor, decay: f64) -> Result<()> {
    dispatch! {
        average;
        cuda => cuda::ema(average, value, decay);
        composed => composed::ema(average, value, decay);
        cpu => average.inplace_op2(value, &cpu::EmaUpdate { decay })
    }
}
