//! Errors of regression and forecasts.

use candle_core::{Tensor, bail};

use patchbay_evaluation::stats::Interval;
use patchbay_show::{MimeBundle, Result, Show};

use crate::{
    classification::shown,
    input::numbers,
    rows::{Missing, RowMoments, Rows},
};

/// What metrics of regression have in common; their state is in a field `moments`.
macro_rules! row_methods {
    () => {
        /// Whether targets that are NaN are left out; otherwise they are an error.
        #[must_use]
        pub fn skip_missing(mut self, skip: bool) -> Self {
            self.missing = match skip {
                true => Missing::Skipped,
                false => Missing::Refused,
            };
            self
        }

        /// Forgets what was added; the settings stay.
        pub fn reset(&mut self) {
            self.moments = Default::default();
        }
    };
}
pub(crate) use row_methods;

macro_rules! errors {
    ($($(#[$doc:meta])* $metric:ident, $function:ident, $name:literal, $error:expr, $root:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $metric {
            moments: RowMoments,
            missing: Missing,
        }

        impl Default for $metric {
            fn default() -> Self {
                Self::new()
            }
        }

        impl $metric {
            /// Without a value yet.
            pub fn new() -> Self {
                Self {
                    moments: RowMoments::default(),
                    missing: Missing::Refused,
                }
            }

            row_methods!();

            /// Adds a batch: prediction and target of one shape `[n, ...]`.
            ///
            /// # Errors
            ///
            /// Fails where the shapes differ or a value is not finite. Nothing of such a batch is added.
            pub fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
                let error: fn(f64) -> f64 = $error;
                let rows = Rows::alike(prediction, target, self.missing)?;
                rows.each(|row| {
                    let errors = row.iter().map(|(_, own, target)| error(own[0] - target));
                    self.moments.add(errors.sum(), row.len());
                });
                Ok(())
            }

            /// The value with its 95 % interval (Student's t over the entries along the first axis).
            ///
            /// # Errors
            ///
            /// Fails where no value has been added.
            pub fn compute(&self) -> Result<Interval> {
                let mean = self.moments.estimate($name)?.within(0.0, f64::INFINITY);
                Ok(match $root {
                    true => Interval {
                        estimate: mean.estimate.sqrt(),
                        low: mean.low.sqrt(),
                        high: mean.high.sqrt(),
                    },
                    false => mean,
                })
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

        impl Show for $metric {
            fn show(&self) -> MimeBundle {
                shown($name, self.compute())
            }
        }

        #[doc = concat!("[`", stringify!($metric), "`] of all values at once, with its 95 % interval.")]
        ///
        /// # Errors
        ///
        #[doc = concat!("As [`", stringify!($metric), "::update`].")]
        pub fn $function(prediction: &Tensor, target: &Tensor) -> Result<Interval> {
            let mut metric = $metric::new();
            metric.update(prediction, target)?;
            metric.compute()
        }
    )*};
}

errors! {
    /// The mean absolute error, in the target's unit.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let prediction = torch::tensor([[2.0, 3.0], [1.0, 5.0]])?;
    /// let target = torch::tensor([[2.5, 3.0], [0.0, 4.5]])?;
    /// assert_eq!(metrics::mae(&prediction, &target)?.estimate, 0.5);
    /// # Ok::<(), patchbay::candle::Error>(())
    /// ```
    Mae, mae, "MAE", f64::abs, false;

    /// The mean squared error, in the square of the target's unit.
    Mse, mse, "MSE", |error| error * error, false;

    /// The root of the mean squared error, in the target's unit. The ends of its interval are the roots of the mean's.
    Rmse, rmse, "RMSE", |error| error * error, true;
}

/// The mean absolute scaled error: the mean absolute error over that of the naive forecast, which repeats the value of one season
/// before, on the training part (Hyndman and Koehler 2006, Another look at measures of forecast accuracy, International Journal of
/// Forecasting 22, 679). Below 1 a forecast is better than that.
///
/// ```
/// # use patchbay::prelude::*;
/// let training = torch::tensor([1.0, 3.0, 2.0, 4.0])?;       // naive errors 2, 1, 2
/// let mut mase = metrics::Mase::new(&training, 1)?;
/// mase.update(&torch::tensor([5.0, 5.0])?, &torch::tensor([5.0, 6.0])?)?;
/// assert!((mase.compute()?.estimate - 0.5 / (5.0 / 3.0)).abs() < 1e-12);
/// # Ok::<(), patchbay::candle::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Mase {
    scales: Vec<f64>,
    moments: RowMoments,
    missing: Missing,
}

