//! What a fit minimises.

use candle_core::{Tensor, bail};

use super::{Windows, fit::BATCH};
use crate::{
    Result,
    plugin::{Forecaster, Loss, Slot},
};

pub(super) fn scalar(loss: &Tensor) -> Result<f64> {
    loss.to_dtype(candle_core::DType::F64)?.to_scalar()
}

/// Mean loss over windows, in batches that weigh as many windows as they have.
pub(super) fn loss_over(
    model: &Slot<dyn Forecaster>,
    windows: &Windows<'_>,
    plugin: Option<&Slot<dyn Loss>>,
    quantiles: &[f64],
) -> Result<f64> {
    let mut sum = 0.0;
    for batch in windows.batches(BATCH) {
        let (window, future) = batch?;
        let forecast = model.forward(&window, false)?.detach();
        sum += scalar(&loss(&forecast, &future, plugin, quantiles)?)? * future.dim(0)? as f64;
    }
    Ok(sum / windows.len() as f64)
}

/// The loss of a forecast `[batch, horizon, outputs]` against its future `[batch, horizon]`.
pub(super) fn loss(
    forecast: &Tensor,
    future: &Tensor,
    plugin: Option<&Slot<dyn Loss>>,
    quantiles: &[f64],
) -> Result<Tensor> {
    if !quantiles.is_empty() {
        return pinball(forecast, future, quantiles);
    }
    let forecast = forecast.squeeze(2)?;
    let loss = match plugin {
        Some(loss) => loss.forward(&forecast, future)?,
        None => (forecast - future)?.sqr()?.mean_all()?,
    };
    if loss.rank() != 0 {
        bail!(
            "the loss is {:?}; fitting needs a scalar: set its `reduction` to \"mean\"",
            loss.dims()
        );
    }
    Ok(loss)
}

/// The pinball loss (Koenker and Bassett 1978): mean of max(q e, (q - 1) e) for errors e = future - forecast,
/// over all levels q.
fn pinball(forecast: &Tensor, future: &Tensor, quantiles: &[f64]) -> Result<Tensor> {
    let levels = Tensor::new(quantiles, forecast.device())?.to_dtype(forecast.dtype())?;
    let error = future.unsqueeze(2)?.broadcast_sub(forecast)?;
    // max(q e, (q - 1) e) = q e + max(-e, 0).
    (error.broadcast_mul(&levels)? + crate::ops::relu(&error.neg()?)?)?.mean_all()
}
