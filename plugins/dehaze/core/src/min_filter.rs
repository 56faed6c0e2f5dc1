//! The minimum over a square window in constant time a pixel.
//!
//! Down the columns: van Herk 1992 and Gil, Werman 1993, three minima a pixel whatever the window,
//! on whole rows at a time. Along a row the same scheme would go value by value; instead the window
//! is doubled, log2 of its size vector operations. A window that reaches over the border is cut
//! there, which for a minimum is the same as a border that is repeated.

use std::ops::Range;

use crate::{
    bands::{Rows, in_bands},
    sample::Sample,
    simd::multiversion,
};

/// Buffers of one band.
#[derive(Debug, Default)]
pub struct Scratch<T> {
    /// Two rows with `radius` values on either side.
    row: [Vec<T>; 2],
    /// Minima from each row of a block to the block's end.
    suffix: Vec<T>,
    /// Minima from a block's beginning.
    prefix: Vec<T>,
}

impl<T: Sample> Scratch<T> {
    fn fit(&mut self, width: usize, radius: usize) {
        for row in &mut self.row {
            row.resize(width + 2 * radius, T::MAXIMUM);
        }
        self.suffix.resize((2 * radius + 1) * width, T::MAXIMUM);
        self.prefix.resize(width, T::MAXIMUM);
    }
}

/// The minimum of `row` over `2 * radius + 1` values, in place.
pub fn along_row<T: Sample>(row: &mut [T], radius: usize, scratch: &mut Scratch<T>) {
    if radius == 0 {
        return;
    }
    scratch.fit(row.len(), radius);
    let [here, there] = &mut scratch.row;
    doubled(row, radius, here, there);
}

multiversion! {
    fn doubled<T: Sample>(row: &mut [T], radius: usize, here: &mut [T], there: &mut [T]) {
        let (window, length) = (2 * radius + 1, here.len());
        here[..radius].fill(T::MAXIMUM);
        here[radius..length - radius].copy_from_slice(row);
        here[length - radius..].fill(T::MAXIMUM);
        let (mut here, mut there) = (here, there);
        let (mut covered, mut valid) = (1, length);
        while 2 * covered <= window {
            valid -= covered;
            let shifted = &here[covered..covered + valid];
            for ((to, &a), &b) in there[..valid].iter_mut().zip(&here[..valid]).zip(shifted) {
                *to = a.least(b);
            }
            (here, there) = (there, here);
            covered *= 2;
        }
        // Two windows that overlap make the one that is wanted.
        let shift = window - covered;
        for ((to, &a), &b) in row.iter_mut().zip(&here[..]).zip(&here[shift..]) {
            *to = a.least(b);
        }
    }
}

/// The minimum of `plane` `[height, width]` over `2 * radius + 1` rows, for the rows in `kept`, in
/// bands.
pub fn down_columns<T: Sample>(
    plane: &[T],
    width: usize,
    radius: usize,
    kept: Range<usize>,
    output: &mut [T],
    scratch: &mut [Scratch<T>],
) {
    in_bands(
        kept.len(),
        Rows::new(output, width),
        scratch,
        &|first, rows, output, scratch| {
            if rows > 0 {
                scratch.fit(width, radius);
                van_herk(
                    plane,
                    width,
                    radius,
                    kept.start + first,
                    output.into_slice(),
                    &mut scratch.suffix,
                    &mut scratch.prefix,
                );
            }
        },
    );
}

