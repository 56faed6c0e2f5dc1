//! Means over square windows by running sums, in constant time a pixel.
//!
//! A window of `2 * radius + 1` squared is cut at the border and divided by the number of pixels
//! inside. A [`ColumnSums`] holds, for one row of windows, the sum of each column; it slides down by
//! one row that comes and one that goes, and gives the row's means by a second running sum along
//! the row. Sums are `f64`: with `f32` their rounding would be as large as the variance of a smooth
//! region.

use crate::{
    running_sum::{LANES, means},
    simd::multiversion,
};

/// Sums of the columns of a window that spans the image's width.
#[derive(Debug, Default)]
pub struct ColumnSums {
    /// `radius + 1` zeros, the sums, at least `radius` zeros: no window reaches over the ends.
    columns: Vec<f64>,
    width: usize,
    radius: usize,
}

/// The rows that come into the window of a row and leave it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Number of the row that enters at the bottom; `None` below the image.
    pub comes: Option<usize>,
    /// Number of the row that leaves at the top; `None` above the image.
    pub goes: Option<usize>,
    /// 1 / the number of rows inside the image.
    pub share: f64,
}

impl Step {
    /// From the window of row `row - 1` to that of `row`.
    pub fn to(row: usize, radius: usize, height: usize) -> Step {
        let first = row.saturating_sub(radius);
        let end = (row + radius + 1).min(height);
        Step {
            comes: (row + radius < height).then_some(row + radius),
            goes: row.checked_sub(radius + 1),
            share: 1.0 / (end - first) as f64,
        }
    }
}

/// The rows of the window before the one of row `first`: with what a band of rows begins.
pub fn rows_before(first: usize, radius: usize, height: usize) -> std::ops::Range<usize> {
    first.saturating_sub(radius + 1)..(first + radius).min(height)
}

/// The length of a row of means: whole vectors.
pub fn padded(width: usize) -> usize {
    width.next_multiple_of(LANES)
}

/// Fills `shares` with 1 / the number of columns inside the image, for each column, and zeros up to
/// [`padded`].
pub fn column_shares(width: usize, radius: usize, shares: &mut Vec<f64>) {
    shares.clear();
    shares.extend((0..width).map(|x| {
        let first = x.saturating_sub(radius);
        1.0 / ((x + radius + 1).min(width) - first) as f64
    }));
    shares.resize(padded(width), 0.0);
}

impl ColumnSums {
    /// Empty sums of this many columns.
    pub fn reset(&mut self, width: usize, radius: usize) {
        (self.width, self.radius) = (width, radius);
        self.columns.clear();
        let vectors = padded(width);
        self.columns.resize(vectors + 2 * radius + 1, 0.0);
    }

    fn sums(&mut self) -> &mut [f64] {
        &mut self.columns[self.radius + 1..][..self.width]
    }

    /// One row comes, another goes; a row of zeros stands for none.
    pub fn slide(&mut self, comes: &[f32], goes: &[f32]) {
        slide(self.sums(), comes, goes);
    }

    /// As [`ColumnSums::slide`], for the product of two planes.
    pub fn slide_product(&mut self, comes: (&[f32], &[f32]), goes: (&[f32], &[f32])) {
        slide_product(self.sums(), comes.0, comes.1, goes.0, goes.1);
    }

    /// The means of the row, [`padded`] with zeros. `shares` are those of [`column_shares`], `share` the [`Step`]'s.
    pub fn means(&mut self, shares: &[f64], share: f64, output: &mut [f32]) {
        means(&self.columns, self.radius, shares, share, output);
    }
}

multiversion! {
    fn slide(sums: &mut [f64], comes: &[f32], goes: &[f32]) {
        for ((sum, &a), &b) in sums.iter_mut().zip(comes).zip(goes) {
            *sum += f64::from(a) - f64::from(b);
        }
    }
}

multiversion! {
    fn slide_product(sums: &mut [f64], a: &[f32], b: &[f32], c: &[f32], d: &[f32]) {
        for ((((sum, &a), &b), &c), &d) in sums.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *sum += f64::from(a * b) - f64::from(c * d);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_means_are_the_definition() {
        for (width, height) in [(1, 1), (7, 5), (40, 23), (3, 60)] {
            let plane: Vec<f32> = (0..width * height)
                .map(|n| ((n * 7919) % 255) as f32 / 255.0)
                .collect();
            let zeros = vec![0.0; width];
            for radius in [0, 1, 4, 30] {
                let mut shares = Vec::new();
                column_shares(width, radius, &mut shares);
                for first in [0, height / 2] {
                    let row =
                        |n: Option<usize>| n.map_or(&zeros[..], |n| &plane[n * width..][..width]);
                    let mut sums = ColumnSums::default();
                    sums.reset(width, radius);
                    for n in rows_before(first, radius, height) {
                        sums.slide(row(Some(n)), &zeros);
                    }
                    for y in first..height {
                        let step = Step::to(y, radius, height);
                        sums.slide(row(step.comes), row(step.goes));
                        let mut output = vec![0.0; padded(width)];
                        sums.means(&shares, step.share, &mut output);
                        for (x, &got) in output[..width].iter().enumerate() {
                            let rows = y.saturating_sub(radius)..(y + radius + 1).min(height);
                            let columns = x.saturating_sub(radius)..(x + radius + 1).min(width);
                            let count = rows.len() * columns.len();
                            let sum: f64 = rows
                                .flat_map(|v| columns.clone().map(move |u| (v, u)))
                                .map(|(v, u)| f64::from(plane[v * width + u]))
                                .sum();
                            let expected = sum / count as f64;
                            assert!((f64::from(got) - expected).abs() < 1e-7, "{got} {expected}");
                        }
                    }
                }
            }
        }
    }
}
