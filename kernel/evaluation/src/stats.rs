//! How sure a comparison is: intervals over seeds, intervals of shares, and McNemar's test.

use std::fmt;

use candle_core::{DType, Tensor, bail};
use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, StudentsT};

use patchbay_ops as ops;
use patchbay_show::{MimeBundle, Result, Show, show::plain_text, tensor::number};

/// A mean (or a share, or a difference) with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The value that was measured.
    pub estimate: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Whether 0 lies inside: a difference that may be chance. Of an interval that is not known (NaN) nothing else can be said.
    pub fn contains_zero(&self) -> bool {
        !(self.low > 0.0 || self.high < 0.0)
    }

    /// Half of the interval's width.
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }
}

impl fmt::Display for Interval {
    /// `0.83 ± 0.02`, with as many places as a precision in the format says.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = formatter.precision().unwrap_or(3);
        write!(
            formatter,
            "{:.places$} ± {:.places$}",
            self.estimate,
            self.half_width()
        )
    }
}

impl Show for Interval {
    /// `0.8123 (95 % interval 0.79 to 0.83)`: the ends to the place in which they differ, the estimate two places more.
    fn show(&self) -> MimeBundle {
        plain_text(self.text())
    }
}

impl Interval {
    /// What the last expression of a cell shows: `0.8123 (95 % interval 0.79 to 0.83)`.
    ///
    /// An estimate that is NaN is `not defined`, and ends that are not finite, as those of a single value, are `no interval`.
    pub fn text(&self) -> String {
        if self.estimate.is_nan() {
            return "not defined".to_owned();
        }
        let half = self.half_width();
        if !half.is_finite() {
            return format!("{} (no interval)", number(self.estimate));
        }
        let size = self.estimate.abs().max(half);
        if size >= 1e6 || (size < 1e-3 && size > 0.0) {
            return format!(
                "{:.4e} (95 % interval {:.2e} to {:.2e})",
                self.estimate, self.low, self.high
            );
        }
        let (estimate, ends) = self.places();
        format!(
            "{:.estimate$} (95 % interval {:.ends$} to {:.ends$})",
            self.estimate, self.low, self.high
        )
    }

    /// How many decimals the estimate, and the ends, are worth.
    fn places(&self) -> (usize, usize) {
        const MOST: f64 = 6.0;
        // Of values above 100 even the first decimal says nothing.
        let least = (2.0 - self.estimate.abs().max(1.0).log10().floor()).clamp(0.0, 2.0);
        let half = self.half_width();
        let needed = if half > 0.0 {
            (-half.log10()).ceil()
        } else {
            0.0
        };
        let ends = needed.clamp(least, MOST) as usize;
        (ends + 2, ends)
    }
}

/// The mean of repetitions with its 95 % interval by Student's t. One value has an infinite interval.
///
/// # Panics
///
/// Panics where there are no values.
pub fn mean_interval(values: &[f64]) -> Interval {
    assert!(
        !values.is_empty(),
        "a mean with its interval wants at least one value"
    );
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let half = if values.len() < 2 {
        f64::INFINITY
    } else {
        let variance = values
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>()
            / (n - 1.0);
        student_quantile(0.975, n - 1.0) * (variance / n).sqrt()
    };
    Interval {
        estimate: mean,
        low: mean - half,
        high: mean + half,
    }
}

/// The mean of `a - b` over pairs (the same seed, the same split), with its 95 % interval. Pairs that share what is random have
/// a narrower one than two means.
///
/// # Panics
///
/// Panics where the numbers of values differ, or are 0.
pub fn paired_difference(a: &[f64], b: &[f64]) -> Interval {
    assert_eq!(
        a.len(),
        b.len(),
        "a paired difference wants as many values of both"
    );
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    mean_interval(&differences)
}

/// A share with its 95 % interval (Wilson 1927, JASA 22, 209): right also for few trials and shares near 0 and 1. The
/// interval is not symmetric about the share.
///
/// # Panics
///
/// Panics where there are no trials, or more successes than trials.
pub fn wilson(successes: usize, trials: usize) -> Interval {
    assert!(
        trials > 0 && successes <= trials,
        "a share wants successes of at least one trial, got {successes} of {trials}"
    );
    const Z: f64 = 1.959_963_984_540_054;
    let n = trials as f64;
    let p = successes as f64 / n;
    let center = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    Interval {
        estimate: p,
        low: (center - half).max(0.0),
        high: (center + half).min(1.0),
    }
}

