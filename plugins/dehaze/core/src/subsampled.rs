//! Planes at a fraction of the size, and back: for the fast guided filter.
//!
//! He, Sun: Fast Guided Filter, arXiv 1505.00996. Guide and source are averaged over squares of
//! `factor` pixels, the linear functions are fitted and averaged there, and what comes out is
//! interpolated (bilinearly, at pixel centers) before it is applied to the guide at full size.

use crate::simd::multiversion;

/// The size of a plane of which every square of `factor` pixels has become one.
pub fn reduced(size: usize, factor: usize) -> usize {
    size.div_ceil(factor)
}

/// The means of squares of `factor` pixels; `sums` is a buffer.
pub fn reduce(
    plane: &[f32],
    width: usize,
    factor: usize,
    output: &mut Vec<f32>,
    sums: &mut Vec<f32>,
) {
    output.clear();
    for rows in plane.chunks(factor * width) {
        sums.clear();
        sums.resize(width, 0.0);
        for row in rows.chunks_exact(width) {
            add(sums, row);
        }
        let count = rows.len() / width;
        output.extend(
            sums.chunks(factor)
                .map(|chunk| chunk.iter().sum::<f32>() / (count * chunk.len()) as f32),
        );
    }
}

multiversion! {
    fn add(sums: &mut [f32], row: &[f32]) {
        for (sum, &value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
    }
}

/// For each full-size position: the index before it at the reduced size, and the weight of the next.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    positions: Vec<(u32, f32)>,
    last: usize,
}

impl Grid {
    /// Computes the positions for a side of `size` pixels that is reduced by `factor`.
    pub fn fit(&mut self, size: usize, factor: usize) {
        self.last = reduced(size, factor) - 1;
        self.positions.clear();
        self.positions.extend((0..size).map(|at| {
            let position = ((at as f32 + 0.5) / factor as f32 - 0.5).max(0.0);
            let before = (position as usize).min(self.last);
            (before as u32, position - before as f32)
        }));
    }

    /// The reduced rows before and after a full-size row, and the weight of the second.
    pub fn at(&self, position: usize) -> (usize, usize, f32) {
        let (before, weight) = self.positions[position];
        let before = before as usize;
        (before, (before + 1).min(self.last), weight)
    }

    /// One reduced row at full width.
    pub fn stretch(&self, row: &[f32], output: &mut [f32]) {
        for (to, &(before, weight)) in output.iter_mut().zip(&self.positions) {
            let before = before as usize;
            let (a, b) = (row[before], row[(before + 1).min(self.last)]);
            *to = a + (b - a) * weight;
        }
    }
}

multiversion! {
    /// The row between two rows.
    pub fn between(above: &[f32], below: &[f32], weight: f32, output: &mut [f32]) {
        for ((to, &a), &b) in output.iter_mut().zip(above).zip(below) {
            *to = a + (b - a) * weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_that_is_linear_comes_back_inside() {
        let (width, height, factor) = (37, 21, 4);
        let value = |x: usize, y: usize| 0.01 * x as f32 + 0.02 * y as f32;
        let plane: Vec<f32> = (0..width * height)
            .map(|n| value(n % width, n / width))
            .collect();
        let (mut small, mut sums) = (Vec::new(), Vec::new());
        reduce(&plane, width, factor, &mut small, &mut sums);
        let (across, down) = (reduced(width, factor), reduced(height, factor));
        assert_eq!(small.len(), across * down);
        let (mut columns, mut rows) = (Grid::default(), Grid::default());
        columns.fit(width, factor);
        rows.fit(height, factor);
        // The last square of a side is cut, so its mean is not at its center.
        for y in 2..height - 7 {
            let (above, below, weight) = rows.at(y);
            let (mut a, mut b, mut row) = (vec![0.0; width], vec![0.0; width], vec![0.0; width]);
            columns.stretch(&small[above * across..][..across], &mut a);
            columns.stretch(&small[below * across..][..across], &mut b);
            between(&a, &b, weight, &mut row);
            for (x, got) in row.iter().enumerate().take(width - 7).skip(2) {
                assert!((got - value(x, y)).abs() < 1e-5, "{x} {y}");
            }
        }
    }

    #[test]
    fn a_factor_beyond_the_size_gives_the_mean() {
        let (mut small, mut sums) = (Vec::new(), Vec::new());
        reduce(&[1.0, 2.0, 3.0, 6.0], 2, 9, &mut small, &mut sums);
        assert_eq!(small, [3.0]);
        let mut grid = Grid::default();
        grid.fit(2, 9);
        let mut row = [0.0; 2];
        grid.stretch(&small, &mut row);
        assert_eq!(row, [3.0; 2]);
    }
}
