//! Forecasts that are more than a number: quantiles, intervals, samples.

use candle_core::{Tensor, bail};

use patchbay_evaluation::stats::Interval;
use patchbay_show::{MimeBundle, Result, Show, Table};

use crate::{
    classification::shown,
    counting::same,
    per_class::number,
    regression::row_methods,
    rows::{Missing, RowMoments, Rows},
};

/// The pinball (quantile) loss of predicted quantiles (Koenker and Bassett 1978, Regression Quantiles, Econometrica 46, 33):
/// scikit-learn's `mean_pinball_loss`, averaged over the levels.
///
/// Twice its mean over many evenly spread levels is the CRPS.
///
/// ```
/// # use patchbay::prelude::*;
/// let mut pinball = metrics::PinballLoss::new([0.1, 0.5, 0.9])?;
/// let prediction = torch::tensor([[1.0, 2.0, 3.0]])?;         // [n, levels]
/// pinball.update(&prediction, &torch::tensor([2.5])?)?;       // [n]
/// assert!((pinball.compute()?.estimate - (0.15 + 0.25 + 0.05) / 3.0).abs() < 1e-7);
/// # Ok::<(), patchbay::candle::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PinballLoss {
    levels: Vec<f64>,
    /// Of all levels together, then of each.
    moments: Vec<RowMoments>,
    missing: Missing,
}

impl PinballLoss {
    /// Of quantiles at these levels, each between 0 and 1.
    ///
    /// # Errors
    ///
    /// Fails where there is no level, or one is not between 0 and 1.
    pub fn new(levels: impl IntoIterator<Item = f64>) -> Result<Self> {
        let levels: Vec<f64> = levels.into_iter().collect();
        if levels.is_empty() || levels.iter().any(|&level| !(level > 0.0 && level < 1.0)) {
            bail!("expected levels between 0 and 1, such as [0.1, 0.5, 0.9]; got {levels:?}");
        }
        Ok(Self {
            moments: vec![RowMoments::default(); levels.len() + 1],
            levels,
            missing: Missing::Refused,
        })
    }

    /// Whether targets that are NaN are left out; otherwise they are an error.
    #[must_use]
    pub fn skip_missing(mut self, skip: bool) -> Self {
        self.missing = match skip {
            true => Missing::Skipped,
            false => Missing::Refused,
        };
        self
    }

    /// Adds a batch: quantiles `[..., levels]` and targets `[...]`.
    ///
    /// # Errors
    ///
    /// Fails where the shapes do not fit or a value is not finite.
    pub fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
        let levels = &self.levels;
        let width = Some(levels.len());
        let rows = Rows::several(prediction, target, width, "levels", self.missing)?;
        rows.each(|row| {
            let mut all = 0.0;
            for (at, level) in levels.iter().enumerate() {
                let losses = row.iter().map(|(_, own, target)| {
                    let error = target - own[at];
                    (level * error).max((level - 1.0) * error)
                });
                let sum: f64 = losses.sum();
                self.moments[at + 1].add(sum, row.len());
                all += sum;
            }
            self.moments[0].add(all, row.len() * levels.len());
        });
        Ok(())
    }

    /// The mean over the levels with its 95 % interval (Student's t over the entries along the first axis).
    ///
    /// # Errors
    ///
    /// Fails where no value has been added.
    pub fn compute(&self) -> Result<Interval> {
        let mean = self.moments[0].estimate("the pinball loss")?;
        Ok(mean.within(0.0, f64::INFINITY))
    }

    /// The loss of each level.
    ///
    /// # Errors
    ///
    /// Fails where no value has been added.
    pub fn per_level(&self) -> Result<Vec<(f64, Interval)>> {
        let levels = self.levels.iter().zip(&self.moments[1..]);
        levels
            .map(|(&level, moments)| {
                let mean = moments.estimate("the pinball loss")?;
                Ok((level, mean.within(0.0, f64::INFINITY)))
            })
            .collect()
    }

    /// A row for each level.
    ///
    /// # Errors
    ///
    /// Fails where no value has been added.
    pub fn table(&self) -> Result<Table> {
        let mut table = Table::new(["level", "pinball loss", "low", "high"]);
        for (level, loss) in self.per_level()? {
            table.push([
                level.to_string(),
                number(loss.estimate, 5),
                number(loss.low, 5),
                number(loss.high, 5),
            ]);
        }
        Ok(table)
    }

    /// Forgets what was added; the settings stay.
    pub fn reset(&mut self) {
        self.moments.fill(RowMoments::default());
    }

    /// Adds what another one has seen, of other batches.
    ///
    /// # Errors
    ///
    /// Fails where the levels differ.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        same(&self.levels, &other.levels)?;
        for (own, other) in self.moments.iter_mut().zip(&other.moments) {
            own.merge(other);
        }
        Ok(())
    }
}