impl Mase {
    /// Scaled by the training part of one series `[time]`, or of several, `[series, time]`, each by its own. `season` is how many
    /// steps the naive forecast looks back: 1 for the last value, 24 for the same hour of yesterday.
    ///
    /// # Errors
    ///
    /// Fails where a series is not longer than the season, has values that are not finite, or is constant at that season.
    pub fn new(training: &Tensor, season: usize) -> Result<Self> {
        let dims = training.dims();
        let (series, time) = match *dims {
            [time] => (1, time),
            [series, time] => (series, time),
            _ => bail!("expected a training part [time] or [series, time], got {dims:?}"),
        };
        if season == 0 || time <= season || series == 0 {
            bail!(
                "a naive forecast of season {season} needs more than {season} values of at least one series, and a season of \
                 at least 1; the training part is {dims:?}"
            );
        }
        let values = numbers(training)?;
        let mut scales = Vec::with_capacity(series);
        for (index, own) in values.chunks_exact(time).enumerate() {
            let errors = own.iter().zip(&own[season..]);
            let sum: f64 = errors.map(|(before, now)| (now - before).abs()).sum();
            let scale = sum / (time - season) as f64;
            if !scale.is_finite() || scale == 0.0 {
                bail!(
                    "the naive error of series {index} of the training part {dims:?} is {scale} at season {season}: nothing can \
                     be scaled by it. Leave out series that are constant or have values missing"
                );
            }
            scales.push(scale);
        }
        Ok(Self {
            scales,
            moments: RowMoments::default(),
            missing: Missing::Refused,
        })
    }

    row_methods!();

    /// Adds a batch: forecast and target of one shape. Of several series they are `[series, horizon]` or
    /// `[n, series, horizon]`.
    ///
    /// # Errors
    ///
    /// Fails where the shapes differ or do not fit the series, or a value is not finite.
    pub fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()> {
        let rows = Rows::alike(prediction, target, self.missing)?;
        let series = self.scales.len();
        let dims = prediction.dims();
        let horizon = dims.last().copied().unwrap_or(1).max(1);
        if series > 1 && (dims.len() < 2 || dims[dims.len() - 2] != series) {
            bail!(
                "the training part had {series} series: expected a forecast [{series}, horizon] or [n, {series}, horizon], got \
                 {dims:?}"
            );
        }
        let scales = &self.scales;
        rows.each(|row| {
            let errors = row.iter().map(|(position, own, target)| {
                (own[0] - target).abs() / scales[position / horizon % series]
            });
            self.moments.add(errors.sum(), row.len());
        });
        Ok(())
    }

    /// The value with its 95 % interval (Student's t over the entries along the first axis; the scales are taken as known).
    ///
    /// # Errors
    ///
    /// Fails where no value has been added.
    pub fn compute(&self) -> Result<Interval> {
        Ok(self.moments.estimate("MASE")?.within(0.0, f64::INFINITY))
    }

    /// Adds what another one has seen, of other batches.
    ///
    /// # Errors
    ///
    /// Fails where the scales differ.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        crate::counting::same(&self.scales, &other.scales)?;
        self.moments.merge(&other.moments);
        Ok(())
    }
}

impl Show for Mase {
    fn show(&self) -> MimeBundle {
        shown("MASE", self.compute())
    }
}

/// [`Mase`] of all values at once, with its 95 % interval.
///
/// # Errors
///
/// As [`Mase::new`] and [`Mase::update`].
pub fn mase(
    prediction: &Tensor,
    target: &Tensor,
    training: &Tensor,
    season: usize,
) -> Result<Interval> {
    let mut metric = Mase::new(training, season)?;
    metric.update(prediction, target)?;
    metric.compute()
}
