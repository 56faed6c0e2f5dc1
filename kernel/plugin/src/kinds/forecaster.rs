//! Forecasters: the future of series from their past.

use candle_core::{Tensor, bail};

use super::declare::kind;
use crate::{Inputs, Outputs, Slot};
use patchbay_show::Result;

kind! {
    #[name = "forecaster"]
    #[tried = tried]
    /// A forecaster.
    pub trait Forecaster: Component {
        /// Forecasts a batch of windows: `[batch, horizon, outputs]`, where `outputs` is 1 for a point
        /// forecast and the number of quantiles for a probabilistic one. With `train` there is dropout and
        /// the result leads back to the variables; without it no gradient need arrive there.
        ///
        /// # Errors
        ///
        /// Fails where the window does not fit, naming shapes.
        #[slot = forward_in_slot]
        fn forward(&self, window: &Window, train: bool) -> Result<Tensor>;

        /// How many steps of the past a window must hold.
        #[constant]
        fn lookback(&self) -> usize;

        /// How many steps are forecast.
        #[constant]
        fn horizon(&self) -> usize;

        /// The levels of the outputs, ascending; empty for a point forecast.
        #[constant]
        fn quantiles(&self) -> Vec<f64> {
            Vec::new()
        }

        /// The learning rate that its settings were made for, if they were for one. `forecast::fit` takes it
        /// where its options have none.
        #[constant]
        fn learning_rate(&self) -> Option<f64> {
            None
        }

        /// Fits in closed form, where the forecaster can. `batches` are windows with their futures
        /// `[batch, horizon]`.
        ///
        /// # Errors
        ///
        /// Fails where a batch cannot be read or does not fit.
        fn fit(&self, batches: &mut dyn Iterator<Item = Result<(Window, Tensor)>>) -> Result<Fit> {
            let _ = batches;
            Ok(Fit::ByGradient)
        }

        /// Chooses on held-out windows what [`Forecaster::fit`] has left open, a penalty for instance.
        /// Called once after it, whatever it returned.
        ///
        /// # Errors
        ///
        /// As [`Forecaster::fit`].
        fn select(&self, batches: &mut dyn Iterator<Item = Result<(Window, Tensor)>>) -> Result<()> {
            let _ = batches;
            Ok(())
        }

        /// Named parts whose sum is the forecast, each `[batch, horizon, outputs]`; none where it has none.
        ///
        /// # Errors
        ///
        /// As [`Forecaster::forward`].
        fn parts(&self, window: &Window) -> Result<Vec<(String, Tensor)>> {
            let _ = window;
            Ok(Vec::new())
        }
    }
}

/// A batch of windows on series. Tensors are shared, not copied, when it is cloned.
#[derive(Clone, Debug)]
pub struct Window {
    /// `[batch, lookback]`.
    pub past: Tensor,
    /// Covariates known over past and future (the hour, a holiday): `[batch, lookback + horizon,
    /// covariates]`.
    pub known: Option<Tensor>,
    /// Covariates known for the past only: `[batch, lookback, covariates]`.
    pub observed: Option<Tensor>,
    /// Attributes of the series: `[batch, attributes]`.
    pub attributes: Option<Tensor>,
    /// Which series each row is of: `[batch]` (`u32`).
    pub series: Option<Tensor>,
}

impl Window {
    /// Windows without covariates.
    pub fn new(past: Tensor) -> Self {
        Window {
            past,
            known: None,
            observed: None,
            attributes: None,
            series: None,
        }
    }
}

/// How a forecaster is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It is fitted.
    Done,
    /// It is trained step by step through [`Forecaster::forward`].
    ByGradient,
    /// It is fitted, and trained from there. The start is kept unless the validation loss falls by more than one
    /// standard error.
    Refine,
}

/// The sample's inputs are the window's parts by their names. Where there is a `future` `[batch, horizon]`, the forecaster is
/// fitted to it first.
fn tried(forecaster: &Slot<dyn Forecaster>, inputs: &Inputs) -> Result<Outputs> {
    let part = |name| inputs.find(name).cloned();
    let window = Window {
        known: part("known"),
        observed: part("observed"),
        attributes: part("attributes"),
        series: part("series"),
        ..Window::new(inputs.get("past")?.clone())
    };
    if let Some(future) = part("future") {
        let batches = || std::iter::once(Ok((window.clone(), future.clone())));
        forecaster.fit(&mut batches())?;
        forecaster.select(&mut batches())?;
    }
    let mut outputs = vec![("forecast".to_owned(), forecaster.forward(&window, true)?)];
    for (name, part) in forecaster.parts(&window)? {
        // Parts are for looking at; no gradient need lead through them.
        outputs.push((format!("part {name}"), part.detach()));
    }
    Ok(outputs)
}

/// As the component's own, and checked: the past is long enough and the result has its shape.
fn forward_in_slot(slot: &Slot<dyn Forecaster>, window: &Window, train: bool) -> Result<Tensor> {
    slot.call(|forecaster| {
        let past = window.past.dims();
        if past.len() != 2 || past[1] != forecaster.lookback() {
            bail!(
                "expected a past [batch, {}], got {past:?}",
                forecaster.lookback()
            );
        }
        let result = forecaster.forward(window, train)?;
        let expected = [
            past[0],
            forecaster.horizon(),
            forecaster.quantiles().len().max(1),
        ];
        if result.dims() != expected {
            bail!("expected a forecast {expected:?}, got {:?}", result.dims());
        }
        Ok(result)
    })
}