impl Show for PinballLoss {
    fn show(&self) -> MimeBundle {
        shown("pinball loss", self.compute())
    }
}

/// [`PinballLoss`] of all values at once, with its 95 % interval.
///
/// # Errors
///
/// As [`PinballLoss::new`] and [`PinballLoss::update`].
pub fn pinball_loss(prediction: &Tensor, target: &Tensor, levels: &[f64]) -> Result<Interval> {
    let mut metric = PinballLoss::new(levels.iter().copied())?;
    metric.update(prediction, target)?;
    metric.compute()
}

/// The share of targets that are within predicted intervals, their ends included. An interval of 90 % should have 0.9.
///
/// ```
/// # use patchbay::prelude::*;
/// let mut coverage = metrics::Coverage::new();
/// let (low, high) = (torch::tensor([0.0, 1.0])?, torch::tensor([1.0, 2.0])?);
/// coverage.update(&low, &high, &torch::tensor([0.5, 2.5])?)?;
/// assert_eq!(coverage.compute()?.estimate, 0.5);
/// # Ok::<(), patchbay::candle::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Coverage {
    moments: RowMoments,
    missing: Missing,
}

impl Default for Coverage {
    fn default() -> Self {
        Self::new()
    }
}

impl Coverage {
    /// Without a value yet.
    pub fn new() -> Self {
        Self {
            moments: RowMoments::default(),
            missing: Missing::Refused,
        }
    }

    row_methods!();

    /// Adds a batch: lower ends, upper ends and targets of one shape `[n, ...]`.
    ///
    /// # Errors
    ///
    /// Fails where the shapes differ, a value is not finite, or a lower end is above its upper one.
    pub fn update(&mut self, low: &Tensor, high: &Tensor, target: &Tensor) -> Result<()> {
        let lower = Rows::alike(low, target, self.missing)?;
        let upper = Rows::alike(high, target, self.missing)?;
        let mut ends = vec![f64::NAN; upper.len()];
        upper.each(|row| {
            for (position, own, _) in row {
                ends[*position] = own[0];
            }
        });
        let mut crossed = None;
        let mut moments = self.moments;
        lower.each(|row| {
            let mut within = 0.0;
            for &(position, own, target) in row {
                if own[0] > ends[position] {
                    crossed.get_or_insert((position, own[0]));
                }
                within += f64::from(u8::from(own[0] <= target && target <= ends[position]));
            }
            moments.add(within, row.len());
        });
        if let Some((position, low)) = crossed {
            bail!(
                "the interval at position {position} of {:?} goes from {low} down to {}: give `update` the lower ends first",
                target.dims(),
                ends[position]
            );
        }
        self.moments = moments;
        Ok(())
    }

    /// The share with its 95 % interval: Wilson's, over the entries along the first axis where these have several targets.
    ///
    /// # Errors
    ///
    /// Fails where no value has been added.
    pub fn compute(&self) -> Result<Interval> {
        self.moments.share("the coverage")
    }

    /// Adds what another one has seen, of other batches.
    ///
    /// # Errors
    ///
    /// None: there are no settings that could differ.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        self.moments.merge(&other.moments);
        Ok(())
    }
}

impl Show for Coverage {
    fn show(&self) -> MimeBundle {
        shown("coverage", self.compute())
    }
}

