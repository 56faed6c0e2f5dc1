//! Fitting of any forecaster: in closed form where it can, else step by step until validation stops improving.

use std::time::Instant;

use candle_core::{Tensor, Var, bail};
use patchbay_protocol::MimeBundle;

use super::{Dataset, Part, Windows};
use crate::{
    Result, Show, Table, interrupt,
    nn::{
        self, Adam, Audit, CosineSchedule, EarlyStopping, Ema, Optimizer, ParameterGroup,
        ParamsAdam, VarMap, clip_grad_norm,
    },
    plugin::{Fit, Forecaster, Loss, Slot, Window},
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
    /// Windows of a step.
    pub batch: usize,
    /// At the first step; it falls to 0 along a cosine over all epochs.
    pub learning_rate: f64,
    /// Passes without an improvement on the validation part after which training ends.
    pub patience: usize,
    /// Steps of an epoch, if fewer than a pass has.
    pub most_steps: Option<usize>,
    /// The largest norm of a step's gradient.
    pub clip: Option<f64>,
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
            learning_rate: 1e-3,
            patience: 3,
            most_steps: None,
            clip: None,
            ema: None,
            loss: None,
            plot: None,
            quiet: false,
        }
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
}

/// Fits a forecaster to the training part and chooses on the validation part when to stop.
///
/// The weights are those of the epoch that did best on the validation part, after an interrupt, too.
///
/// # Errors
///
/// Fails where a part is too short for a window, a component fails, or a loss is not finite, naming the step.
pub fn fit(model: &Slot<dyn Forecaster>, data: &Dataset, options: &FitOptions) -> Result<Fitted> {
    let start = Instant::now();
    let (lookback, horizon) = (model.lookback(), model.horizon());
    let train = data.windows(Part::Train, lookback, horizon)?;
    let validation = data.windows(Part::Validation, lookback, horizon)?;
    let kind = model.fit(&mut train.batches(BATCH))?;
    model.select(&mut validation.batches(BATCH))?;
    let mut fitted = Fitted {
        train: Vec::new(),
        validation: Vec::new(),
        best: 0,
        seconds: 0.0,
        loading: 0.0,
        steps: 0,
        interrupted: false,
    };
    if kind == Fit::ByGradient {
        Trainer {
            model,
            options,
            train,
            validation,
            quantiles: model.quantiles(),
        }
        .run(&mut fitted)?;
    } else {
        fitted.validation.push(loss_over(
            model,
            &validation,
            options.loss.as_ref(),
            &model.quantiles(),
        )?);
    }
    fitted.seconds = start.elapsed().as_secs_f64();
    Ok(fitted)
}

struct Trainer<'a> {
    model: &'a Slot<dyn Forecaster>,
    options: &'a FitOptions,
    train: Windows<'a>,
    validation: Windows<'a>,
    quantiles: Vec<f64>,
}

impl Trainer<'_> {
    fn run(&self, fitted: &mut Fitted) -> Result<()> {
        let options = self.options;
        let vars = self.model.trainable();
        if vars.is_empty() {
            bail!("the forecaster has no variables to train: {:?}", self.model);
        }
        let batch = options.batch.max(1);
        let mut per_epoch = self.train.len().div_ceil(batch);
        if let Some(most) = options.most_steps {
            per_epoch = per_epoch.min(most.max(1));
        }
        let schedule = CosineSchedule {
            peak: options.learning_rate,
            warmup: 0,
            total: per_epoch * options.epochs,
            last: 0.0,
        };
        let settings = ParamsAdam {
            lr: options.learning_rate,
            ..ParamsAdam::default()
        };
        let mut optimiser = Adam::with_groups(vec![ParameterGroup::new(vars.clone())], settings);
        let mut ema = options
            .ema
            .map(|decay| Ema::new(vars.clone(), decay))
            .transpose()?;
        let mut stopping = EarlyStopping::new(options.patience.max(1), 0.0);
        fitted.validation.push(self.validate()?);
        stopping.observe(fitted.validation[0]);
        let mut best = copies(&vars)?;

        let mut bar =
            (!options.quiet).then(|| crate::progress(0..per_epoch * options.epochs).title("fit"));
        let mut live = options
            .plot
            .as_ref()
            .map(|title| crate::LivePlot::new(title).x_label("epoch"));
        'epochs: for epoch in 0..options.epochs {
            self.model.begin_epoch(epoch)?;
            let order = self.train.shuffled();
            let mut sum = 0.0;
            for (index, indices) in order.chunks(batch).take(per_epoch).enumerate() {
                // The bar unwinds at an interrupt; here the loop ends by itself, with the best weights.
                if interrupt::requested() {
                    fitted.interrupted = true;
                    break 'epochs;
                }
                if let Some(bar) = &mut bar {
                    bar.next();
                }
                let loading = Instant::now();
                let (window, future) = self.train.batch(indices)?;
                fitted.loading += loading.elapsed().as_secs_f64();
                optimiser.set_learning_rate(schedule.at(fitted.steps));
                let place = || format!("epoch {}, step {}", epoch + 1, index + 1);
                sum += self.step(&window, &future, &vars, &mut optimiser, &place)?;
                fitted.steps += 1;
                if let Some(ema) = &ema {
                    ema.update()?;
                }
            }
            let train = sum / per_epoch as f64;
            fitted.train.push(train);
            swap(&mut ema)?;
            let validation = self.validate()?;
            fitted.validation.push(validation);
            let stop = stopping.observe(validation);
            if stopping.improved() {
                best = copies(&vars)?;
                fitted.best = epoch + 1;
            }
            swap(&mut ema)?;
            if let Some(bar) = &mut bar {
                bar.set("train", number(train));
                bar.set("validation", number(validation));
            }
            if let Some(live) = live.as_mut().filter(|_| !interrupt::requested()) {
                live.push("train", (epoch + 1) as f64, train);
                live.push("validation", (epoch + 1) as f64, validation);
            }
            if stop {
                break;
            }
        }
        for (var, values) in vars.iter().zip(&best) {
            var.set(values)?;
        }
        Ok(())
    }

    fn step(
        &self,
        window: &Window,
        future: &Tensor,
        vars: &[Var],
        optimiser: &mut Adam,
        place: &dyn Fn() -> String,
    ) -> Result<f64> {
        let forecast = self.model.forward(window, true)?;
        let loss = loss(
            &forecast,
            future,
            self.options.loss.as_ref(),
            &self.quantiles,
        )?;
        let value = scalar(&loss)?;
        if !value.is_finite() {
            bail!(
                "the training loss is {value} at {}, with a learning rate of {:.2e}: lower it, or limit the \
                 gradient's norm with FitOptions {{ clip: Some(1.0), .. }}; the scaled values are finite",
                place(),
                optimiser.learning_rate()
            );
        }
        let mut grads = loss.backward()?;
        if let Some(limit) = self.options.clip {
            clip_grad_norm(&mut grads, vars, limit)?;
        }
        optimiser.step(&grads)?;
        Ok(value)
    }

    fn validate(&self) -> Result<f64> {
        loss_over(
            self.model,
            &self.validation,
            self.options.loss.as_ref(),
            &self.quantiles,
        )
    }
}

