//! Ridge regression: one linear map from past to future, fitted in closed form.
//!
//! On ETTh1 and ETTh2 it matches or beats published networks, so a forecast is shown beside it. One map
//! serves all series. Values are taken less the mean of the window's past; there is no intercept. The
//! penalty is the one of nine (0.1 to 10⁷) with the least error on the validation part.

use std::sync::Mutex;

use patchbay::{nn::Init, plugin::prelude::*};

use crate::normal_equations::NormalEquations;

patchbay::config! {
    /// Settings of [`Ridge`].
    pub struct RidgeConfig {
        /// Steps of the past.
        #[schemars(range(min = 1))]
        lookback: usize = 720,
        /// Steps that are forecast.
        #[schemars(range(min = 1))]
        horizon: usize = 96,
    }
}

/// A linear map in closed form.
pub struct Ridge {
    config: RidgeConfig,
    /// `[horizon, lookback]`.
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
        formula: "mean + W (past - mean),  W = argmin |Y - X W|^2 + penalty |W|^2",
        reference: "Hoerl and Kennard 1970, Ridge Regression; Toner and Darlow 2024, An Analysis of Linear Time \
                    Series Forecasting Models, arXiv 2403.14587",
        shapes: "past [batch, lookback]; forecast [batch, horizon, 1]",
        trainable: false,
        example: r#"let ridge = create::<dyn Forecaster>("forecaster/ridge", json!({"lookback": 96, "horizon": 24}))?;
ridge"#,
    };

    fn build(config: RidgeConfig, context: &Context) -> Result<Self> {
        let dtype = context.dtype();
        let shape = (config.horizon, config.lookback);
        Ok(Ridge {
            weight: context.buffer("weight", shape, dtype, Init::Const(0.0))?,
            penalty: context.buffer("penalty", (), dtype, Init::Const(f64::NAN))?,
            config,
            equations: Mutex::new(None),
        })
    }
}

impl Forecaster for Ridge {
    fn forward(&self, window: &Window, _train: bool) -> Result<Tensor> {
        if self.penalty()?.is_nan() {
            bail!(
                "it is not fitted: call forecast::fit(&model, &data, &options) first, or load one that is"
            );
        }
        let mean = ops::mean_keepdim(&window.past, 1)?;
        let past = window.past.broadcast_sub(&mean)?;
        ops::linear(&past, self.weight.as_tensor(), None)?
            .broadcast_add(&mean)?
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
        let mut equations = NormalEquations::new(self.config.lookback, self.config.horizon);
        for batch in batches {
            let (window, future) = batch?;
            equations.add(&window.past, &future)?;
        }
        Ok(equations)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<NormalEquations>> {
        self.equations
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
