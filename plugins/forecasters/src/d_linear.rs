//! DLinear: a linear map of the trend and another of the rest.
//!
//! Zeng et al. 2023, Are Transformers Effective for Time Series Forecasting? (AAAI), as in its authors'
//! program (cure-lab/LTSF-Linear, `models/DLinear.py`) with the maps shared by all series. As there both maps begin with
//! weights of 1 / lookback, a mean, and biases as PyTorch's `Linear` has them. `FitOptions::ltsf_linear` trains as they do.

use patchbay::{
    nn::{Init, Linear},
    plugin::prelude::*,
};

patchbay::config! {
    /// Settings of [`DLinear`].
    pub struct DLinearConfig {
        /// Steps of the past.
        #[schemars(range(min = 1))]
        lookback: usize = 720,
        /// Steps that are forecast.
        #[schemars(range(min = 1))]
        horizon: usize = 96,
        /// Steps of the moving average that is the trend; odd.
        #[schemars(range(min = 1))]
        kernel: usize = 25,
    }
}

/// Two linear maps.
pub struct DLinear {
    config: DLinearConfig,
    /// The moving average as a matrix `[lookback, lookback]`: trend = past · average.
    average: Tensor,
    trend: Linear,
    seasonal: Linear,
}

impl Component for DLinear {}

impl Define for DLinear {
    type Kind = dyn Forecaster;
    type Config = DLinearConfig;
    const ID: &'static str = "forecaster/d_linear";
    const SUMMARY: &'static str = "DLinear: linear maps of a moving average and of the rest";
    const DETAILS: Details = Details {
        formula: "W1 trend + W2 (past - trend),  trend: moving average of the past, its ends repeated",
        reference: "Zeng et al. 2023, Are Transformers Effective for Time Series Forecasting?, arXiv 2205.13504",
        shapes: "past [batch, lookback]; forecast [batch, horizon, 1]",
        trainable: true,
        example: r#"let model = create::<dyn Forecaster>("forecaster/d_linear", json!({"lookback": 48, "horizon": 24}))?;
model.forward(&plugin::Window::new(Tensor::randn(0f32, 1.0, (2, 48), &device())?), false)?"#,
    };

    fn build(config: DLinearConfig, context: &Context) -> Result<Self> {
        let (lookback, kernel) = (config.lookback, config.kernel);
        if kernel % 2 == 0 {
            bail!("the moving average's kernel must be odd, not {kernel}");
        }
        let mut average = vec![0f32; lookback * lookback];
        for step in 0..lookback {
            for offset in 0..kernel {
                // Steps before the first and after the last are the first and the last.
                let from = (step + offset).saturating_sub(kernel / 2).min(lookback - 1);
                average[from * lookback + step] += 1.0 / kernel as f32;
            }
        }
        let average = Tensor::from_vec(average, (lookback, lookback), context.device())?;
        let vb = context.vb();
        Ok(DLinear {
            average: average.to_dtype(context.dtype())?,
            trend: map(&config, vb.pp("trend"))?,
            seasonal: map(&config, vb.pp("seasonal"))?,
            config,
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let past = [
            [0.3f32, -1.2, 0.5, 1.4, 0.2, -0.6],
            [2.0, 0.1, -0.4, 0.9, 1.3, 0.7],
        ];
        Ok(
            Sample::new(json!({"lookback": 6, "horizon": 3, "kernel": 3}))
                .input("past", Tensor::new(&past, &Device::Cpu)?),
        )
    }
}

/// A map that begins as the mean of the past.
fn map(config: &DLinearConfig, vb: VarBuilder<'_>) -> Result<Linear> {
    let (lookback, horizon) = (config.lookback, config.horizon);
    let mean = Init::Const(1.0 / lookback as f64);
    let bound = 1.0 / (lookback as f64).sqrt();
    let bias = Init::Uniform {
        lo: -bound,
        up: bound,
    };
    Ok(Linear::new(
        vb.get_with_hints((horizon, lookback), "weight", mean)?,
        Some(vb.get_with_hints(horizon, "bias", bias)?),
    ))
}

impl Forecaster for DLinear {
    fn forward(&self, window: &Window, _train: bool) -> Result<Tensor> {
        let trend = ops::matmul(&window.past, &self.average)?;
        let rest = (&window.past - &trend)?;
        (self.trend.forward(&trend)? + self.seasonal.forward(&rest)?)?.unsqueeze(2)
    }

    fn lookback(&self) -> usize {
        self.config.lookback
    }

    fn horizon(&self) -> usize {
        self.config.horizon
    }
}
