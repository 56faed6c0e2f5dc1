//! A training loop that stays out of the way.

use std::fmt;

use candle_core::{DType, Result, Tensor};
use patchbay_protocol::MimeBundle;
use serde::{Deserialize, Serialize};

use crate::{Accumulator, Optimizer, OptimizerState, clip_grad_norm};
use patchbay_cell::interrupt;
use patchbay_show::{LivePlot, Show, Table, progress, show, tensor::number};

/// A loop of `steps` steps with a progress bar and a live plot of what the steps log.
///
/// ```no_run
/// # use patchbay::{Result, candle::Tensor, nn::{AdamW, Optimizer, training}};
/// # fn run(optimizer: &mut AdamW, loss_of: fn(usize) -> Result<Tensor>) -> Result<()> {
/// let history = training(1000).plot("training").run(|step| {
///     let loss = loss_of(step.index)?;
///     optimizer.backward_step(&loss)?;
///     step.log("loss", f64::from(loss.to_scalar::<f32>()?));
///     Ok(())
/// })?;
/// # Ok(())
/// # }
/// ```
///
/// An interrupt ends the loop after the step that is running; what was logged until then is returned. The cell goes on to
/// its end, keeps its variables, and counts as interrupted: cells that wait do not run.
pub fn training(steps: usize) -> Training {
    Training {
        steps,
        first: 0,
        title: "training".to_owned(),
        plot: None,
        y_log: false,
        every: 1,
        history: None,
        accumulate: 1,
        clip_norm: None,
    }
}

/// See [`training`].
#[derive(Clone, Debug)]
pub struct Training {
    steps: usize,
    first: usize,
    title: String,
    plot: Option<String>,
    y_log: bool,
    every: usize,
    history: Option<History>,
    accumulate: usize,
    clip_norm: Option<f64>,
}

/// One step, as the closure of [`Training::run`] sees it.
#[derive(Debug)]
pub struct Step {
    /// Counted from 0, or from where [`Training::resume`] began.
    pub index: usize,
    /// Which part of the batch of a step this is, counted from 0: [`Training::accumulate`].
    pub part: usize,
    values: Vec<(String, f64)>,
    stop: bool,
}

impl Step {
    /// Notes a value under a name; the bar shows it, the plot draws it, the history keeps it.
    pub fn log(&mut self, name: &str, value: f64) {
        self.values.push((name.to_owned(), value));
    }

    /// Ends the loop after this step.
    pub fn stop(&mut self) {
        self.stop = true;
    }
}

impl Training {
    /// Sets the text before the bar.
    pub fn title(self, title: impl Into<String>) -> Training {
        Training {
            title: title.into(),
            ..self
        }
    }

    /// Draws the logged values, with this title.
    pub fn plot(self, title: impl Into<String>) -> Training {
        Training {
            plot: Some(title.into()),
            ..self
        }
    }

    /// A logarithmic axis of values.
    pub fn y_log(self) -> Training {
        Training {
            y_log: true,
            ..self
        }
    }

    /// Draws the values of every nth step only; the history keeps all.
    pub fn plot_every(self, steps: usize) -> Training {
        Training {
            every: steps.max(1),
            ..self
        }
    }

    /// Begins at this step, that of a checkpoint for instance.
    pub fn resume(self, step: usize) -> Training {
        Training {
            first: step,
            ..self
        }
    }

    /// Goes on where another run ended, and continues what it logged. A history can be a part of a checkpoint.
    pub fn after(self, history: History) -> Training {
        Training {
            first: history.steps,
            history: Some(history),
            ..self
        }
    }

    /// Makes each step of [`Training::optimize`] from the mean gradient of this many losses, for batches that do not fit into
    /// memory at once.
    pub fn accumulate(self, parts: usize) -> Training {
        Training {
            accumulate: parts.max(1),
            ..self
        }
    }

