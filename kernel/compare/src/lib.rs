//! How far numbers are from those that a test expects.
//!
//! `f32::max` and `f64::max` take the other argument where one is NaN, so that `fold(0.0, f64::max)` over differences finds
//! nothing wrong with a result that is NaN everywhere, and candle's `max_all` does no better. Here NaN is infinitely far from
//! anything, and a result of no numbers at all is, too: a test that compares nothing fails. `tests/sources.rs` looks for such folds in
//! all tests.

use std::{fmt::Display, io::Write};

/// The largest magnitude; infinite where one is NaN.
///
/// # Panics
///
/// Where there are no values.
#[track_caller]
pub fn largest<T: Copy + Into<f64>>(values: &[T]) -> f64 {
    assert!(!values.is_empty(), "nothing to compare");
    values.iter().fold(0.0, |most, &value| {
        let value = value.into().abs();
        if value.is_nan() {
            f64::INFINITY
        } else {
            most.max(value)
        }
    })
}

/// The largest difference of two numbers in the same place; infinite where one is NaN. Equal infinities do not differ.
///
/// # Panics
///
/// Where there are not as many numbers as are expected, or none.
#[track_caller]
pub fn largest_difference<A, B>(ours: &[A], expected: &[B]) -> f64
where
    A: Copy + Into<f64>,
    B: Copy + Into<f64>,
{
    assert_eq!(
        ours.len(),
        expected.len(),
        "as many numbers as are expected"
    );
    let differences: Vec<f64> = ours
        .iter()
        .zip(expected)
        .map(|(&ours, &expected)| {
            let (ours, expected): (f64, f64) = (ours.into(), expected.into());
            if ours == expected {
                0.0
            } else {
                (ours - expected).abs()
            }
        })
        .collect();
    largest(&differences)
}

/// The largest difference over the largest magnitude of what is expected, of which only finite numbers count and at least
/// `least`: what is expected may be all zeros.
///
/// # Panics
///
/// As [`largest_difference`].
#[track_caller]
pub fn relative_difference<A, B>(ours: &[A], expected: &[B], least: f64) -> f64
where
    A: Copy + Into<f64>,
    B: Copy + Into<f64>,
{
    let difference = largest_difference(ours, expected);
    let size = expected
        .iter()
        .map(|&expected| expected.into().abs())
        .filter(|expected| expected.is_finite())
        .fold(least, f64::max);
    // Two zeros do not differ.
    if difference == 0.0 {
        0.0
    } else {
        difference / size
    }
}

/// Says that a test was skipped, and why, past the output that the test runner keeps of tests that pass.
///
/// # Panics
///
/// Where nothing can be written to stderr.
pub fn skipped(why: impl Display) {
    let told = writeln!(std::io::stderr(), "skipped: {why}");
    told.expect("stderr can be written to");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_infinitely_far_wherever_it_is() {
        let nan = f64::NAN;
        for (ours, expected) in [
            ([nan, 1.0, 1.0], [1.0, 1.0, 1.0]),
            ([1.0, nan, 1.0], [1.0, 1.0, 1.0]),
            ([1.0, 1.0, nan], [1.0, 1.0, 1.0]),
            ([1.0, 1.0, 1.0], [1.0, nan, 1.0]),
            ([1.0, nan, 1.0], [1.0, nan, 1.0]),
            ([1.0, f64::INFINITY, 1.0], [1.0, 1.0, 1.0]),
            ([1.0, 1.0, 1.0], [1.0, f64::INFINITY, 1.0]),
            ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]),
        ] {
            assert_eq!(largest_difference(&ours, &expected), f64::INFINITY);
            assert_eq!(relative_difference(&ours, &expected, 0.0), f64::INFINITY);
        }
        assert_eq!(largest(&[1.0, nan, 2.0]), f64::INFINITY);
    }

    #[test]
    fn numbers_are_compared_in_their_places() {
        assert_eq!(largest_difference(&[1.0f32, 2.0], &[1.0f64, 2.5]), 0.5);
        assert_eq!(relative_difference(&[1.0, 2.0], &[1.0, -4.0], 0.0), 1.5);
        assert_eq!(relative_difference(&[0.0; 2], &[0.0; 2], 0.0), 0.0);
        assert_eq!(relative_difference(&[1.0; 2], &[0.0; 2], 0.5), 2.0);
        assert_eq!(largest(&[1.0f32, -3.0]), 3.0);
        let (ours, expected) = ([f64::INFINITY, 1.0], [f64::INFINITY, 2.0]);
        assert_eq!(relative_difference(&ours, &expected, 0.0), 0.5);
    }

    #[test]
    #[should_panic(expected = "nothing to compare")]
    fn a_comparison_of_nothing_fails() {
        let nothing: [f64; 0] = [];
        largest_difference(&nothing, &nothing);
    }

    #[test]
    #[should_panic(expected = "as many numbers")]
    fn other_lengths_fail() {
        largest_difference(&[1.0], &[1.0, 2.0]);
    }
}
