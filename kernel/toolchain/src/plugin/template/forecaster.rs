//! Forecasters for Patchbay.
//!
//! Build: `patchbay plugin build .`   Test: `cargo test`   Use: `plugin::load("...")?` in a notebook.

use patchbay::{nn, plugin::prelude::*};

patchbay::config! {
    /// Settings of [`Drift`].
    pub struct DriftConfig {
        /// Steps of the past in a window.
        #[schemars(range(min = 1))]
        lookback: usize,
        /// Steps that are forecast.
        #[schemars(range(min = 1))]
        horizon: usize,
    }
}

/// The last value and a linear function of how the past differs from it.
pub struct Drift {
    config: DriftConfig,
    linear: nn::Linear,
}

impl Component for Drift {}

impl Define for Drift {
    type Kind = dyn Forecaster;
    type Config = DriftConfig;
    const ID: &'static str = "forecaster/my_name_drift";
    const SUMMARY: &'static str =
        "The last value and a linear function of the past's differences from it";
    const DETAILS: Details = Details {
        formula: "y = x_last + W (x - x_last) + b",
        reference: "Zeng et al. 2023, Are Transformers Effective for Time Series Forecasting?, NLinear",
        shapes: "past [batch, lookback]; result [batch, horizon, 1]",
        trainable: true,
        ..Details::NONE
    };

    // Parameters are made through `context.vb()`. On a swap, those with equal names and shapes keep
    // their values.
    fn build(config: DriftConfig, context: &Context) -> Result<Self> {
        let linear = nn::linear(config.lookback, config.horizon, context.vb().pp("linear"))?;
        Ok(Drift { config, linear })
    }

    // What the tests of its kind try it on.
    fn sample(_scratch: &Path) -> Result<Sample> {
        Ok(Sample::new(json!({"lookback": 4, "horizon": 2})).input(
            "past",
            Tensor::new(
                &[[1f32, 3.0, 2.0, 4.0], [0.5, 0.1, -0.3, 0.2]],
                &Device::Cpu,
            )?,
        ))
    }
}

impl Forecaster for Drift {
    fn forward(&self, window: &Window, _train: bool) -> Result<Tensor> {
        let last = window.past.narrow(1, self.config.lookback - 1, 1)?;
        let differences = window.past.broadcast_sub(&last)?;
        self.linear
            .forward(&differences)?
            .broadcast_add(&last)?
            .unsqueeze(2)
    }

    fn lookback(&self) -> usize {
        self.config.lookback
    }

    fn horizon(&self) -> usize {
        self.config.horizon
    }
}

patchbay::export_plugin!(Drift);

// Shapes, gradients, types, settings, seeds and swaps of each component, on its sample.
#[cfg(test)]
patchbay::test_components!(crate);

#[cfg(test)]
mod tests {
    use super::*;

    fn slot() -> Slot<dyn Forecaster> {
        register().unwrap();
        let config = json!({"lookback": 4, "horizon": 2});
        create("forecaster/my_name_drift", config).unwrap()
    }

    #[test]
    fn a_shifted_past_shifts_the_forecast() -> Result<()> {
        let forecaster = slot();
        let past = Tensor::new(&[[1f32, 3.0, 2.0, 4.0]], &Device::Cpu)?;
        let low = forecaster.forward(&Window::new(past.clone()), false)?;
        let high = forecaster.forward(&Window::new((past + 10.0)?), false)?;
        assert_eq!(low.dims(), [1, 2, 1]);
        for shift in (high - low)?.flatten_all()?.to_vec1::<f32>()? {
            assert!((shift - 10.0).abs() < 1e-4, "{shift}");
        }
        assert_eq!(forecaster.trainable().len(), 2);
        Ok(())
    }

    #[test]
    fn a_past_of_the_wrong_length_is_an_error() -> Result<()> {
        let past = Tensor::zeros((1, 3), DType::F32, &Device::Cpu)?;
        let text = slot()
            .forward(&Window::new(past), false)
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("expected a past [batch, 4], got [1, 3]"),
            "{text}"
        );
        Ok(())
    }
}