    /// Scales the gradients of [`Training::optimize`] so that their norm is at most `limit`.
    pub fn clip_norm(self, limit: f64) -> Training {
        Training {
            clip_norm: Some(limit),
            ..self
        }
    }

    /// Runs the steps: `loss` returns the loss of a batch, and the optimizer goes against its gradients. The loss is logged
    /// under `loss`, with [`Training::clip_norm`] the norm of the gradients under `gradient norm`.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// # let net = nn::linear(3, 1, nn::builder(&VarMap::new(), DType::F32, &device()))?;
    /// # let (x, y) = (torch::randn((16, 3))?, torch::randn((16, 1))?);
    /// let mut optimizer = nn::AdamW::new(net.parameters(), 1e-2)?;
    /// let history = nn::training(20)
    ///     .accumulate(2)
    ///     .clip_norm(1.0)
    ///     .optimize(&mut optimizer, |step| nn::mse_loss(&net.forward(&x)?, &y))?;
    /// assert_eq!(history.get("loss").len(), 20);
    /// # Ok::<(), candle::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Ends with the error of the first step that fails, and where a gradient that is to be clipped is not finite.
    pub fn optimize<O: Optimizer + OptimizerState>(
        self,
        optimizer: &mut O,
        mut loss: impl FnMut(&mut Step) -> Result<Tensor>,
    ) -> Result<History> {
        let (parts, limit) = (self.accumulate, self.clip_norm);
        let vars = optimizer.vars();
        self.run_dyn(&mut |step| {
            let mut accumulator = Accumulator::new(vars.clone(), parts);
            let mut total = 0.0;
            for part in 0..parts {
                step.part = part;
                let value = loss(step)?;
                total += f64::from(value.to_dtype(DType::F32)?.to_scalar::<f32>()?);
                let Some(mut gradients) = accumulator.add(&value)? else {
                    continue;
                };
                if let Some(limit) = limit {
                    step.log(
                        "gradient norm",
                        clip_grad_norm(&mut gradients, &vars, limit)?,
                    );
                }
                optimizer.step(&gradients)?;
            }
            step.log("loss", total / parts as f64);
            Ok(())
        })
    }

    /// Runs the steps.
    ///
    /// # Errors
    ///
    /// Ends with the error of the first step that fails.
    pub fn run(self, mut step: impl FnMut(&mut Step) -> Result<()>) -> Result<History> {
        self.run_dyn(&mut step)
    }

    fn run_dyn(self, step: &mut dyn FnMut(&mut Step) -> Result<()>) -> Result<History> {
        let mut history = self.history.unwrap_or_default();
        (history.steps, history.interrupted) = (self.first, false);
        let mut live = self.plot.map(|title| {
            let live = LivePlot::new(title).x_label("step");
            if self.y_log { live.y_log() } else { live }
        });
        let mut bar = progress(self.first..self.steps).title(self.title);
        loop {
            // The bar and the plot unwind at an interrupt; here the loop ends by itself, and returns what it has.
            if interrupt::requested() {
                history.interrupted = true;
                break;
            }
            let Some(index) = bar.next() else { break };
            let mut current = Step {
                index,
                part: 0,
                values: Vec::new(),
                stop: false,
            };
            step(&mut current)?;
            history.steps = index + 1;
            for (name, value) in current.values {
                bar.set(name.as_str(), number(value));
                history.push(&name, index, value);
                if let Some(live) = live
                    .as_mut()
                    .filter(|_| index % self.every == 0 && !interrupt::requested())
                {
                    live.push(&name, index as f64, value);
                }
            }
            if current.stop {
                break;
            }
        }
        Ok(history)
    }
}

/// Values that the steps of a run have logged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    series: Vec<(String, Vec<(usize, f64)>)>,
    /// How many steps are done, those before a resumed run among them.
    pub steps: usize,
    /// Whether an interrupt ended the run.
    pub interrupted: bool,
}

