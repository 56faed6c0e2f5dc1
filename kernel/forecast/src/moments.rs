//! Mean and deviation, close enough to tell a constant from small noise on a large offset.

/// Mean and population standard deviation of values, in `f64`.
///
/// The sums are of differences from the first value, and the second pass takes out what rounding has left in the
/// first (Chan, Golub and LeVeque 1983, Algorithms for Computing the Sample Variance, eq. 1.7). So equal values have
/// the deviation 0 whatever they are, and 10⁶ plus small noise has the noise's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// The mean.
    pub mean: f64,
    /// 0 exactly where all values are equal but for the rounding of `f64`: where it would be at most
    /// [`Moments::ROUNDING`] times the largest magnitude.
    pub deviation: f64,
}

impl Moments {
    /// A deviation of so many largest magnitudes is rounding: four units in the last place of `f64`. Values that were
    /// rounded to `f32` or less differ by much more where they differ.
    pub const ROUNDING: f64 = 4.0 * f64::EPSILON;

    /// Of `f32` or `f64` values, in their order; NaN for none.
    pub fn of<T: Copy + Into<f64>>(values: &[T]) -> Moments {
        let count = values.len() as f64;
        let first: f64 = values.first().map_or(f64::NAN, |&value| value.into());
        let shift = sums(values, |x| [x - first, x.abs(), 0.0]);
        if shift.most > 0.0 && shift.most < TINY {
            // Squares of these would be 0.
            let scaled: Vec<f64> = values.iter().map(|&x| x.into() / shift.most).collect();
            let scaled = Moments::of(&scaled);
            return Moments {
                mean: scaled.mean * shift.most,
                deviation: scaled.deviation * shift.most,
            };
        }
        let shifted_mean = shift.sums[0] / count;
        let center = |x: f64| x - first - shifted_mean;
        let second = sums(values, |x| {
            let difference = center(x);
            [difference, 0.0, difference * difference]
        });
        let left = second.sums[0] / count;
        let variance = second.sums[2] / count - left * left;
        // Rounding may leave less than 0; `max` would take NaN for 0, too.
        let deviation = if variance < 0.0 { 0.0 } else { variance.sqrt() };
        let constant = deviation <= Moments::ROUNDING * shift.most;
        Moments {
            mean: first + (shifted_mean + left),
            deviation: if constant { 0.0 } else { deviation },
        }
    }

    /// What values are divided by: the deviation, and 1 for a constant, as the reference programs of RevIN and
    /// scikit-learn's `StandardScaler` have it.
    pub fn divisor(&self) -> f64 {
        if self.deviation == 0.0 {
            1.0
        } else {
            self.deviation
        }
    }
}

/// Magnitudes below this have squares that `f64` does not hold to all its places.
const TINY: f64 = 1e-120;

struct Sums {
    sums: [f64; 3],
    /// The largest of the second terms.
    most: f64,
}

/// Sums of three terms of each value in eight lanes, which the compiler can vectorize.
#[inline]
fn sums<T: Copy + Into<f64>>(values: &[T], terms: impl Fn(f64) -> [f64; 3]) -> Sums {
    const LANES: usize = 8;
    let mut first = [0.0; LANES];
    let mut most = [0f64; LANES];
    let mut third = [0.0; LANES];
    for chunk in values.chunks(LANES) {
        for (lane, &value) in chunk.iter().enumerate() {
            let [a, b, c] = terms(value.into());
            first[lane] += a;
            most[lane] = most[lane].max(b);
            third[lane] += c;
        }
    }
    Sums {
        sums: [first.iter().sum(), 0.0, third.iter().sum()],
        most: most.iter().copied().fold(0.0, f64::max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_the_deviation_0_whatever_they_are_and_however_many() {
        let mut state = 1u64;
        for count in [1usize, 2, 3, 7, 30, 96, 336, 720, 1441, 100_003] {
            for _ in 0..40 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let exponent = ((state >> 20) % 60) as i32 - 30;
                let value =
                    ((state >> 11) as f64 / (1u64 << 53) as f64 - 0.5) * 2f64.powi(exponent);
                let wide = Moments::of(&vec![value; count]);
                assert_eq!(
                    (wide.mean, wide.deviation),
                    (value, 0.0),
                    "{value} x {count}"
                );
                let narrow = Moments::of(&vec![value as f32; count]);
                assert_eq!(
                    (narrow.mean, narrow.deviation),
                    (f64::from(value as f32), 0.0)
                );
                assert_eq!(narrow.divisor(), 1.0);
            }
        }
    }

    #[test]
    fn small_noise_on_a_large_offset_is_no_constant() {
        for (offset, noise) in [
            (1e6, 1e-3),
            (1e6, 1e-7),
            (-1e9, 1e-4),
            (1e12, 0.1),
            (0.0, 1e-200),
        ] {
            // Of n values half are `noise` higher: the deviation is half of it.
            let values: Vec<f64> = (0..720)
                .map(|i| offset + noise * f64::from(i % 2))
                .collect();
            let moments = Moments::of(&values);
            let exact = (values[1] - values[0]) / 2.0;
            assert!(
                (moments.deviation / exact - 1.0).abs() < 1e-9,
                "{offset} {moments:?}"
            );
            assert!((moments.mean - offset - exact).abs() <= offset.abs() * f64::EPSILON);
        }
        // One unit in the last place of `f32` in one of many values.
        let mut values = vec![1.25f32; 720];
        values[300] = f32::from_bits(1.25f32.to_bits() + 1);
        let exact = f64::from(f32::EPSILON) * (719f64).sqrt() / 720.0;
        assert!((Moments::of(&values).deviation / exact - 1.0).abs() < 1e-9);
        // What the rounding of `f64` makes of a constant is one.
        let rounded: Vec<f64> = (0..720)
            .map(|i| if i % 2 == 0 { 0.1 + 0.2 } else { 0.3 })
            .collect();
        assert_eq!(Moments::of(&rounded).deviation, 0.0);
        assert!(Moments::of::<f64>(&[]).deviation.is_nan());
        assert!(Moments::of(&[1.0, f64::NAN]).deviation.is_nan());
    }
}
