//! From haze, airlight and transmission to the scene.
//!
//! The atmospheric scattering model I = J t + A (1 - t), solved for J with a transmission that is
//! bounded below: He, Sun, Tang 2009, equation 16.

use crate::{sample::Sample, simd::multiversion};

/// Least, greatest and mean transmission of a picture, as used for the recovery.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistics {
    /// Least transmission; infinity before a pixel was counted.
    pub least: f32,
    /// Greatest transmission; negative infinity before a pixel was counted.
    pub greatest: f32,
    sum: f64,
    count: usize,
}

impl Default for Statistics {
    fn default() -> Self {
        Statistics {
            least: f32::INFINITY,
            greatest: f32::NEG_INFINITY,
            sum: 0.0,
            count: 0,
        }
    }
}

impl Statistics {
    /// Returns the mean transmission of the pixels that were counted; 0 where there are none.
    pub fn mean(&self) -> f32 {
        (self.sum / self.count.max(1) as f64) as f32
    }

    /// Adds the pixels that `other` has counted.
    pub fn merge(&mut self, other: &Statistics) {
        self.least = self.least.least(other.least);
        self.greatest = self.greatest.max(other.greatest);
        self.sum += other.sum;
        self.count += other.count;
    }

    /// Counts one pixel.
    pub(crate) fn count(&mut self, t: f32) {
        self.take(t, t, f64::from(t), 1);
    }

    fn take(&mut self, least: f32, greatest: f32, sum: f64, count: usize) {
        self.merge(&Statistics {
            least,
            greatest,
            sum,
            count,
        });
    }
}

/// Bounds a row of transmission, counts it, and writes 1 / t.
pub(crate) fn gain(
    row: &mut [f32],
    bounds: [f32; 2],
    gain: &mut [f32],
    statistics: &mut Statistics,
) {
    let (least, greatest, sum) = bounded(row, bounds, gain);
    statistics.take(least, greatest, sum, row.len());
}

multiversion! {
    fn bounded(row: &mut [f32], bounds: [f32; 2], gain: &mut [f32]) -> (f32, f32, f64) {
        const LANES: usize = 16;
        let [low, high] = bounds;
        for (t, gain) in row.iter_mut().zip(gain) {
            // Comparisons in this order take NaN to the lower bound.
            let bounded = if *t > low { *t } else { low };
            *t = bounded.least(high);
            *gain = 1.0 / *t;
        }
        let mut least = [f32::INFINITY; LANES];
        let mut greatest = [f32::NEG_INFINITY; LANES];
        let mut sums = [0.0f32; LANES];
        let mut chunks = row.chunks_exact(LANES);
        for chunk in &mut chunks {
            for lane in 0..LANES {
                least[lane] = least[lane].least(chunk[lane]);
                greatest[lane] = -(-greatest[lane]).least(-chunk[lane]);
                sums[lane] += chunk[lane];
            }
        }
        for (lane, &t) in chunks.remainder().iter().enumerate() {
            least[lane] = least[lane].least(t);
            greatest[lane] = -(-greatest[lane]).least(-t);
            sums[lane] += t;
        }
        (
            least.into_iter().fold(f32::INFINITY, f32::least),
            greatest.into_iter().fold(f32::NEG_INFINITY, f32::max),
            sums.into_iter().map(f64::from).sum(),
        )
    }
}

multiversion! {
    /// (I - A) / t + A, clipped and rounded to samples; `gain` is 1 / t, `airlight` in samples.
    pub(crate) fn recover<T: Sample>(haze: &[T], gain: &[f32], airlight: f32, output: &mut [T]) {
        for ((to, &sample), &gain) in output.iter_mut().zip(haze).zip(gain) {
            *to = T::nearest((sample.float() - airlight) * gain + airlight);
        }
    }
}

multiversion! {
    /// Samples as floats in 0..=1.
    pub(crate) fn unit<T: Sample>(samples: &[T], output: &mut [f32]) {
        for (to, &sample) in output.iter_mut().zip(samples) {
            *to = sample.float() * (1.0 / T::WHITE);
        }
    }
}

multiversion! {
    /// Rec. 601 luma in 0..=1, not rounded.
    pub(crate) fn luma<T: Sample>(planes: [&[T]; 3], output: &mut [f32]) {
        let [red, green, blue] = planes;
        let [r, g, b] = [0.299 / T::WHITE, 0.587 / T::WHITE, 0.114 / T::WHITE];
        for (((to, &red), &green), &blue) in output.iter_mut().zip(red).zip(green).zip(blue) {
            *to = red.float() * r + green.float() * g + blue.float() * b;
        }
    }
}
