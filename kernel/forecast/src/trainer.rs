//! Training step by step, until the validation part gets no better.

use std::time::Instant;

use candle_core::{Tensor, Var, bail};

use super::{
    FitOptions, Fitted, Windows,
    loss::{BlockLosses, loss, scalar},
    options::{BATCH, LEARNING_RATE},
};
use patchbay_cell::interrupt;
use patchbay_nn::{
    AdamW, EarlyStopping, Ema, Optimizer, ParameterGroup, ParamsAdamW, clip_grad_norm,
};
use patchbay_ops as ops;
use patchbay_plugin::{Forecaster, Slot, Window};
use patchbay_show::{Result, tensor::number};

/// A fit step by step.
pub(super) struct Trainer<'a> {
    pub model: &'a Slot<dyn Forecaster>,
    pub options: &'a FitOptions,
    pub train: Windows<'a>,
    pub validation: Windows<'a>,
    pub quantiles: Vec<f64>,
    /// Whether the model begins with a fit in closed form, which only a clear gain replaces.
    pub refines: bool,
}

/// What came after a window `[batch, horizon]`, and where it was measured.
struct Future {
    values: Tensor,
    mask: Option<Tensor>,
}

/// Blocks of the validation part that a gain's standard error is taken over, at least.
const BLOCKS: usize = 16;

/// The weights to keep. Where a fit ends early, by an error or an interrupt that unwinds, they are put back, too.
struct Kept<'a> {
    vars: &'a [Var],
    values: Vec<Tensor>,
    restored: bool,
}

