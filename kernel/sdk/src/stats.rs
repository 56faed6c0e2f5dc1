//! How sure a comparison is: intervals over seeds, intervals of shares, and McNemar's test.

use std::fmt;

use candle_core::{D, DType, Tensor, bail};

use crate::Result;

/// A mean (or a share, or a difference) with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub estimate: f64,
    pub low: f64,
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
    let centre = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    Interval {
        estimate: p,
        low: (centre - half).max(0.0),
        high: (centre + half).min(1.0),
    }
}

/// The share of rows of logits `[n, classes]` whose largest entry is at the row's class `[n]` (of an integer type), with its 95 %
/// interval by [`wilson`].
///
/// # Errors
///
/// Fails where the shapes do not fit, there are no rows, or a logit is NaN.
pub fn accuracy(logits: &Tensor, classes: &Tensor) -> Result<Interval> {
    let dims = logits.dims();
    if dims.len() != 2 || logits.elem_count() == 0 || classes.dims() != &dims[..1] {
        bail!(
            "expected logits [n, classes] and the classes [n] of at least one example, got {dims:?} and {:?}",
            classes.dims()
        );
    }
    if !classes.dtype().is_int() {
        bail!(
            "expected classes of an integer type, got {}",
            classes.dtype().as_str()
        );
    }
    let logits = logits.detach().to_dtype(DType::F32)?;
    // NaN is the only number that is not itself.
    let nan = logits.ne(&logits)?.to_dtype(DType::F32)?.sum_all()?;
    if nan.to_scalar::<f32>()? > 0.0 {
        bail!("the logits {dims:?} contain NaN: the training diverged");
    }
    let found = logits.argmax(D::Minus1)?.to_dtype(DType::I64)?;
    let right = found.eq(&classes.to_dtype(DType::I64)?)?.to_vec1::<u8>()?;
    Ok(wilson(
        right.iter().filter(|&&right| right == 1).count(),
        right.len(),
    ))
}

/// How two classifiers compare on the same examples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Examples that only the first, and only the second, got right.
    pub only_first: usize,
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
    let centre = (b - c) / total;
    let half = 1.959_963_984_540_054 * ((b + c) - (b - c).powi(2) / total).sqrt() / total;
    Comparison {
        only_first,
        only_second,
        difference: Interval {
            estimate: (only_first as f64 - only_second as f64) / n,
            low: centre - half,
            high: centre + half,
        },
        p_value: sign_test(only_first, only_second),
    }
}

/// Both sides of a binomial test with one half.
fn sign_test(a: usize, b: usize) -> f64 {
    let n = a + b;
    let mut log_choose = 0.0;
    let mut tail = 0.0;
    for k in 0..=a.min(b) {
        if k > 0 {
            log_choose += ((n - k + 1) as f64 / k as f64).ln();
        }
        tail += (log_choose - n as f64 * std::f64::consts::LN_2).exp();
    }
    (2.0 * tail).min(1.0)
}

/// The quantile of Student's t distribution for p above one half, by bisection of its distribution function.
fn student_quantile(p: f64, degrees: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1e4);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        let x = degrees / (degrees + middle * middle);
        let cumulative = 1.0 - 0.5 * incomplete_beta(degrees / 2.0, 0.5, x);
        if cumulative < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

/// The regularised incomplete beta function, by its continued fraction (Lentz's method; DLMF 8.17.22).
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    let front = (a * x.ln() + b * (1.0 - x).ln() + log_gamma(a + b) - log_gamma(a) - log_gamma(b))
        .exp()
        / a;
    let (mut c, mut d) = (1.0, 1.0 / (1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for m in 1..500 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        for term in [even, odd] {
            d = 1.0 / (1.0 + term * d);
            c = 1.0 + term / c;
            fraction *= c * d;
        }
        if (c * d - 1.0).abs() < 1e-15 {
            break;
        }
    }
    front * fraction
}

/// ln Γ by Lanczos' series with seven terms (g = 5), to 2e-10.
fn log_gamma(x: f64) -> f64 {
    const SERIES: [f64; 6] = [
        76.180_091_729_471_46,
        -86.505_320_329_416_77,
        24.014_098_240_830_91,
        -1.231_739_572_450_155,
        1.208_650_973_866_179e-3,
        -5.395_239_384_953e-6,
    ];
    let shifted = x + 5.5;
    let sum = SERIES
        .iter()
        .zip(1..)
        .fold(1.000_000_000_190_015, |sum, (term, k)| {
            sum + term / (x + f64::from(k))
        });
    (x + 0.5) * shifted.ln() - shifted + (2.506_628_274_631_000_5 * sum / x).ln()
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