/// [`Coverage`] of all intervals at once, with its 95 % interval.
///
/// # Errors
///
/// As [`Coverage::update`].
pub fn coverage(low: &Tensor, high: &Tensor, target: &Tensor) -> Result<Interval> {
    let mut metric = Coverage::new();
    metric.update(low, high, target)?;
    metric.compute()
}

/// The continuous ranked probability score of samples: the mean distance of a forecast's samples from the target, less half of
/// their mean distance from one another (Gneiting and Raftery 2007, Strictly Proper Scoring Rules, JASA 102, 359, eq. 21). Of one
/// sample it is the absolute error. torchmetrics' `ContinuousRankedProbabilityScore`.
///
/// ```
/// # use patchbay::prelude::*;
/// let samples = torch::tensor([[0.0, 1.0, 2.0]])?;            // [n, samples]
/// let score = metrics::crps(&samples, &torch::tensor([1.0])?)?;
/// assert!((score.estimate - (2.0 / 3.0 - 4.0 / 9.0)).abs() < 1e-12);
/// # Ok::<(), patchbay::candle::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Crps {
    fair: bool,
    moments: RowMoments,
    missing: Missing,
}

impl Default for Crps {
    fn default() -> Self {
        Self::new()
    }
}

impl Crps {
    /// Without a value yet.
    pub fn new() -> Self {
        Self {
            fair: false,
            moments: RowMoments::default(),
            missing: Missing::Refused,
        }
    }

    /// Whether the samples stand for a distribution from which more could be drawn: then the distance of a sample from itself
    /// does not count, and few samples are no worse on average than many (Ferro 2014, Quarterly Journal of the Royal
    /// Meteorological Society 140, 1917). It needs two samples.
    #[must_use]
    pub fn fair(mut self, fair: bool) -> Self {
        self.fair = fair;
        self
    }

    row_methods!();

    /// Adds a batch: samples `[..., samples]` and targets `[...]`.
    ///
    /// # Errors
    ///
    /// Fails where the shapes do not fit or a value is not finite.
    pub fn update(&mut self, samples: &Tensor, target: &Tensor) -> Result<()> {
        let rows = Rows::several(samples, target, None, "samples", self.missing)?;
        let width = samples.dims().last().copied().unwrap_or(1);
        if self.fair && width < 2 {
            bail!(
                "the fair score needs at least two samples of each forecast, got {:?}",
                samples.dims()
            );
        }
        let count = width as f64;
        let pairs = if self.fair {
            count * (count - 1.0)
        } else {
            count * count
        };
        let mut sorted = Vec::with_capacity(width);
        rows.each(|row| {
            let mut sum = 0.0;
            for (_, own, target) in row {
                sorted.clear();
                sorted.extend_from_slice(own);
                sorted.sort_by(f64::total_cmp);
                let distance: f64 = own.iter().map(|sample| (sample - target).abs()).sum();
                // Each sample is above as many others as stand before it, and below those behind it.
                let spread: f64 = sorted
                    .iter()
                    .enumerate()
                    .map(|(at, sample)| (2.0 * at as f64 + 1.0 - count) * sample)
                    .sum();
                sum += distance / count - spread / pairs;
            }
            self.moments.add(sum, row.len());
        });
        Ok(())
    }

    /// The score with its 95 % interval (Student's t over the entries along the first axis), in the target's unit.
    ///
    /// # Errors
    ///
    /// Fails where no value has been added.
    pub fn compute(&self) -> Result<Interval> {
        Ok(self.moments.estimate("CRPS")?.around())
    }

    /// Adds what another one has seen, of other batches.
    ///
    /// # Errors
    ///
    /// Fails where one is fair and the other is not.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        same(&self.fair, &other.fair)?;
        self.moments.merge(&other.moments);
        Ok(())
    }
}

impl Show for Crps {
    fn show(&self) -> MimeBundle {
        shown("CRPS", self.compute())
    }
}

/// [`Crps`] of all samples at once, with its 95 % interval.
///
/// # Errors
///
/// As [`Crps::update`].
pub fn crps(samples: &Tensor, target: &Tensor) -> Result<Interval> {
    let mut metric = Crps::new();
    metric.update(samples, target)?;
    metric.compute()
}
