//! Training step by step, until the validation part gets no better.

use std::time::Instant;

use candle_core::{Tensor, Var, bail};

use super::{
    FitOptions, Fitted, Windows,
    loss::{loss, loss_over, scalar},
};
use crate::{
    Result, interrupt,
    nn::{
        AdamW, CosineSchedule, EarlyStopping, Ema, Optimizer, ParameterGroup, ParamsAdamW,
        clip_grad_norm,
    },
    plugin::{Forecaster, Slot, Window},
    tensor::number,
};

/// A fit step by step.
pub(super) struct Trainer<'a> {
    pub model: &'a Slot<dyn Forecaster>,
    pub options: &'a FitOptions,
    pub train: Windows<'a>,
    pub validation: Windows<'a>,
    pub quantiles: Vec<f64>,
}

impl Trainer<'_> {
    /// Trains, and leaves the weights of the best epoch.
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
        let settings = ParamsAdamW {
            lr: options.learning_rate,
            weight_decay: options.weight_decay,
            ..ParamsAdamW::default()
        };
        let mut optimiser = AdamW::with_groups(vec![ParameterGroup::new(vars.clone())], settings);
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
        optimiser: &mut AdamW,
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
