//! Mean and deviation of a window's past, and the past in that scale.

use patchbay::{candle::WithDType, forecast::Moments, plugin::prelude::*};

/// Mean and divisor of each row of a past `[batch, lookback]`, in `f64`.
///
/// Statistics are of [`Moments`]: a constant row has the divisor 1. No gradient leads through them, as in RevIN's program.
pub struct WindowScale {
    rows: Rows,
    /// `[batch, 1]` in the past's type.
    pub mean: Tensor,
    /// `[batch, 1]` in the past's type.
    pub deviation: Tensor,
}

enum Rows {
    /// Of a past on the CPU that wants no gradient.
    Plain(Vec<Moments>),
    /// `[batch, 1]` in `f64`: mean and divisor.
    Tensors(Tensor, Tensor),
}

impl WindowScale {
    /// Of a past `[batch, lookback]` of any float type.
    ///
    /// # Errors
    ///
    /// Fails where the past has another rank or no steps.
    pub fn of(past: &Tensor) -> Result<WindowScale> {
        let (batch, lookback) = past.dims2()?;
        if lookback == 0 {
            bail!("a window's past has no steps");
        }
        if past.device().is_cpu() && !past.track_op() {
            let rows: Vec<Moments> = match past.dtype() {
                DType::F32 => moments::<f32>(past, lookback)?,
                _ => moments::<f64>(&past.to_dtype(DType::F64)?, lookback)?,
            };
            let column = |of: &dyn Fn(&Moments) -> f64| -> Result<Tensor> {
                let values: Vec<f64> = rows.iter().map(of).collect();
                Tensor::from_vec(values, (batch, 1), &Device::Cpu)?.to_dtype(past.dtype())
            };
            return Ok(WindowScale {
                mean: column(&|row| row.mean)?,
                deviation: column(&Moments::divisor)?,
                rows: Rows::Plain(rows),
            });
        }
        // As `Moments::of`, on the device.
        let wide = past.detach().to_dtype(DType::F64)?;
        let first = wide.narrow(1, 0, 1)?;
        let shifted = wide.broadcast_sub(&first)?;
        let mean = ops::mean_keepdim(&shifted, 1)?;
        let centered = shifted.broadcast_sub(&mean)?;
        let left = ops::mean_keepdim(&centered, 1)?;
        let variance = (ops::mean_keepdim(&centered.sqr()?, 1)? - left.sqr()?)?;
        let deviation = variance.maximum(&variance.zeros_like()?)?.sqrt()?;
        let rounding = (wide.abs()?.max_keepdim(1)? * Moments::ROUNDING)?;
        let constant = deviation.le(&rounding)?;
        let deviation = constant.where_cond(&deviation.ones_like()?, &deviation)?;
        let mean = (first + (mean + left)?)?;
        Ok(WindowScale {
            mean: mean.to_dtype(past.dtype())?,
            deviation: deviation.to_dtype(past.dtype())?,
            rows: Rows::Tensors(mean, deviation),
        })
    }

    /// The past less its mean, over its deviation: `[batch, lookback]`, rounded once.
    ///
    /// # Errors
    ///
    /// Fails where the past is another one.
    pub fn standardize(&self, past: &Tensor) -> Result<Tensor> {
        self.apply(past, true)
    }

    /// The past less its mean: `[batch, lookback]`, rounded once.
    ///
    /// # Errors
    ///
    /// As [`WindowScale::standardize`].
    pub fn center(&self, past: &Tensor) -> Result<Tensor> {
        self.apply(past, false)
    }

    fn apply(&self, past: &Tensor, divide: bool) -> Result<Tensor> {
        match &self.rows {
            Rows::Plain(rows) => {
                let divisor = |row: &Moments| if divide { row.divisor() } else { 1.0 };
                match past.dtype() {
                    DType::F32 => rescale(past, rows, divisor, |value| value as f32),
                    dtype => rescale(&past.to_dtype(DType::F64)?, rows, divisor, |value| value)?
                        .to_dtype(dtype),
                }
            }
            Rows::Tensors(mean, deviation) => {
                let centered = past.to_dtype(DType::F64)?.broadcast_sub(mean)?;
                let scaled = match divide {
                    true => centered.broadcast_div(deviation)?,
                    false => centered,
                };
                scaled.to_dtype(past.dtype())
            }
        }
    }
}

fn moments<T: WithDType + Into<f64>>(past: &Tensor, lookback: usize) -> Result<Vec<Moments>> {
    let values = past.flatten_all()?.to_vec1::<T>()?;
    Ok(values.chunks_exact(lookback).map(Moments::of).collect())
}

fn rescale<T: WithDType + Into<f64>>(
    past: &Tensor,
    rows: &[Moments],
    divisor: impl Fn(&Moments) -> f64,
    narrow: impl Fn(f64) -> T,
) -> Result<Tensor> {
    let (batch, lookback) = past.dims2()?;
    if batch != rows.len() {
        bail!("a scale of {} windows is applied to {batch}", rows.len());
    }
    let mut values = past.flatten_all()?.to_vec1::<T>()?;
    for (values, row) in values.chunks_exact_mut(lookback).zip(rows) {
        let (mean, divisor) = (row.mean, divisor(row));
        for value in values {
            let wide: f64 = (*value).into();
            *value = narrow((wide - mean) / divisor);
        }
    }
    Tensor::from_vec(values, (batch, lookback), past.device())
}
