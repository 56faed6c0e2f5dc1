//! A search for the learning rate: a short run in which it rises (Smith 2017).

use std::{fmt, ops::Range};

use candle_core::{Result, Tensor, bail};
use patchbay_ops::{random_state, set_random_state};
use patchbay_protocol::MimeBundle;
use patchbay_show::{Figure, Show, plot, progress, tensor::number};

use crate::{Network, Optimizer, OptimizerState};

/// How much of the smoothed loss is kept from step to step.
const SMOOTHING: f64 = 0.9;

/// The run ends where the smoothed loss is this many times the lowest one.
const DIVERGED: f64 = 4.0;

/// A search for the learning rate: it rises in each step by the same factor, and the loss shows from where on training works
/// and where it breaks (Smith 2017, Cyclical Learning Rates for Training Neural Networks, section 3.3).
///
/// ```
/// # use patchbay::prelude::*;
/// # let net = nn::linear(3, 1, nn::builder(&VarMap::new(), DType::F32, &device()))?;
/// # let (x, y) = (torch::randn((16, 3))?, torch::randn((16, 1))?);
/// let mut optimizer = nn::AdamW::new(net.parameters(), 1e-3)?;
/// let found = nn::LearningRateFinder::new()
///     .steps(60)
///     .run(&net, &mut optimizer, |_step| nn::mse_loss(&net.forward(&x)?, &y))?;
/// optimizer.set_learning_rate(found.suggestion);
/// found.plot()?;
/// # Ok::<(), candle::Error>(())
/// ```
///
/// Afterwards the network, the optimizer and the generator are as they were.
#[derive(Clone, Debug)]
pub struct LearningRateFinder {
    range: Range<f64>,
    steps: usize,
}

impl Default for LearningRateFinder {
    fn default() -> Self {
        LearningRateFinder {
            range: 1e-7..1.0,
            steps: 100,
        }
    }
}

/// Result of a [`LearningRateFinder`]. As the last expression of a cell it is a plot.
#[derive(Clone, Debug)]
pub struct FoundLearningRate {
    /// The learning rate at which the smoothed loss falls fastest.
    pub suggestion: f64,
    /// The learning rate of each step.
    pub learning_rates: Vec<f64>,
    /// The loss of each step.
    pub losses: Vec<f64>,
    smoothed: Vec<f64>,
}

impl LearningRateFinder {
    /// Begins a search from 1e-7 to 1 in 100 steps.
    pub fn new() -> LearningRateFinder {
        LearningRateFinder::default()
    }

    /// Sets the first and the last learning rate.
    #[must_use]
    pub fn range(self, range: Range<f64>) -> LearningRateFinder {
        LearningRateFinder { range, ..self }
    }

    /// Sets the number of steps.
    #[must_use]
    pub fn steps(self, steps: usize) -> LearningRateFinder {
        LearningRateFinder { steps, ..self }
    }

    /// Runs the search; `loss` gets the number of the step and returns the loss of its batch.
    ///
    /// # Errors
    ///
    /// Fails where `loss` or the optimizer does, where the range is none, and where the loss never falls.
    pub fn run<O: Optimizer + OptimizerState>(
        &self,
        network: &dyn Network,
        optimizer: &mut O,
        mut loss: impl FnMut(usize) -> Result<Tensor>,
    ) -> Result<FoundLearningRate> {
        let Range { start, end } = self.range;
        if !(start > 0.0 && start < end && end.is_finite()) || self.steps < 10 {
            bail!(
                "a search from {start} to {end} in {} steps: must be two positive numbers, the lower first, and at least 10 steps",
                self.steps
            )
        }
        let (tensors, state, random) = (network.state_dict()?, optimizer.state()?, random_state());
        let mut measured = || -> Result<(Vec<f64>, Vec<f64>, Vec<f64>)> {
            let (mut rates, mut losses, mut smoothed) = (Vec::new(), Vec::new(), Vec::new());
            let (mut average, mut lowest) = (0.0, f64::INFINITY);
            for step in progress(0..self.steps).title("learning rate") {
                let rate = start * (end / start).powf(step as f64 / (self.steps - 1) as f64);
                optimizer.set_learning_rate(rate);
                let value = loss(step)?;
                let number = f64::from(
                    value
                        .to_dtype(candle_core::DType::F32)?
                        .to_scalar::<f32>()?,
                );
                if !number.is_finite() {
                    break;
                }
                average = SMOOTHING * average + (1.0 - SMOOTHING) * number;
                let smooth = average / (1.0 - SMOOTHING.powi(step as i32 + 1));
                rates.push(rate);
                losses.push(number);
                smoothed.push(smooth);
                lowest = f64::min(lowest, smooth);
                if step >= 10 && smooth > DIVERGED * lowest {
                    break;
                }
                optimizer.backward_step(&value)?;
            }
            Ok((rates, losses, smoothed))
        };
        let measured = measured();
        // Put back also after an error.
        network.load_state_dict(&tensors)?;
        optimizer.load_state(&state)?;
        set_random_state(random);
        let (learning_rates, losses, smoothed) = measured?;
        let Some(steepest) = steepest(&smoothed) else {
            bail!(
                "the loss did not fall at any learning rate from {start} to {end}: does it depend on the parameters of the optimizer? \
                 nn::audit(&loss, &gradients, &variables) tells which get no gradient"
            )
        };
        Ok(FoundLearningRate {
            suggestion: learning_rates[steepest],
            learning_rates,
            losses,
            smoothed,
        })
    }
}

