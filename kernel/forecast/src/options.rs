//! How a fit goes, and what came of it.

use candle_core::bail;
use patchbay_nn::CosineSchedule;
use patchbay_plugin::{Loss, Slot};
use patchbay_show::Result;

/// Windows in a batch where no gradient is needed.
pub(super) const BATCH: usize = 1024;

/// How [`super::fit`] trains a forecaster that is not fitted in closed form.
#[derive(Clone, Debug)]
pub struct FitOptions {
    /// Most passes over the training windows.
    pub epochs: usize,
    /// Windows of a step; with `all_series` the rows at which they begin.
    pub batch: usize,
    /// Whether a step takes a window of every series at each of its rows, as programs do for which a series is a
    /// channel.
    pub all_series: bool,
    /// Whether a last step of an epoch that has fewer windows than the others is left out.
    pub drop_last: bool,
    /// At the first step. None: what the forecaster asks for ([`patchbay_plugin::Forecaster::learning_rate`]), else 1e-3.
    pub learning_rate: Option<f64>,
    /// How the learning rate falls.
    pub schedule: Schedule,
    /// Passes without an improvement on the validation part after which training ends.
    pub patience: usize,
    /// Whether the weights from before training are kept where no epoch does better on the validation part. Programs that look
    /// at the validation part after the first epoch only do not.
    pub keep_start: bool,
    /// Steps of an epoch, if fewer than a pass has.
    pub most_steps: Option<usize>,
    /// The largest norm of a step's gradient.
    pub clip: Option<f64>,
    /// Decoupled weight decay, as in AdamW; 0 is Adam.
    pub weight_decay: f64,
    /// Parameters whose names begin with one of these stay as they are.
    pub frozen: Vec<String>,
    /// Decay of an average of the weights, which is then what is validated and kept.
    pub ema: Option<f64>,
    /// The loss of a point forecast `[batch, horizon]` against its future; none: mean squared error. (Quantile
    /// forecasts have the pinball loss.)
    pub loss: Option<Slot<dyn Loss>>,
    /// The title of a live plot of the losses; none: no plot.
    pub plot: Option<String>,
    /// No progress bar either, for fits in a loop.
    pub quiet: bool,
}

impl Default for FitOptions {
    fn default() -> FitOptions {
        FitOptions {
            epochs: 10,
            batch: 512,
            all_series: false,
            drop_last: false,
            learning_rate: None,
            schedule: Schedule::Cosine,
            patience: 3,
            keep_start: true,
            most_steps: None,
            clip: None,
            weight_decay: 0.0,
            frozen: Vec::new(),
            ema: None,
            loss: None,
            plot: None,
            quiet: false,
        }
    }
}

/// How the learning rate falls over a fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// To 0 along half a cosine over all epochs.
    Cosine,
    /// It stays.
    Constant,
    /// Times `gamma` after each epoch but the first `hold`. With `hold: 0` it is torch's `ExponentialLR`, stepped once an
    /// epoch; `gamma: 0.5, hold: 1` is `--lradj type1` of Informer's and LTSF-Linear's programs.
    Exponential {
        /// The factor after each epoch.
        gamma: f64,
        /// The number of first epochs at the full rate.
        hold: usize,
    },
}

impl Schedule {
    /// The learning rate of a step of an epoch, both counted from 0, of a fit of so many steps that begins with `first`.
    pub(super) fn at(self, first: f64, epoch: usize, step: usize, total: usize) -> f64 {
        match self {
            Schedule::Constant => first,
            Schedule::Exponential { gamma, hold } => {
                first * gamma.powi(epoch.saturating_sub(hold) as i32)
            }
            Schedule::Cosine => CosineSchedule {
                peak: first,
                warmup: 0,
                total,
                last: 0.0,
            }
            .at(step),
        }
    }
}

/// The learning rate where neither the options nor the forecaster have one.
pub(super) const LEARNING_RATE: f64 = 1e-3;

impl FitOptions {
    /// The protocol by which DLinear's authors train (LTSF-Linear, `run_longExp.py`): Adam, mean squared error, at most
    /// 10 epochs, a patience of 3, batches of windows of all series, a learning rate that halves from the third epoch on, and
    /// the weights of the best epoch, whatever the first weights gave. Batch and learning rate are their scripts' for a data set: 8 and 1e-4 for ETTh1, 32 and 0.05 for ETTh2;
    /// the program's own defaults are 32 and 1e-4.
    pub fn ltsf_linear(batch: usize, learning_rate: f64) -> FitOptions {
        FitOptions {
            epochs: 10,
            batch,
            all_series: true,
            drop_last: true,
            learning_rate: Some(learning_rate),
            schedule: Schedule::Exponential {
                gamma: 0.5,
                hold: 1,
            },
            patience: 3,
            keep_start: false,
            ..FitOptions::default()
        }
    }

    /// Whether all values make sense for a forecaster with tensors of these names.
    ///
    /// # Errors
    ///
    /// Names the field, its value and what it may be.
    pub fn check(&self, names: &[String]) -> Result<()> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        for (field, value) in [
            ("batch", Some(self.batch)),
            ("patience", Some(self.patience)),
            ("most_steps", self.most_steps),
        ] {
            if value == Some(0) {
                bail!("FitOptions: {field} is 0, it must be at least 1");
            }
        }
        for (field, value) in [("learning_rate", self.learning_rate), ("clip", self.clip)] {
            if let Some(value) = value.filter(|&value| !positive(value)) {
                bail!("FitOptions: {field} is {value}, it must be above 0 and finite");
            }
        }
        if let Schedule::Exponential { gamma, .. } = self.schedule
            && !positive(gamma)
        {
            bail!(
                "FitOptions: the schedule's gamma is {gamma}, it must be above 0 and finite; usual are 0.5 to 1"
            );
        }
        if !self.weight_decay.is_finite() || self.weight_decay < 0.0 {
            bail!(
                "FitOptions: weight_decay is {}, it must be 0 or more, and finite",
                self.weight_decay
            );
        }
        if let Some(decay) = self.ema.filter(|decay| !(0.0..1.0).contains(decay)) {
            bail!(
                "FitOptions: ema is {decay}, the decay of an average must be at least 0 and below 1; usual are 0.9 to 0.999"
            );
        }
        for prefix in &self.frozen {
            if !names.iter().any(|name| name.starts_with(prefix.as_str())) {
                bail!(
                    "FitOptions: frozen has \"{prefix}\", with which no tensor's name begins; they are {}",
                    names.join(", ")
                );
            }
        }
        Ok(())
    }
}

/// What came of a fit.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// Mean training loss of each epoch; empty for a fit in closed form.
    pub train: Vec<f64>,
    /// Loss on the validation part before training and after each epoch.
    pub validation: Vec<f64>,
    /// The epoch whose weights were kept, counted from 1; 0: those before training.
    pub best: usize,
    /// How long the fit took.
    pub seconds: f64,
    /// Of these, seconds in which batches were made.
    pub loading: f64,
    /// Training steps.
    pub steps: usize,
    /// Whether an interrupt ended it.
    pub interrupted: bool,
    /// Whether it was a fit in closed form, without epochs.
    pub closed_form: bool,
}
