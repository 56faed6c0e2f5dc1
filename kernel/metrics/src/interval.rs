//! Intervals of estimates whose variance is known.

use patchbay_evaluation::stats::{Interval, student_quantile};

/// The normal distribution's quantile of 97.5 %.
const Z: f64 = 1.959_963_984_540_054;

/// An estimate and how sure it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Estimate {
    pub value: f64,
    pub variance: f64,
    /// Of how many draws the estimate is a share, where its variance is 0: all right, or all wrong.
    pub trials: f64,
    /// How many units (images, series, queries) the variance is of; `None` of single examples, which are many or are counted.
    pub units: Option<usize>,
}

impl Estimate {
    /// The quantile by which a standard error is multiplied: Student's t of units, of which there may be few.
    fn quantile(&self) -> f64 {
        match self.units {
            Some(units) if units < 2 => f64::INFINITY,
            Some(units) => student_quantile(0.975, units as f64 - 1.0),
            None => Z,
        }
    }

    /// The 95 % interval of a share: Wilson's, of as many trials as would have the estimate's variance (Korn and Graubard 1998,
    /// Survey Methodology 24, 193, with Wilson's interval in place of Clopper's). Of single examples it is Wilson's own. It stays
    /// within 0 and 1, and has a width where all examples are right.
    pub(crate) fn share(&self) -> Interval {
        let (p, z) = (self.value, self.quantile());
        let trials = if self.variance > 0.0 && p > 0.0 && p < 1.0 {
            p * (1.0 - p) / self.variance
        } else {
            self.trials
        };
        if p.is_nan() {
            return undefined();
        }
        if z.is_infinite() || trials.is_nan() || trials <= 0.0 {
            return Interval {
                estimate: p,
                low: 0.0,
                high: 1.0,
            };
        }
        let ratio = z * z / trials;
        let center = (p + ratio / 2.0) / (1.0 + ratio);
        let half = (ratio * p * (1.0 - p) + ratio * ratio / 4.0).sqrt() / (1.0 + ratio);
        Interval {
            estimate: p,
            low: (center - half).clamp(0.0, p.clamp(0.0, 1.0)),
            high: (center + half).clamp(p.clamp(0.0, 1.0), 1.0),
        }
    }

    /// The 95 % interval of an estimate without bounds: so many standard errors to both sides.
    pub(crate) fn around(&self) -> Interval {
        let quantile = self.quantile();
        // Of one unit the variance is 0, and says nothing.
        let half = match quantile.is_infinite() {
            true => quantile,
            false => quantile * self.variance.max(0.0).sqrt(),
        };
        Interval {
            estimate: self.value,
            low: self.value - half,
            high: self.value + half,
        }
    }

    /// [`Estimate::around`], cut at the least and the largest possible value.
    pub(crate) fn within(&self, least: f64, most: f64) -> Interval {
        let interval = self.around();
        Interval {
            estimate: self.value,
            low: interval.low.max(least),
            high: interval.high.min(most),
        }
    }
}

/// What has no value: a class that is in neither predictions nor targets.
pub(crate) fn undefined() -> Interval {
    Interval {
        estimate: f64::NAN,
        low: f64::NAN,
        high: f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use patchbay_evaluation::stats::wilson;

    fn close(found: Interval, expected: Interval) {
        assert!(
            (found.low - expected.low).abs() < 1e-12 && (found.high - expected.high).abs() < 1e-12,
            "{found:?}, expected {expected:?}"
        );
    }

    #[test]
    fn the_interval_of_a_share_is_wilsons() {
        for (right, all) in [(0usize, 7usize), (3, 7), (7, 7), (1, 1), (950, 1000)] {
            let (p, n) = (right as f64 / all as f64, all as f64);
            let estimate = Estimate {
                value: p,
                variance: p * (1.0 - p) / n,
                trials: n,
                units: None,
            };
            close(estimate.share(), wilson(right, all));
        }
    }

    #[test]
    fn one_unit_says_nothing_and_few_say_less_than_many() {
        let of = |units| Estimate {
            value: 0.6,
            variance: 0.001,
            trials: 10.0,
            units,
        };
        let one = of(Some(1)).share();
        assert_eq!((one.low, one.high), (0.0, 1.0));
        assert!(of(Some(1)).around().high.is_infinite());
        assert!(of(Some(3)).share().half_width() > 1.5 * of(None).share().half_width());
        assert!(undefined().low.is_nan());
    }
}
