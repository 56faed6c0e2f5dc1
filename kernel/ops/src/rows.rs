//! Pieces of arithmetic over rows and over blocks of columns that several ops share.
//!
//! A block is `n` rows of [`LANES`] columns each: what is reduced over runs down the block, and every step
//! works on all columns at once. Short rows are transposed into blocks, because a row of nine values would
//! leave most of a register empty.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::{real::Real, simd::LANES};

/// Rows shorter than this are worked on as blocks.
pub(crate) const SHORT: usize = 48;

/// The largest value, negative infinity for none. What is not a number is passed over.
#[inline(always)]
pub(crate) fn largest<T: Real>(x: &[T]) -> T {
    let mut lanes = [T::NEG_INFINITY; LANES];
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = lanes[lane].larger(chunk[lane]);
        }
    }
    let mut value = T::NEG_INFINITY;
    for &x in lanes.iter().chain(rest) {
        value = value.larger(x);
    }
    value
}

/// Σ x.
#[inline(always)]
pub(crate) fn sum<T: Real>(x: &[T]) -> T {
    let mut lanes = [T::ZERO; LANES];
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] += chunk[lane];
        }
    }
    total(&lanes, rest)
}

/// Σ x y.
#[inline(always)]
pub(crate) fn dot<T: Real>(x: &[T], y: &[T]) -> T {
    let mut lanes = [T::ZERO; LANES];
    let (xs, ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let (x_rest, y_rest) = (xs.remainder(), ys.remainder());
    for (x, y) in xs.zip(ys) {
        for lane in 0..LANES {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    let mut value = total(&lanes, &[]);
    for (&x, &y) in x_rest.iter().zip(y_rest) {
        value += x * y;
    }
    value
}

/// Σ exp(x - shift).
#[inline(always)]
pub(crate) fn sum_exp<T: Real>(x: &[T], shift: T) -> T {
    let mut lanes = [T::ZERO; LANES];
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] += (chunk[lane] - shift).exp();
        }
    }
    let mut value = total(&lanes, &[]);
    for &x in rest {
        value += (x - shift).exp();
    }
    value
}

/// Writes exp(x - shift) and returns its sum.
#[inline(always)]
pub(crate) fn exp_and_sum<T: Real>(x: &[T], y: &mut [T], shift: T) -> T {
    let mut lanes = [T::ZERO; LANES];
    let whole = x.len() / LANES * LANES;
    for (x, y) in x.chunks_exact(LANES).zip(y.chunks_exact_mut(LANES)) {
        for lane in 0..LANES {
            y[lane] = (x[lane] - shift).exp();
            lanes[lane] += y[lane];
        }
    }
    let mut value = total(&lanes, &[]);
    for (&x, y) in x[whole..].iter().zip(&mut y[whole..]) {
        *y = (x - shift).exp();
        value += *y;
    }
    value
}

#[inline(always)]
fn total<T: Real>(lanes: &[T; LANES], rest: &[T]) -> T {
    let mut value = T::ZERO;
    for &x in lanes.iter().chain(rest) {
        value += x;
    }
    value
}

/// Where a block of columns lies in a tensor that is seen as [outer, n, inner].
///
/// A column is a pair of an outer and an inner index; columns are counted in row-major order.
#[derive(Clone, Copy)]
pub(crate) struct Columns {
    pub n: usize,
    pub inner: usize,
}

/// From this many columns side by side on, kernels go through tiles of columns instead of blocks of [`LANES`].
pub(crate) const WIDE: usize = 4 * LANES;

/// How many columns a tile has at most.
pub(crate) const TILE: usize = 512;

impl Columns {
    /// Whether the columns lie side by side in runs that are worth tiles.
    pub(crate) fn wide(self) -> bool {
        self.inner >= WIDE
    }

    /// How many columns a tile has: its values stay in the first-level cache.
    pub(crate) fn tile(self) -> usize {
        (16 * TILE / self.n.max(1)).clamp(LANES, TILE) / LANES * LANES
    }

    /// Makes the values of `slabs` outer indices from tiles: `f` gets a tile's first column and fills its
    /// `[n, columns]` values, zeros before.
    pub(crate) fn fill_tiles<T: Real>(
        self,
        slabs: usize,
        f: impl Fn(usize, &mut [T]) + Sync,
    ) -> Vec<T> {
        let length = slabs * self.n * self.inner;
        let mut values = Vec::with_capacity(length);
        if length == 0 {
            return values;
        }
        let tile = self.tile();
        let tiles = self.inner.div_ceil(tile);
        // The rows of each tile: parts of the memory that no other tile has.
        let mut parts: Vec<Vec<&mut [MaybeUninit<T>]>> = (0..slabs * tiles)
            .map(|_| Vec::with_capacity(self.n))
            .collect();
        let spare = &mut values.spare_capacity_mut()[..length];
        for (row, memory) in spare.chunks_mut(self.inner).enumerate() {
            let slab = row / self.n;
            for (index, part) in memory.chunks_mut(tile).enumerate() {
                parts[slab * tiles + index].push(part);
            }
        }
        parts
            .into_par_iter()
            .enumerate()
            .with_min_len(2)
            .for_each_init(Vec::new, |block, (index, rows)| {
                let columns = rows.first().map_or(0, |row| row.len());
                block.clear();
                block.resize(self.n * columns, T::ZERO);
                f(index / tiles * self.inner + index % tiles * tile, block);
                for (row, values) in rows.into_iter().zip(block.chunks_exact(columns)) {
                    row.write_copy_of_slice(values);
                }
            });
        // SAFETY: the tiles cover all columns, and each tile has written all of its rows.
        unsafe { values.set_len(length) };
        values
    }

    /// The index of a column's first value.
    #[inline(always)]
    pub(crate) fn start(self, column: usize) -> usize {
        column / self.inner * (self.n * self.inner) + column % self.inner
    }

    /// Copies [`LANES`] columns, or as many as there are, into a block of `n * LANES` values. Unused lanes keep
    /// what they held, which must be harmless.
    #[inline(always)]
    pub(crate) fn load<T: Real>(self, x: &[T], first: usize, count: usize, block: &mut [T]) {
        let start = self.start(first);
        if count == LANES && first % self.inner + LANES <= self.inner {
            for (row, lanes) in block.chunks_exact_mut(LANES).enumerate() {
                let from = start + row * self.inner;
                lanes.copy_from_slice(&x[from..from + LANES]);
            }
            return;
        }
        for lane in 0..count {
            let start = self.start(first + lane);
            for row in 0..self.n {
                block[row * LANES + lane] = x[start + row * self.inner];
            }
        }
    }

    /// Copies a block back, the reverse of [`Columns::load`].
    #[inline(always)]
    pub(crate) fn store<T: Real>(self, y: &mut [T], first: usize, count: usize, block: &[T]) {
        let start = self.start(first);
        if count == LANES && first % self.inner + LANES <= self.inner {
            for (row, lanes) in block.chunks_exact(LANES).enumerate() {
                let to = start + row * self.inner;
                y[to..to + LANES].copy_from_slice(lanes);
            }
            return;
        }
        for lane in 0..count {
            let start = self.start(first + lane);
            for row in 0..self.n {
                y[start + row * self.inner] = block[row * LANES + lane];
            }
        }
    }
}
