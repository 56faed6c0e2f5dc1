//! Fitting of any forecaster: in closed form where it can, else step by step until validation stops improving.

use std::time::Instant;

use candle_core::bail;
use patchbay_protocol::MimeBundle;

use super::{Dataset, Part, loss::loss_over, scales::DataScales, trainer::Trainer};
use crate::{
    Result, Show, Table,
    nn::CosineSchedule,
    plugin::{Fit, Forecaster, Loss, Slot},
    show,
    tensor::number,
};

/// Windows in a batch where no gradient is needed.
pub(super) const BATCH: usize = 1024;

/// How [`fit`] trains a forecaster that is not fitted in closed form.
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
    /// At the first step. None: what the forecaster asks for ([`Forecaster::learning_rate`]), else 1e-3.
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
    Exponential { gamma: f64, hold: usize },
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

/// Fits a forecaster to the training part and chooses on the validation part when to stop.
///
/// The forecaster keeps the scales, covariates and step of the data, so that it can forecast other data and be saved.
/// Values that were interpolated have no part in a loss; a fit in closed form takes windows whose future was measured.
///
/// The weights are those of the epoch that did best on the validation part, after an interrupt or an error, too. A
/// forecaster that begins with a fit in closed form ([`Fit::Refine`]) keeps that start unless training improves on it
/// by more than one standard error of the difference over blocks of validation windows that begin within a horizon.
///
/// # Errors
///
/// Fails where an option makes no sense, a part is too short for a window, a component fails, or a loss is not
/// finite, naming the step.
pub fn fit(model: &Slot<dyn Forecaster>, data: &Dataset, options: &FitOptions) -> Result<Fitted> {
    let start = Instant::now();
    let names: Vec<String> = model
        .variables()
        .into_iter()
        .map(|named| named.name)
        .collect();
    options.check(&names)?;
    let quantiles = model.quantiles();
    if let Some(loss) = options.loss.as_ref().filter(|_| !quantiles.is_empty()) {
        bail!(
            "FitOptions: loss is {}, but the forecaster has the quantiles {quantiles:?}, which are trained by the \
             pinball loss: leave out one of the two",
            loss.provenance().id
        );
    }
    let (lookback, horizon) = (model.lookback(), model.horizon());
    let train = data.windows(Part::Train, lookback, horizon)?;
    let validation = data.windows(Part::Validation, lookback, horizon)?;
    let trained_before = DataScales::of_model(model);
    let (closed, share) = train.for_closed_form();
    let (held_out, held_out_share) = validation.for_closed_form();
    let kind = model.fit(&mut closed.batches(BATCH))?;
    model.select(&mut held_out.batches(BATCH))?;
    if kind != Fit::ByGradient && share.max(held_out_share) > 0.0 {
        println!(
            "{}: too few windows have a future that was measured entirely, so its fit in closed form takes interpolated \
             values for true ones, {:.1} % of them; a shorter horizon has more such windows",
            model.provenance().id,
            100.0 * share.max(held_out_share)
        );
    }
    let scales = DataScales::of(data);
    if kind == Fit::ByGradient
        && let Some(before) = trained_before.filter(|before| **before != scales)
    {
        println!(
            "{}: it was fitted in the scales of other data (series {}) and goes on from those weights in the scales of these; \
             data.with_scales_of(&model)? keeps its own",
            model.provenance().id,
            before.names.join(", ")
        );
    }
    scales.note(model);
    let mut fitted = Fitted {
        train: Vec::new(),
        validation: Vec::new(),
        best: 0,
        seconds: 0.0,
        loading: 0.0,
        steps: 0,
        interrupted: false,
        closed_form: kind == Fit::Done,
    };
    if kind == Fit::Done {
        let loss = loss_over(model, &validation, options.loss.as_ref(), &quantiles)?;
        fitted.validation.push(loss);
    } else {
        Trainer {
            model,
            options,
            train,
            validation,
            quantiles,
            refines: kind == Fit::Refine,
        }
        .run(&mut fitted)?;
    }
    fitted.seconds = start.elapsed().as_secs_f64();
    Ok(fitted)
}

impl Fitted {
    fn table(&self) -> Table {
        let mut table = Table::new(["epoch", "train", "validation", "kept"]);
        for (epoch, &validation) in self.validation.iter().enumerate() {
            let train = match epoch.checked_sub(1) {
                Some(index) => self
                    .train
                    .get(index)
                    .map_or_else(String::new, |&x| number(x)),
                None => String::new(),
            };
            let kept = if epoch == self.best { "kept" } else { "" };
            table.push([
                epoch.to_string(),
                train,
                number(validation),
                kept.to_owned(),
            ]);
        }
        table
    }

    fn summary(&self) -> String {
        let end = if self.interrupted {
            ", interrupted"
        } else {
            ""
        };
        if self.closed_form {
            return format!("fitted in closed form in {:.1} s", self.seconds);
        }
        format!(
            "{} steps in {:.1} s, {:.1}% of them for loading windows{end}",
            self.steps,
            self.seconds,
            100.0 * self.loading / self.seconds.max(1e-9)
        )
    }
}

impl Show for Fitted {
    fn show(&self) -> MimeBundle {
        show::bundle(
            format!("{}\n{}", self.summary(), self.table()),
            "text/html",
            format!("<div>{}</div>{}", self.summary(), self.table().to_html()),
        )
    }
}
