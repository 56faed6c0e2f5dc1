//! A training loop that stays out of the way.

use std::fmt;

use candle_core::Result;
use patchbay_protocol::MimeBundle;

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
}

/// One step, as the closure of [`Training::run`] sees it.
#[derive(Debug)]
pub struct Step {
    /// Counted from 0, or from where [`Training::resume`] began.
    pub index: usize,
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
    /// What stands before the bar.
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

    /// Runs the steps.
    ///
    /// # Errors
    ///
    /// Ends with the error of the first step that fails.
    pub fn run(self, mut step: impl FnMut(&mut Step) -> Result<()>) -> Result<History> {
        self.run_dyn(&mut step)
    }

    fn run_dyn(self, step: &mut dyn FnMut(&mut Step) -> Result<()>) -> Result<History> {
        let mut history = History {
            series: Vec::new(),
            steps: self.first,
            interrupted: false,
        };
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

/// What the steps of a run have logged.
#[derive(Clone, Debug, PartialEq)]
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
    fn an_error_of_a_step_ends_the_run() {
        let error = training(3)
            .run(|_| candle_core::bail!("no data"))
            .unwrap_err();
        assert!(error.to_string().contains("no data"));
    }
}
