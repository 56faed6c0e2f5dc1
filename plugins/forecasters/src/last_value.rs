//! The last value again: the best forecast of a random walk.

use patchbay::plugin::prelude::*;

patchbay::config! {
    /// Settings of [`LastValue`].
    pub struct LastValueConfig {
        /// Steps of the past that a window holds.
        #[schemars(range(min = 1))]
        lookback: usize = 720,
        /// Steps that are forecast.
        #[schemars(range(min = 1))]
        horizon: usize = 96,
    }
}

/// Repeats the last value.
pub struct LastValue {
    config: LastValueConfig,
}

impl Component for LastValue {}

impl Define for LastValue {
    type Kind = dyn Forecaster;
    type Config = LastValueConfig;
    const ID: &'static str = "forecaster/last_value";
    const SUMMARY: &'static str = "Repeats the last value of the past";
    const DETAILS: Details = Details {
        formula: "y[T + h] = y[T]",
        reference: "Hyndman and Athanasopoulos 2021, Forecasting: Principles and Practice, section 5.2",
        shapes: "past [batch, lookback]; forecast [batch, horizon, 1]",
        trainable: false,
        example: r#"let naive = create::<dyn Forecaster>("forecaster/last_value", json!({"lookback": 48, "horizon": 24}))?;
naive.forward(&plugin::Window::new(Tensor::randn(0f32, 1.0, (2, 48), &device())?), false)?"#,
    };

    fn build(config: LastValueConfig, _context: &Context) -> Result<Self> {
        Ok(LastValue { config })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let past = [
            [0.3f32, -1.2, 0.5, 1.4, 0.2, -0.6],
            [2.0, 0.1, -0.4, 0.9, 1.3, 0.7],
        ];
        Ok(Sample::new(json!({"lookback": 6, "horizon": 3}))
            .input("past", Tensor::new(&past, &Device::Cpu)?))
    }
}

impl Forecaster for LastValue {
    fn forward(&self, window: &Window, _train: bool) -> Result<Tensor> {
        let (batch, lookback) = window.past.dims2()?;
        window
            .past
            .narrow(1, lookback - 1, 1)?
            .broadcast_as((batch, self.config.horizon))?
            .contiguous()?
            .unsqueeze(2)
    }

    fn lookback(&self) -> usize {
        self.config.lookback
    }

    fn horizon(&self) -> usize {
        self.config.horizon
    }

    fn fit(&self, _batches: &mut dyn Iterator<Item = Result<(Window, Tensor)>>) -> Result<Fit> {
        Ok(Fit::Done)
    }
}
