//! The last season again: what any forecast has to beat.

use patchbay::plugin::prelude::*;

patchbay::config! {
    /// Settings of [`SeasonalNaive`].
    pub struct SeasonalNaiveConfig {
        /// Steps of the past that a window holds; at least the season.
        #[schemars(range(min = 1))]
        lookback: usize = 720,
        /// Steps that are forecast.
        #[schemars(range(min = 1))]
        horizon: usize = 96,
        /// Steps of a season: 24 for hourly values with a daily rhythm.
        #[schemars(range(min = 1))]
        season: usize = 24,
    }
}

/// Repeats the last season.
pub struct SeasonalNaive {
    config: SeasonalNaiveConfig,
    /// Where in the past each step of the future is found: `[horizon]`.
    index: Tensor,
}

impl Component for SeasonalNaive {}

impl Define for SeasonalNaive {
    type Kind = dyn Forecaster;
    type Config = SeasonalNaiveConfig;
    const ID: &'static str = "forecaster/seasonal_naive";
    const SUMMARY: &'static str = "Repeats the last season of the past";
    const DETAILS: Details = Details {
        formula: "y[T + h] = y[T + h - season ceil(h / season)],  h = 1, 2, ...",
        reference: "Hyndman and Athanasopoulos 2021, Forecasting: Principles and Practice, section 5.2",
        shapes: "past [batch, lookback]; forecast [batch, horizon, 1]",
        trainable: false,
        example: r#"let naive = create::<dyn Forecaster>("forecaster/seasonal_naive", json!({"lookback": 48, "horizon": 24}))?;
naive.forward(&plugin::Window::new(Tensor::randn(0f32, 1.0, (2, 48), &device())?), false)?"#,
    };

    fn build(config: SeasonalNaiveConfig, context: &Context) -> Result<Self> {
        if config.season > config.lookback {
            bail!(
                "a season of {} steps does not fit into a lookback of {}",
                config.season,
                config.lookback
            );
        }
        let first = config.lookback - config.season;
        let index: Vec<u32> = (0..config.horizon)
            .map(|step| (first + step % config.season) as u32)
            .collect();
        Ok(SeasonalNaive {
            index: Tensor::from_vec(index, config.horizon, context.device())?,
            config,
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let past = [
            [0.3f32, -1.2, 0.5, 1.4, 0.2, -0.6],
            [2.0, 0.1, -0.4, 0.9, 1.3, 0.7],
        ];
        Ok(
            Sample::new(json!({"lookback": 6, "horizon": 4, "season": 3}))
                .input("past", Tensor::new(&past, &Device::Cpu)?),
        )
    }
}

impl Forecaster for SeasonalNaive {
    fn forward(&self, window: &Window, _train: bool) -> Result<Tensor> {
        window.past.index_select(&self.index, 1)?.unsqueeze(2)
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