multiversion! {
    /// Writes the rows of `output`, of which the first has the number `first`. With blocks of one
    /// window's height, a window is the end of one block and the beginning of the next.
    fn van_herk<T: Sample>(
        plane: &[T],
        width: usize,
        radius: usize,
        first: usize,
        output: &mut [T],
        suffix: &mut [T],
        prefix: &mut [T],
    ) {
        let height = plane.len() / width;
        let window = 2 * radius + 1;
        // Row `n` of the input with `radius` rows before the first one; `None` lies outside.
        let row = |n: usize| {
            (n.wrapping_sub(radius) < height).then(|| {
                let at = (n - radius) * width;
                &plane[at..at + width]
            })
        };
        for (block, output) in output.chunks_mut(window * width).enumerate() {
            // The window of the block's output row `n` begins at input row `start + n`.
            let start = first + block * window;
            let mut below: Option<usize> = None;
            for n in (0..window).rev() {
                let (here, after) = suffix[n * width..].split_at_mut(width);
                match (row(start + n), below) {
                    (Some(row), Some(_)) => {
                        for ((to, &a), &b) in here.iter_mut().zip(row).zip(&after[..width]) {
                            *to = a.least(b);
                        }
                    }
                    (Some(row), None) => here.copy_from_slice(row),
                    (None, Some(_)) => here.copy_from_slice(&after[..width]),
                    (None, None) => here.fill(T::MAXIMUM),
                }
                below = Some(n);
            }
            for (n, to) in output.chunks_exact_mut(width).enumerate() {
                let suffix = &suffix[n * width..][..width];
                if n == 0 {
                    to.copy_from_slice(suffix);
                    prefix.fill(T::MAXIMUM);
                    continue;
                }
                match row(start + window + n - 1) {
                    Some(row) => {
                        for (((to, prefix), &a), &b) in
                            to.iter_mut().zip(&mut *prefix).zip(row).zip(suffix)
                        {
                            *prefix = prefix.least(a);
                            *to = prefix.least(b);
                        }
                    }
                    None => {
                        for ((to, &a), &b) in to.iter_mut().zip(&*prefix).zip(suffix) {
                            *to = a.least(b);
                        }
                    }
                }
            }
        }
    }
}

/// The minimum over a window of `2 * radius + 1` squared; `rows` is overwritten.
pub fn min_filter<T: Sample>(
    rows: &mut [T],
    width: usize,
    radius: usize,
    output: &mut [T],
    scratch: &mut [Scratch<T>],
) {
    let height = rows.len() / width.max(1);
    in_bands(
        height,
        Rows::new(rows, width),
        scratch,
        &|_, _, rows, scratch| {
            for row in rows.into_slice().chunks_exact_mut(width) {
                along_row(row, radius, scratch);
            }
        },
    );
    down_columns(rows, width, radius, 0..height, output, scratch);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_definition(plane: &[u8], width: usize, radius: usize) -> Vec<u8> {
        let height = plane.len() / width;
        let mut output = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let rows = y.saturating_sub(radius)..(y + radius + 1).min(height);
                let least = rows
                    .flat_map(|v| {
                        let columns = x.saturating_sub(radius)..(x + radius + 1).min(width);
                        columns.map(move |u| (v, u))
                    })
                    .map(|(v, u)| plane[v * width + u])
                    .min();
                output.push(least.unwrap());
            }
        }
        output
    }

    #[test]
    fn it_is_the_definition_for_all_windows_and_sizes() {
        for (width, height) in [(1, 1), (1, 9), (9, 1), (17, 33), (64, 20), (5, 40)] {
            let plane: Vec<u8> = (0..width * height)
                .map(|n| ((n * n * 7919 + n * 31) % 256) as u8)
                .collect();
            let floats: Vec<f32> = plane.iter().map(|&byte| f32::from(byte)).collect();
            for radius in [0, 1, 2, 7, 8, 30, 50] {
                let expected = by_definition(&plane, width, radius);
                for bands in [1, 3] {
                    let mut output = vec![0; plane.len()];
                    let mut scratch: Vec<Scratch<u8>> =
                        (0..bands).map(|_| Scratch::default()).collect();
                    min_filter(&mut plane.clone(), width, radius, &mut output, &mut scratch);
                    assert_eq!(output, expected, "{width} x {height}, radius {radius}");
                }
                let mut output = vec![0.0; plane.len()];
                min_filter(
                    &mut floats.clone(),
                    width,
                    radius,
                    &mut output,
                    &mut [Scratch::default()],
                );
                assert!(
                    output
                        .iter()
                        .zip(&expected)
                        .all(|(&a, &b)| a == f32::from(b))
                );
            }
        }
    }
}