impl<'a> Kept<'a> {
    fn new(vars: &'a [Var]) -> Result<Kept<'a>> {
        Ok(Kept {
            values: copies(vars)?,
            vars,
            restored: false,
        })
    }

    /// The present weights are better.
    fn replace(&mut self) -> Result<()> {
        self.values = copies(self.vars)?;
        Ok(())
    }

    fn put_back(&self) -> Result<()> {
        for (var, values) in self.vars.iter().zip(&self.values) {
            var.set(values)?;
        }
        Ok(())
    }

    /// As dropping it, with the error that a destructor cannot return.
    fn restore(mut self) -> Result<()> {
        self.restored = true;
        self.put_back()
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        if !self.restored {
            // The error or the interrupt that is on its way says more than this one would.
            let _ = self.put_back();
        }
    }
}

impl Trainer<'_> {
    /// Trains, and leaves the weights of the best epoch however it ends.
    pub(super) fn run(&self, fitted: &mut Fitted) -> Result<()> {
        let options = self.options;
        let frozen = |name: &str| options.frozen.iter().any(|prefix| name.starts_with(prefix));
        let vars: Vec<Var> = self
            .model
            .variables()
            .into_iter()
            .filter(|named| named.trainable && !frozen(&named.name))
            .map(|named| named.var)
            .collect();
        if vars.is_empty() {
            bail!(
                "the forecaster has no variables to train but those that begin with one of {:?}: {:?}",
                options.frozen,
                self.model
            );
        }
        let all_batches = || {
            self.train
                .epoch(options.batch, options.all_series, options.drop_last)
        };
        let mut first = Some(all_batches());
        let mut per_epoch = first.as_ref().map_or(0, Vec::len);
        if let Some(most) = options.most_steps {
            per_epoch = per_epoch.min(most);
        }
        let learning_rate = options
            .learning_rate
            .or_else(|| self.model.learning_rate())
            .unwrap_or(LEARNING_RATE);
        let total = per_epoch * options.epochs;
        let settings = ParamsAdamW {
            lr: learning_rate,
            weight_decay: options.weight_decay,
            ..ParamsAdamW::default()
        };
        let mut optimizer = AdamW::with_groups(vec![ParameterGroup::new(vars.clone())], settings);
        let mut ema = options
            .ema
            .map(|decay| Ema::new(vars.clone(), decay))
            .transpose()?;
        let mut stopping = EarlyStopping::new(options.patience, 0.0);
        let start = self.validate()?;
        if !start.mean().is_finite() {
            bail!(
                "the validation loss is {} before the first step: the model already gives NaN or infinity{}; create \
                 it again with create::<dyn Forecaster>(\"{}\", ..)",
                start.mean(),
                match &options.loss {
                    Some(loss) => format!(", or the loss {} does", loss.provenance().id),
                    None => String::new(),
                },
                self.model.provenance().id
            );
        }
        fitted.validation.push(start.mean());
        if options.keep_start {
            stopping.observe(start.mean());
        }
        let mut kept = Kept::new(&vars)?;

        let mut bar = (!options.quiet)
            .then(|| patchbay_show::progress(0..per_epoch * options.epochs).title("fit"));
        let mut live = options
            .plot
            .as_ref()
            .map(|title| patchbay_show::LivePlot::new(title).x_label("epoch"));
        'epochs: for epoch in 0..options.epochs {
            self.model.begin_epoch(epoch)?;
            let mut sum = 0.0;
            let batches = first.take().unwrap_or_else(all_batches);
            for (index, indices) in batches.iter().take(per_epoch).enumerate() {
                // The bar unwinds at an interrupt; here the loop ends by itself, with the best weights.
                if interrupt::requested() {
                    fitted.interrupted = true;
                    break 'epochs;
                }
                if let Some(bar) = &mut bar {
                    bar.next();
                }
                let loading = Instant::now();
                let (window, future, mask) = self.train.masked_batch(indices)?;
                let future = Future {
                    values: future,
                    mask,
                };
                fitted.loading += loading.elapsed().as_secs_f64();
                let rate = options
                    .schedule
                    .at(learning_rate, epoch, fitted.steps, total);
                optimizer.set_learning_rate(rate);
                let place = || format!("epoch {}, step {}", epoch + 1, index + 1);
                sum += self.step(&window, &future, &vars, &mut optimizer, &place)?;
                fitted.steps += 1;
                if let Some(ema) = &ema {
                    ema.update()?;
                }
            }
            let train = sum / per_epoch as f64;
            fitted.train.push(train);
            swap(&mut ema)?;
            let losses = self.validate()?;
            let validation = losses.mean();
            fitted.validation.push(validation);
            let stop = stopping.observe(validation);
            let (gain, error) = start.gain(&losses, self.block());
            if stopping.improved() && (!self.refines || gain > error) {
                kept.replace()?;
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
        kept.restore()
    }

    fn step(
        &self,
        window: &Window,
        future: &Future,
        vars: &[Var],
        optimizer: &mut AdamW,
        place: &dyn Fn() -> String,
    ) -> Result<f64> {
        let forecast = self.model.forward(window, true)?;
        let loss = loss(
            &forecast,
            &future.values,
            future.mask.as_ref(),
            self.options.loss.as_ref(),
            &self.quantiles,
        )?;
        let value = scalar(&loss)?;
        if !value.is_finite() {
            let finite = is_finite(&window.past)? && is_finite(&future.values)?;
            bail!(
                "the training loss is {value} at {}, with a learning rate of {:.2e}: lower it, or limit the \
                 gradient's norm with FitOptions {{ clip: Some(1.0), .. }}; the batch's scaled values are {}finite",
                place(),
                optimizer.learning_rate(),
                if finite { "" } else { "not " }
            );
        }
        let mut grads = loss.backward()?;
        if let Some(limit) = self.options.clip {
            clip_grad_norm(&mut grads, vars, limit)?;
        }
        optimizer.step(&grads)?;
        Ok(value)
    }

    /// The share of the validation windows that a gain's standard error takes as one block: those that begin within a
    /// horizon. Windows whose futures overlap fail together.
    fn block(&self) -> f64 {
        self.model.horizon() as f64 / self.validation.beginnings().max(1) as f64
    }

    fn validate(&self) -> Result<BlockLosses> {
        let size = if self.refines {
            self.validation.len().div_ceil(BLOCKS).min(BATCH)
        } else {
            BATCH
        };
        BlockLosses::of(
            self.model,
            &self.validation,
            size,
            self.options.loss.as_ref(),
            &self.quantiles,
        )
    }
}

fn is_finite(x: &Tensor) -> Result<bool> {
    // Infinities of both signs cancel to NaN, so a sum is finite only if all values are.
    Ok(scalar(&ops::sum_all(x)?)?.is_finite())
}

fn swap(ema: &mut Option<Ema>) -> Result<()> {
    ema.as_mut().map_or(Ok(()), Ema::swap)
}

fn copies(vars: &[Var]) -> Result<Vec<Tensor>> {
    vars.iter()
        .map(|var| var.as_detached_tensor().copy())
        .collect()
}