/// The share of targets that are met, with its 95 % interval by [`wilson`]: `stats::accuracy(&logits, &targets)?`.
///
/// `predictions` are logits or probabilities `[n, classes, ...]` of a float type, whose largest entry along axis 1 is the
/// prediction, or the predicted classes `[n, ...]` of an integer type. `targets` are classes `[n, ...]` of an integer type; those
/// that are [`ops::IGNORE_INDEX`] (-100) do not count.
///
/// # Errors
///
/// Fails where the shapes do not fit, a target is no class of the logits, no target counts, or a logit of one that counts is NaN.
pub fn accuracy(predictions: &Tensor, targets: &Tensor) -> Result<Interval> {
    accuracy_ignoring(predictions, targets, Some(ops::IGNORE_INDEX))
}

/// [`accuracy`] with another class index of targets that do not count, such as 255; `None`: all count.
///
/// # Errors
///
/// As [`accuracy`].
pub fn accuracy_ignoring(
    predictions: &Tensor,
    targets: &Tensor,
    ignore_index: impl Into<Option<i64>>,
) -> Result<Interval> {
    top_k_accuracy_ignoring(predictions, targets, 1, ignore_index)
}

/// The share of targets that are among the `k` largest entries of logits `[n, classes, ...]`, with its 95 % interval. Of equal
/// entries the target is the last, so that logits which are all the same find nothing (for `k` = 1 the first is taken, as
/// `argmax` does).
///
/// # Errors
///
/// As [`accuracy`], and where `k` is 0 or above the number of classes.
pub fn top_k_accuracy(logits: &Tensor, targets: &Tensor, k: usize) -> Result<Interval> {
    top_k_accuracy_ignoring(logits, targets, k, Some(ops::IGNORE_INDEX))
}

/// [`top_k_accuracy`] with another class index of targets that do not count; `None`: all count.
///
/// # Errors
///
/// As [`top_k_accuracy`].
pub fn top_k_accuracy_ignoring(
    logits: &Tensor,
    targets: &Tensor,
    k: usize,
    ignore_index: impl Into<Option<i64>>,
) -> Result<Interval> {
    let dims = logits.dims();
    if !targets.dtype().is_int() {
        bail!(
            "expected targets of an integer type, got {}: `to_dtype(DType::I64)` makes classes of whole numbers",
            targets.dtype().as_str()
        );
    }
    let ignore_index = ignore_index.into();
    let ignored = ignore_index.map(|index| ops::ignored_value(targets.dtype(), index));
    let classes = targets
        .to_dtype(DType::I64)?
        .flatten_all()?
        .to_vec1::<i64>()?;
    let counts = |class: i64| Some(class) != ignored;
    let counted = classes.iter().filter(|&&class| counts(class)).count();
    if counted == 0 {
        bail!(
            "expected at least one target that counts, got {:?} targets, of which all are ignored (ignore_index is {})",
            targets.dims(),
            ignore_index.map_or_else(|| "not set".to_owned(), |index| index.to_string())
        );
    }
    if logits.dtype().is_int() {
        if dims != targets.dims() {
            bail!(
                "expected predicted classes of the targets' shape {:?}, got {dims:?}; logits have a float type",
                targets.dims()
            );
        }
        if k != 1 {
            bail!("the best {k} are of logits [n, classes], not of predicted classes {dims:?}");
        }
        let predicted = logits
            .to_dtype(DType::I64)?
            .flatten_all()?
            .to_vec1::<i64>()?;
        let both = predicted.iter().zip(&classes);
        let right = both.filter(|&(found, class)| counts(*class) && found == class);
        return Ok(wilson(right.count(), counted));
    }
    let mut positions = dims.to_vec();
    if dims.len() > 1 {
        positions.remove(1);
    }
    if dims.len() < 2 || dims[1] == 0 || targets.dims() != positions {
        bail!(
            "expected logits [n, classes, ...] with targets [n, ...], or predicted classes of an integer type and the \
             targets' shape; got {dims:?} and {:?}",
            targets.dims()
        );
    }
    let count = dims[1];
    if k == 0 || k > count {
        bail!("the best {k} of {count} classes: k is from 1 to the number of classes");
    }
    let outside =
        |&(_, &class): &(usize, &i64)| counts(class) && !(0..count as i64).contains(&class);
    if let Some((position, class)) = classes.iter().enumerate().find(outside) {
        bail!(
            "the target at position {position} of {:?} is class {class}; the logits {dims:?} have classes 0 to {}, and \
             ignore_index is {}",
            targets.dims(),
            count - 1,
            ignore_index.map_or_else(|| "not set".to_owned(), |index| index.to_string())
        );
    }
    let logits = logits.detach().to_dtype(DType::F32)?;
    // NaN is the only number that is not itself.
    let nan = ops::sum(&logits.ne(&logits)?, 1)?
        .flatten_all()?
        .to_vec1::<i64>()?;
    if nan
        .iter()
        .zip(&classes)
        .any(|(&nan, &class)| nan > 0 && counts(class))
    {
        bail!("the logits {dims:?} contain NaN: the training diverged");
    }
    let right = if k == 1 {
        let found = logits.argmax(1)?.flatten_all()?.to_vec1::<u32>()?;
        let both = found.iter().zip(&classes);
        both.filter(|&(&found, &class)| counts(class) && i64::from(found) == class)
            .count()
    } else {
        // A row of logits for each target.
        let mut order: Vec<usize> = (0..dims.len()).filter(|&dim| dim != 1).collect();
        order.push(1);
        let values = logits.permute(order)?.flatten_all()?.to_vec1::<f32>()?;
        let is_among = |&(row, &class): &(&[f32], &i64)| {
            counts(class)
                && row
                    .iter()
                    .filter(|&&logit| logit >= row[class as usize])
                    .count()
                    <= k
        };
        values
            .chunks_exact(count)
            .zip(&classes)
            .filter(is_among)
            .count()
    };
    Ok(wilson(right, counted))
}