fn swap(ema: &mut Option<Ema>) -> Result<()> {
    ema.as_mut().map_or(Ok(()), Ema::swap)
}

fn copies(vars: &[Var]) -> Result<Vec<Tensor>> {
    vars.iter()
        .map(|var| var.as_detached_tensor().copy())
        .collect()
}

fn scalar(loss: &Tensor) -> Result<f64> {
    loss.to_dtype(candle_core::DType::F64)?.to_scalar()
}

/// Mean loss over windows, in batches that weigh as many windows as they have.
fn loss_over(
    model: &Slot<dyn Forecaster>,
    windows: &Windows<'_>,
    plugin: Option<&Slot<dyn Loss>>,
    quantiles: &[f64],
) -> Result<f64> {
    let mut sum = 0.0;
    for batch in windows.batches(BATCH) {
        let (window, future) = batch?;
        let forecast = model.forward(&window, false)?.detach();
        sum += scalar(&loss(&forecast, &future, plugin, quantiles)?)? * future.dim(0)? as f64;
    }
    Ok(sum / windows.len() as f64)
}

/// The loss of a forecast `[batch, horizon, outputs]` against its future `[batch, horizon]`.
fn loss(
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
        None => (forecast - future)?.sqr()?.mean_all()?,
    };
    if loss.rank() != 0 {
        bail!(
            "the loss is {:?}; fitting needs a scalar: set its `reduction` to \"mean\"",
            loss.dims()
        );
    }
    Ok(loss)
}

/// The pinball loss (Koenker and Bassett 1978): mean of max(q e, (q - 1) e) for errors e = future - forecast, over all levels q.
pub(super) fn pinball(forecast: &Tensor, future: &Tensor, quantiles: &[f64]) -> Result<Tensor> {
    let levels = Tensor::new(quantiles, forecast.device())?.to_dtype(forecast.dtype())?;
    let error = future.unsqueeze(2)?.broadcast_sub(forecast)?;
    // max(q e, (q - 1) e) = q e + max(-e, 0).
    (error.broadcast_mul(&levels)? + crate::ops::relu(&error.neg()?)?)?.mean_all()
}

/// Which variables of a forecaster get a gradient from one batch of training windows. TiDE with layer norm over
/// an output of width 1, for instance, has a network that gets none.
///
/// # Errors
///
/// As [`fit`].
pub fn audit(model: &Slot<dyn Forecaster>, data: &Dataset) -> Result<Audit> {
    let windows = data.windows(Part::Train, model.lookback(), model.horizon())?;
    let indices: Vec<usize> = (0..windows.len().min(64)).collect();
    let (window, future) = windows.batch(&indices)?;
    let forecast = model.forward(&window, true)?;
    let loss = loss(&forecast, &future, None, &model.quantiles())?;
    let variables = VarMap::new();
    if let Ok(mut map) = variables.data().lock() {
        for named in model
            .variables()
            .into_iter()
            .filter(|named| named.trainable)
        {
            map.insert(named.name, named.var);
        }
    }
    nn::audit(&loss, &loss.backward()?, &variables)
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
        if self.steps == 0 {
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
