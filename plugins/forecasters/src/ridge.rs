//! Ridge regression: one linear map from past to future, fitted in closed form.
//!
//! On ETTh1 and ETTh2 it matches or beats published networks, so a forecast is shown beside it. One map
//! serves all series. Values are taken less the mean of the window's past; there is no intercept. The
//! penalty is the one of nine (0.1 to 10⁷) with the least error on the validation part.
//!
//! With `known` covariates it is linear in those, too: their values at all steps of past and future stand beside the past,
//! with an intercept. So a network that is given covariates can be shown beside the best linear use of the same.

use std::sync::Mutex;

use patchbay::{nn::Init, plugin::prelude::*};

use crate::{normal_equations::NormalEquations, window_scale::WindowScale};

patchbay::config! {
    /// Settings of [`Ridge`].
    pub struct RidgeConfig {
        /// Steps of the past.
        #[schemars(range(min = 1))]
        lookback: usize = 720,
        /// Steps that are forecast.
        #[schemars(range(min = 1))]
        horizon: usize = 96,
        /// Covariates that are known over past and future.
        known: usize = 0,
    }
}

/// A linear map in closed form.
pub struct Ridge {
    config: RidgeConfig,
    /// `[horizon, features]`: the past, then, if there are any, known covariates step by step and 1.
    weight: Var,
    /// `[]`; NaN until it is fitted.
    penalty: Var,
    equations: Mutex<Option<NormalEquations>>,
}

impl Component for Ridge {}

impl Define for Ridge {
    type Kind = dyn Forecaster;
    type Config = RidgeConfig;
    const ID: &'static str = "forecaster/ridge";
    const SUMMARY: &'static str = "Ridge regression in closed form: the linear baseline";
    const DETAILS: Details = Details {
        formula: "mean + W [past - mean, known, 1],  W = argmin |Y - X W|^2 + penalty |W|^2; the last two only with known",
        reference: "Hoerl and Kennard 1970, Ridge Regression; Toner and Darlow 2024, An Analysis of Linear Time \
                    Series Forecasting Models, arXiv 2403.14587",
        shapes: "past [batch, lookback]; known [batch, lookback + horizon, known]; forecast [batch, horizon, 1]",
        trainable: false,
        example: r#"let ridge = create::<dyn Forecaster>("forecaster/ridge", json!({"lookback": 96, "horizon": 24}))?;
ridge"#,
    };

    fn build(config: RidgeConfig, context: &Context) -> Result<Self> {
        let dtype = context.dtype();
        let shape = (config.horizon, features(&config));
        Ok(Ridge {
            weight: context.buffer("weight", shape, dtype, Init::Const(0.0))?,
            penalty: context.buffer("penalty", (), dtype, Init::Const(f64::NAN))?,
            config,
            equations: Mutex::new(None),
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let wave = |count: usize, phase: f64| {
            let values: Vec<f32> = (0..count)
                .map(|i| (i as f64 * 1.7 + phase).sin() as f32)
                .collect();
            Tensor::from_vec(values, count, &Device::Cpu)
        };
        Ok(
            Sample::new(json!({"lookback": 4, "horizon": 2, "known": 1}))
                .input("past", wave(48, 0.0)?.reshape((12, 4))?)
                .input("known", wave(72, 0.4)?.reshape((12, 6, 1))?)
                .input("future", wave(24, 0.9)?.reshape((12, 2))?)
                .other_gradient(
                    "input ",
                    "it is fitted to the inputs in closed form, through which no gradient goes",
                ),
        )
    }
}

impl Forecaster for Ridge {
    fn forward(&self, window: &Window, _train: bool) -> Result<Tensor> {
        if self.penalty()?.is_nan() {
            bail!(
                "it is not fitted: call forecast::fit(&model, &data, &options) first, or load one that is"
            );
        }
        let scale = WindowScale::of(&window.past)?;
        let x = self.features(scale.center(&window.past)?, window)?;
        ops::linear(&x, self.weight.as_tensor(), None)?
            .broadcast_add(&scale.mean)?
            .unsqueeze(2)
    }

    fn lookback(&self) -> usize {
        self.config.lookback
    }

    fn horizon(&self) -> usize {
        self.config.horizon
    }

    fn fit(&self, batches: &mut dyn Iterator<Item = Result<(Window, Tensor)>>) -> Result<Fit> {
        *self.lock() = Some(self.sums(batches)?);
        Ok(Fit::Done)
    }

    fn select(&self, batches: &mut dyn Iterator<Item = Result<(Window, Tensor)>>) -> Result<()> {
        let held_out = self.sums(batches)?;
        let Some(equations) = self.lock().take() else {
            bail!("`fit` comes before `select`");
        };
        let best = equations.best(&held_out)?;
        let like = self.weight.as_tensor();
        let put = |tensor: Tensor| tensor.to_dtype(like.dtype())?.to_device(like.device());
        self.weight.set(&put(best.weight()?)?)?;
        self.penalty
            .set(&put(Tensor::new(best.penalty, &Device::Cpu)?)?)
    }
}

/// How many numbers a window is for the regression.
fn features(config: &RidgeConfig) -> usize {
    match config.known {
        0 => config.lookback,
        known => config.lookback + known * (config.lookback + config.horizon) + 1,
    }
}

impl Ridge {
    /// The penalty that was chosen; NaN before.
    ///
    /// # Errors
    ///
    /// Fails where it cannot be brought to the CPU.
    pub fn penalty(&self) -> Result<f64> {
        self.penalty.to_dtype(DType::F64)?.to_scalar()
    }

    fn sums(
        &self,
        batches: &mut dyn Iterator<Item = Result<(Window, Tensor)>>,
    ) -> Result<NormalEquations> {
        let mut equations = NormalEquations::new(features(&self.config), self.config.horizon);
        let plain = |x: &Tensor| x.detach().to_device(&Device::Cpu)?.to_dtype(DType::F64);
        for batch in batches {
            let (window, future) = batch?;
            let past = plain(&window.past)?;
            let scale = WindowScale::of(&past)?;
            let x = self.features(scale.center(&past)?, &window)?;
            equations.add_rows(&x, &plain(&future)?.broadcast_sub(&scale.mean)?)?;
        }
        Ok(equations)
    }

    /// The past `[batch, lookback]`, beside it the known covariates and 1 where the settings have some: `[batch, features]`.
    fn features(&self, past: Tensor, window: &Window) -> Result<Tensor> {
        let config = &self.config;
        if config.known == 0 {
            return Ok(past);
        }
        let batch = past.dim(0)?;
        let expected = [batch, config.lookback + config.horizon, config.known];
        let Some(known) = window
            .known
            .as_ref()
            .filter(|known| known.dims() == expected)
        else {
            bail!(
                "the window's `known` is {}, expected {expected:?}; the setting `known` is {}",
                match &window.known {
                    Some(known) => format!("{:?}", known.dims()),
                    None => "absent".to_owned(),
                },
                config.known
            );
        };
        let known = known
            .detach()
            .to_device(past.device())?
            .to_dtype(past.dtype())?
            .flatten_from(1)?;
        let one = Tensor::ones((batch, 1), past.dtype(), past.device())?;
        Tensor::cat(&[past, known, one], 1)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<NormalEquations>> {
        self.equations
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