/// How two classifiers compare on the same examples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Examples that only the first, and only the second, got right.
    pub only_first: usize,
    /// The number of cases in which the second alone was right.
    pub only_second: usize,
    /// The first's accuracy less the second's, with its 95 % interval (Agresti and Min 2005).
    pub difference: Interval,
    /// The probability of a difference at least as large if both were equally good: McNemar's exact test, both sides.
    pub p_value: f64,
}

/// Compares which examples two classifiers got right. Only those on which they differ say anything.
///
/// # Panics
///
/// Panics where the numbers of examples differ, or are 0.
pub fn mcnemar(first_right: &[bool], second_right: &[bool]) -> Comparison {
    assert!(
        !first_right.is_empty(),
        "McNemar's test wants at least one example"
    );
    assert_eq!(
        first_right.len(),
        second_right.len(),
        "McNemar's test wants the same examples for both"
    );
    let both = || first_right.iter().zip(second_right);
    let only_first = both().filter(|&(&a, &b)| a && !b).count();
    let only_second = both().filter(|&(&a, &b)| b && !a).count();
    let n = first_right.len() as f64;
    // Half an example is added to each of the four cells.
    let (b, c, total) = (only_first as f64 + 0.5, only_second as f64 + 0.5, n + 2.0);
    let center = (b - c) / total;
    let half = 1.959_963_984_540_054 * ((b + c) - (b - c).powi(2) / total).sqrt() / total;
    Comparison {
        only_first,
        only_second,
        difference: Interval {
            estimate: (only_first as f64 - only_second as f64) / n,
            low: center - half,
            high: center + half,
        },
        p_value: sign_test(only_first, only_second),
    }
}

/// Returns the two-sided p-value of a binomial test with a probability of one half.
fn sign_test(a: usize, b: usize) -> f64 {
    // Of no pair that differs nothing can be said; the probability of one half is a valid one.
    Binomial::new(0.5, (a + b) as u64).map_or(1.0, |binomial| {
        (2.0 * binomial.cdf(a.min(b) as u64)).min(1.0)
    })
}