impl History {
    /// The values of a name with their steps; empty where nothing was logged under it.
    pub fn get(&self, name: &str) -> &[(usize, f64)] {
        self.series
            .iter()
            .find(|(known, _)| known == name)
            .map_or(&[], |(_, values)| values)
    }

    /// The names in the order in which they were first logged.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.series.iter().map(|(name, _)| name.as_str())
    }

    fn push(&mut self, name: &str, step: usize, value: f64) {
        match self.series.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => values.push((step, value)),
            None => self.series.push((name.to_owned(), vec![(step, value)])),
        }
    }

    fn table(&self) -> Table {
        let mut table = Table::new(["value", "first", "last", "lowest", "highest"]);
        for (name, values) in &self.series {
            let all = || values.iter().map(|&(_, value)| value);
            let (first, last) = (
                values.first().map_or(f64::NAN, |v| v.1),
                values.last().map_or(f64::NAN, |v| v.1),
            );
            table.push([
                name.clone(),
                number(first),
                number(last),
                number(all().fold(f64::INFINITY, f64::min)),
                number(all().fold(f64::NEG_INFINITY, f64::max)),
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
        format!("{} steps{end}", self.steps)
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.summary(), self.table())
    }
}

impl Show for History {
    fn show(&self) -> MimeBundle {
        show::bundle(
            self.to_string(),
            "text/html",
            format!("<div>{}</div>{}", self.summary(), self.table().to_html()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_logged_until_one_stops_the_run() {
        let history = training(10)
            .resume(2)
            .run(|step| {
                step.log("loss", 1.0 / (step.index as f64 + 1.0));
                if step.index == 4 {
                    step.stop();
                }
                Ok(())
            })
            .unwrap();
        assert_eq!((history.steps, history.interrupted), (5, false));
        assert_eq!(history.get("loss"), [(2, 1.0 / 3.0), (3, 0.25), (4, 0.2)]);
        assert_eq!(
            history.to_string(),
            "5 steps\nvalue    first  last  lowest  highest\nloss   0.33333   0.2     0.2  0.33333"
        );
        assert!(history.get("accuracy").is_empty());
    }

    #[test]
    fn parts_of_a_batch_are_one_step_and_a_history_goes_on() -> Result<()> {
        use crate::SGD;
        use candle_core::{Device, Var};
        let run = |parts: usize, before: Option<History>| -> Result<(f32, History)> {
            let w = Var::new(2.0f32, &Device::Cpu)?;
            let mut optimizer = SGD::new(vec![w.clone()], 0.1)?;
            let training = training(4).accumulate(parts);
            let training = match before {
                Some(history) => training.after(history),
                None => training,
            };
            let history = training.optimize(&mut optimizer, |step| {
                let target = if step.part == 0 { 1.0 } else { -1.0 };
                (w.as_tensor() - target)?.sqr()
            })?;
            Ok((w.to_scalar()?, history))
        };
        // The mean of the two targets is 0: w <- w (1 - 2 * 0.1).
        let (w, history) = run(2, None)?;
        assert!((w - 2.0 * 0.8f32.powi(4)).abs() < 1e-6, "{w}");
        assert_eq!(history.get("loss").len(), 4);
        let before = History {
            series: vec![("loss".to_owned(), vec![(0, 9.0), (1, f64::NAN)])],
            steps: 2,
            interrupted: true,
        };
        let (_, history) = run(1, Some(before))?;
        let steps: Vec<usize> = history.get("loss").iter().map(|(step, _)| *step).collect();
        assert_eq!(
            (steps, history.steps, history.interrupted),
            (vec![0, 1, 2, 3], 4, false)
        );
        Ok(())
    }

    #[test]
    fn an_error_of_a_step_ends_the_run() {
        let error = training(3)
            .run(|_| candle_core::bail!("no data"))
            .unwrap_err();
        assert!(error.to_string().contains("no data"));
    }
}
