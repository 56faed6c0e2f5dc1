//! What a fit minimizes.

use candle_core::{Tensor, bail};

use super::{Windows, options::BATCH};
use patchbay_ops as ops;
use patchbay_plugin::{Forecaster, Loss, Slot};
use patchbay_show::Result;

pub(super) fn scalar(loss: &Tensor) -> Result<f64> {
    loss.to_dtype(candle_core::DType::F64)?.to_scalar()
}

/// Mean losses of blocks of consecutive windows.
#[derive(Clone, Debug)]
pub(super) struct BlockLosses {
    /// Each block's mean.
    losses: Vec<f64>,
    /// Each block's share of the measured values.
    shares: Vec<f64>,
}

impl BlockLosses {
    /// Of all windows in order, `size` to a block.
    pub(super) fn of(
        model: &Slot<dyn Forecaster>,
        windows: &Windows<'_>,
        size: usize,
        plugin: Option<&Slot<dyn Loss>>,
        quantiles: &[f64],
    ) -> Result<BlockLosses> {
        let mut all = BlockLosses {
            losses: Vec::new(),
            shares: Vec::new(),
        };
        for batch in windows.masked_batches(size) {
            let (window, future, mask) = batch?;
            let forecast = model.forward(&window, false)?.detach();
            let loss = loss(&forecast, &future, mask.as_ref(), plugin, quantiles)?;
            all.losses.push(scalar(&loss)?);
            all.shares.push(measured(&future, mask.as_ref())?);
        }
        let total: f64 = all.shares.iter().sum();
        all.shares.iter_mut().for_each(|share| *share /= total);
        Ok(all)
    }

    /// The mean over all windows.
    pub(super) fn mean(&self) -> f64 {
        let pairs = self.losses.iter().zip(&self.shares);
        pairs.map(|(loss, share)| loss * share).sum()
    }

    /// By how much the mean of `other`, of the same windows, is below this one, and the standard error of that
    /// difference over blocks that hold at least this share of the windows; infinite where there are fewer than two.
    pub(super) fn gain(&self, other: &BlockLosses, least: f64) -> (f64, f64) {
        let gain = self.mean() - other.mean();
        let (mut count, mut squares) = (0usize, 0.0);
        let (mut sum, mut share) = (0.0, 0.0);
        let pairs = self.losses.iter().zip(&other.losses).zip(&self.shares);
        for ((before, after), part) in pairs {
            sum += part * (before - after - gain);
            share += part;
            // Shares are sums of quotients, so they may miss the least by a rounding error.
            if share >= least - 1e-9 {
                count += 1;
                squares += sum * sum;
                (sum, share) = (0.0, 0.0);
            }
        }
        // What is left at the end is too short for a block of its own.
        squares += sum * sum;
        if count < 2 {
            return (gain, f64::INFINITY);
        }
        let count = count as f64;
        (gain, (squares * count / (count - 1.0)).sqrt())
    }
}

/// The mean loss over windows.
pub(super) fn loss_over(
    model: &Slot<dyn Forecaster>,
    windows: &Windows<'_>,
    plugin: Option<&Slot<dyn Loss>>,
    quantiles: &[f64],
) -> Result<f64> {
    Ok(BlockLosses::of(model, windows, BATCH, plugin, quantiles)?.mean())
}

/// How many values of a future `[batch, horizon]` were measured.
fn measured(future: &Tensor, mask: Option<&Tensor>) -> Result<f64> {
    match mask {
        None => Ok(future.elem_count() as f64),
        Some(mask) => scalar(&ops::sum_all(mask)?),
    }
}

/// The loss of a forecast `[batch, horizon, outputs]` against its future `[batch, horizon]`, over what the mask has as measured.
///
/// Where nothing was measured the future's own value stands for the forecast: the error is 0 there and no gradient leads back.
/// The mean is taken over what was measured, which is right for losses that are means over positions.
pub(super) fn loss(
    forecast: &Tensor,
    future: &Tensor,
    mask: Option<&Tensor>,
    plugin: Option<&Slot<dyn Loss>>,
    quantiles: &[f64],
) -> Result<Tensor> {
    let Some(mask) = mask else {
        return loss_of_all(forecast, future, plugin, quantiles);
    };
    let truth = future
        .unsqueeze(2)?
        .to_dtype(forecast.dtype())?
        .broadcast_as(forecast.shape())?
        .contiguous()?;
    let wide = mask
        .unsqueeze(2)?
        .broadcast_as(forecast.shape())?
        .contiguous()?;
    let forecast = wide.where_cond(forecast, &truth)?;
    let loss = loss_of_all(&forecast, future, plugin, quantiles)?;
    let count = measured(future, Some(mask))?;
    loss * (future.elem_count() as f64 / count.max(1.0))
}

fn loss_of_all(
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
        None => ops::mean_all(&(forecast - future)?.sqr()?)?,
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
    let losses = (error.broadcast_mul(&levels)? + ops::relu(&error.neg()?)?)?;
    ops::mean_all(&losses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_has_no_loss_and_no_gradient() -> Result<()> {
        let device = candle_core::Device::Cpu;
        let forecast =
            candle_core::Var::new(&[[[1f64], [2.0], [3.0]], [[4.0], [5.0], [6.0]]], &device)?;
        let future = Tensor::new(&[[0f64, 99.0, 1.0], [4.0, -99.0, 99.0]], &device)?;
        let mask = Tensor::new(&[[1u8, 0, 1], [1, 0, 0]], &device)?;
        let value = loss(&forecast, &future, Some(&mask), None, &[])?;
        // Errors 1, 2 and 0.
        assert!((scalar(&value)? - 5.0 / 3.0).abs() < 1e-12);
        let gradient = value.backward()?;
        let gradient = gradient
            .get(&forecast)
            .map(|g| g.flatten_all()?.to_vec1::<f64>());
        let expected = [2.0 / 3.0, 0.0, 4.0 / 3.0, 0.0, 0.0, 0.0];
        for (got, expected) in gradient
            .transpose()?
            .unwrap_or_default()
            .iter()
            .zip(expected)
        {
            assert!((got - expected).abs() < 1e-12);
        }
        // The same for two quantiles: what was measured counts, and nothing else.
        let two = Tensor::cat(&[forecast.as_tensor(), forecast.as_tensor()], 2)?;
        let value = scalar(&loss(&two, &future, Some(&mask), None, &[0.25, 0.75])?)?;
        // Errors -1, -2, 0 at both levels.
        assert!((value - (0.75 + 0.25) * 3.0 / 6.0).abs() < 1e-12);
        Ok(())
    }

    #[test]
    fn a_gain_has_the_standard_error_of_paired_differences() {
        let before = BlockLosses {
            losses: vec![1.0, 2.0, 3.0, 6.0],
            shares: vec![0.25; 4],
        };
        let after = BlockLosses {
            losses: vec![0.9, 1.7, 2.9, 5.7],
            ..before.clone()
        };
        // Differences .1, .3, .1, .3: mean .2, sample deviation .1155, over two its standard error.
        let (gain, error) = before.gain(&after, 0.25);
        assert!((gain - 0.2).abs() < 1e-12);
        assert!((error - (0.04f64 / 3.0).sqrt() / 2.0).abs() < 1e-12);
        assert_eq!(before.gain(&before, 0.25), (0.0, 0.0));
        // In pairs the differences are .2 and .2; a single block says nothing of its error.
        assert!(before.gain(&after, 0.5).1 < 1e-12);
        assert_eq!(before.gain(&after, 0.6).1, f64::INFINITY);
    }
}