/// Returns the quantile of Student's t distribution with as many degrees of freedom; NaN where these are not above 0.
///
/// With 1e6 degrees and more it is the normal distribution's to six places.
pub fn student_quantile(p: f64, degrees: f64) -> f64 {
    StudentsT::new(0.0, 1.0, degrees).map_or(f64::NAN, |student| student.inverse_cdf(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_intervals_are_those_of_scipy() {
        // scipy.stats.t.ppf(0.975, d).
        for (degrees, expected) in [
            (1.0, 12.706_204_736),
            (4.0, 2.776_445_105),
            (9.0, 2.262_157_163),
            (200.0, 1.971_896_224),
        ] {
            let found = student_quantile(0.975, degrees);
            assert!((found - expected).abs() < 1e-6, "{degrees}: {found}");
        }
        let interval = mean_interval(&[1.0, 2.0, 4.0, 3.5]);
        assert_eq!(format!("{interval:.3}"), "2.625 ± 2.191");
        // scipy.stats.binomtest(8, 10).proportion_ci(method="wilson").
        let share = wilson(8, 10);
        assert!(
            (share.low - 0.490_162_47).abs() < 1e-7 && (share.high - 0.943_317_82).abs() < 1e-7,
            "{share:?}"
        );
        assert_eq!((wilson(0, 5).low, wilson(5, 5).high), (0.0, 1.0));
    }

    #[test]
    fn an_interval_shows_itself_briefly() {
        let shown = |estimate: f64, low: f64, high: f64| {
            let interval = Interval {
                estimate,
                low,
                high,
            };
            interval.show().data["text/plain"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        for (interval, text) in [
            (
                (0.81234, 0.7912, 0.8312),
                "0.8123 (95 % interval 0.79 to 0.83)",
            ),
            ((1.0, 0.342, 1.0), "1.0000 (95 % interval 0.34 to 1.00)"),
            (
                (0.98765, 0.98701, 0.98821),
                "0.987650 (95 % interval 0.9870 to 0.9882)",
            ),
            ((0.5, 0.5, 0.5), "0.5000 (95 % interval 0.50 to 0.50)"),
            ((153.21, 141.0, 165.4), "153.21 (95 % interval 141 to 165)"),
            ((-2.5, -3.1, -1.9), "-2.5000 (95 % interval -3.10 to -1.90)"),
            (
                (1.25e-7, 1e-7, 1.5e-7),
                "1.2500e-7 (95 % interval 1.00e-7 to 1.50e-7)",
            ),
            ((0.0, 0.0, 0.0435), "0.0000 (95 % interval 0.00 to 0.04)"),
            ((0.5, f64::NEG_INFINITY, f64::INFINITY), "0.5 (no interval)"),
            ((f64::NAN, 0.0, 1.0), "not defined"),
        ] {
            assert_eq!(shown(interval.0, interval.1, interval.2), text);
        }
    }

    #[test]
    fn mcnemar_counts_what_differs() {
        let first = [true, true, true, true, true, true, false, false];
        let second = [true, false, false, false, false, false, true, false];
        let comparison = mcnemar(&first, &second);
        assert_eq!((comparison.only_first, comparison.only_second), (5, 1));
        // scipy.stats.binomtest(1, 6).pvalue.
        assert!((comparison.p_value - 0.218_75).abs() < 1e-12);
        assert_eq!(comparison.difference.estimate, 0.5);
        assert_eq!(mcnemar(&first, &first).p_value, 1.0);
        assert!(mcnemar(&first, &first).difference.contains_zero());
    }
    #[test]
    fn accuracy_is_a_share_with_its_interval() {
        let cpu = candle_core::Device::Cpu;
        let logits = Tensor::new(&[[0.1f32, 0.9], [2.0, 1.0], [0.0, 1.0]], &cpu).unwrap();
        let classes = Tensor::new(&[1u32, 0, 0], &cpu).unwrap();
        assert_eq!(accuracy(&logits, &classes).unwrap(), wilson(2, 3));
        let text = accuracy(&logits, &classes.narrow(0, 0, 2).unwrap()).unwrap_err();
        assert!(text.to_string().contains("[3, 2] and [2]"), "{text}");
        let text = accuracy(
            &logits.log().unwrap().affine(0.0, f64::NAN).unwrap(),
            &classes,
        );
        assert!(text.unwrap_err().to_string().contains("NaN"));
        let floats = classes.to_dtype(DType::F32).unwrap();
        assert!(accuracy(&logits, &floats).is_err());
    }

    #[test]
    fn accuracy_takes_predictions_images_and_any_integer_type() {
        let cpu = candle_core::Device::Cpu;
        let predicted = Tensor::new(&[1u8, 0, 2, 2], &cpu).unwrap();
        let targets = Tensor::new(&[1i64, 0, 2, 0], &cpu).unwrap();
        assert_eq!(accuracy(&predicted, &targets).unwrap(), wilson(3, 4));
        // 300 of 300, and not 300 modulo 256.
        let many = Tensor::zeros(300, DType::U8, &cpu).unwrap();
        assert_eq!(accuracy(&many, &many).unwrap(), wilson(300, 300));
        // [1, classes, 2, 2].
        let logits = Tensor::new(
            &[[[[3f32, 0.0], [0.0, 0.0]], [[0.0, 1.0], [2.0, 0.0]]]],
            &cpu,
        );
        let targets = Tensor::new(&[[[0u32, 1], [0, 0]]], &cpu).unwrap();
        // Of equal logits the first is taken.
        let expected = wilson(3, 4);
        assert_eq!(
            accuracy(logits.as_ref().unwrap(), &targets).unwrap(),
            expected
        );
        let best = top_k_accuracy(&logits.unwrap(), &targets, 2).unwrap();
        assert_eq!(best, wilson(4, 4));
        let rows = Tensor::new(&[[0.1f32, 0.5, 0.4], [0.2, 0.2, 0.2]], &cpu).unwrap();
        let classes = Tensor::new(&[2i64, 1], &cpu).unwrap();
        assert_eq!(top_k_accuracy(&rows, &classes, 1).unwrap(), wilson(0, 2));
        assert_eq!(top_k_accuracy(&rows, &classes, 2).unwrap(), wilson(1, 2));
        assert!(top_k_accuracy(&rows, &classes, 4).is_err());
        assert!(top_k_accuracy(&rows, &classes, 0).is_err());
    }

    #[test]
    fn ignored_targets_do_not_count() {
        let cpu = candle_core::Device::Cpu;
        let logits = Tensor::new(&[[0.1f32, 0.9], [f32::NAN, 0.0], [1.0, 0.0]], &cpu).unwrap();
        let signed = Tensor::new(&[1i64, -100, 0], &cpu).unwrap();
        // What -100 becomes in u32.
        let unsigned = signed.to_dtype(DType::U32).unwrap();
        assert_eq!(unsigned.to_vec1::<u32>().unwrap()[1], u32::MAX - 99);
        for targets in [&signed, &unsigned, &signed.to_dtype(DType::I32).unwrap()] {
            assert_eq!(accuracy(&logits, targets).unwrap(), wilson(2, 2));
        }
        let bytes = Tensor::new(&[1u8, 255, 0], &cpu).unwrap();
        assert_eq!(
            accuracy_ignoring(&logits, &bytes, 255).unwrap(),
            wilson(2, 2)
        );
        let text = accuracy(&logits, &bytes).unwrap_err().to_string();
        assert!(
            text.contains("position 1 of [3] is class 255") && text.contains("-100"),
            "{text}"
        );
        let text = accuracy(&logits, &Tensor::new(&[1i64, -1, 0], &cpu).unwrap());
        assert!(text.unwrap_err().to_string().contains("is class -1;"));
        let text = accuracy_ignoring(&logits, &signed, None)
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("class -100") && text.contains("not set"),
            "{text}"
        );
        let none = Tensor::new(&[-100i64; 3], &cpu).unwrap();
        let text = accuracy(&logits, &none).unwrap_err().to_string();
        assert!(text.contains("all are ignored"), "{text}");
        let predicted = Tensor::new(&[1u32, 7, 0], &cpu).unwrap();
        assert_eq!(accuracy(&predicted, &signed).unwrap(), wilson(2, 2));
    }

    #[test]
    fn an_unknown_interval_contains_zero() {
        assert!(mean_interval(&[f64::NAN, 1.0]).contains_zero());
        assert!(!mean_interval(&[1.0, 1.1, 1.0]).contains_zero());
    }

    #[test]
    #[should_panic(expected = "got 0 of 0")]
    fn a_share_of_nothing_is_told() {
        wilson(0, 0);
    }

    #[test]
    #[should_panic(expected = "got 5 of 3")]
    fn more_than_all_is_told() {
        wilson(5, 3);
    }

    #[test]
    #[should_panic(expected = "at least one value")]
    fn a_mean_of_nothing_is_told() {
        mean_interval(&[]);
    }

    #[test]
    #[should_panic(expected = "at least one example")]
    fn a_comparison_of_nothing_is_told() {
        mcnemar(&[], &[]);
    }
}