/// The step after which the smoothed loss falls most, over two steps; the steps are equally far apart on a logarithmic axis.
fn steepest(smoothed: &[f64]) -> Option<usize> {
    let slope = |step: usize| smoothed[step + 1] - smoothed[step - 1];
    (1..smoothed.len().saturating_sub(1))
        .filter(|&step| slope(step) < 0.0)
        .min_by(|&a, &b| slope(a).total_cmp(&slope(b)))
}

impl FoundLearningRate {
    /// Draws the losses over the logarithm of the learning rate.
    ///
    /// # Errors
    ///
    /// Fails where plotters does.
    pub fn plot(&self) -> Result<Figure> {
        let x: Vec<f64> = self
            .learning_rates
            .iter()
            .map(|rate| rate.log10())
            .collect();
        let at = self.suggestion.log10();
        let low = self.smoothed.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self
            .smoothed
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        plot::lines()
            .series_xy("loss", &x, &self.losses)
            .series_xy("smoothed", &x, &self.smoothed)
            .series_xy(
                format!("suggestion {}", number(self.suggestion)),
                [at, at],
                [low, high],
            )
            .title("search for the learning rate")
            .x_label("log10 of the learning rate")
            .y_label("loss")
            .draw()
    }
}

impl fmt::Display for FoundLearningRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "learning rate {}, of {} tried from {} to {}",
            number(self.suggestion),
            self.learning_rates.len(),
            number(self.learning_rates.first().copied().unwrap_or(f64::NAN)),
            number(self.learning_rates.last().copied().unwrap_or(f64::NAN)),
        )
    }
}

impl Show for FoundLearningRate {
    fn show(&self) -> MimeBundle {
        let text = self.to_string();
        match self.plot() {
            Ok(figure) => {
                let mut bundle = figure.show();
                bundle.data.insert("text/plain".to_owned(), text.into());
                bundle
            }
            Err(_) => patchbay_show::show::plain_text(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AdamW, Module, SGD, VarMap, builder, linear, mse_loss};
    use candle_core::{DType, Device};

    #[test]
    fn a_search_ends_between_too_low_and_too_high_and_changes_nothing() -> Result<()> {
        let net = linear(4, 1, builder(&VarMap::new(), DType::F32, &Device::Cpu))?;
        let x: Vec<f32> = (0..64).map(|i| (i as f32 * 0.7).sin()).collect();
        let x = Tensor::from_vec(x, (16, 4), &Device::Cpu)?;
        let y = (x.narrow(1, 0, 1)? * 3.0)?;
        let mut optimizer = SGD::new(net.parameters(), 0.25)?;
        let before = net.state_dict()?;
        let found =
            LearningRateFinder::new()
                .range(1e-5..10.0)
                .run(&net, &mut optimizer, |_| mse_loss(&net.forward(&x)?, &y))?;
        assert!((1e-3..3.0).contains(&found.suggestion), "{found}");
        assert_eq!(optimizer.learning_rate(), 0.25);
        let after = net.state_dict()?;
        for (name, tensor) in &before {
            assert_eq!(
                tensor.flatten_all()?.to_vec1::<f32>()?,
                after[name].flatten_all()?.to_vec1::<f32>()?
            );
        }
        assert!(found.plot()?.svg().contains("suggestion"));
        Ok(())
    }

    #[test]
    fn what_cannot_be_searched_is_an_error_and_changes_nothing() -> Result<()> {
        let net = linear(2, 1, builder(&VarMap::new(), DType::F32, &Device::Cpu))?;
        let mut optimizer = AdamW::new(net.parameters(), 0.1)?;
        let x = Tensor::ones((3, 2), DType::F32, &Device::Cpu)?;
        let constant = LearningRateFinder::new().run(&net, &mut optimizer, |_| {
            net.forward(&x)?.zeros_like()?.sum_all()
        });
        assert!(constant.unwrap_err().to_string().contains("did not fall"));
        let range = LearningRateFinder::new().range(1.0..0.1);
        let range = range.run(&net, &mut optimizer, |_| net.forward(&x));
        assert!(range.unwrap_err().to_string().contains("the lower first"));
        let failed = LearningRateFinder::new().run(&net, &mut optimizer, |step| match step {
            3 => bail!("no more data"),
            _ => net.forward(&x)?.sqr()?.mean_all(),
        });
        assert!(failed.unwrap_err().to_string().contains("no more data"));
        assert_eq!(optimizer.learning_rate(), 0.1);
        Ok(())
    }
}
