//! Pieces of arithmetic over rows and over blocks of columns that several ops share.
//!
//! A block is `n` rows of [`LANES`] columns each: what is reduced over runs down the block, and every step
//! works on all columns at once. Short rows are transposed into blocks, because a row of nine values would
//! leave most of a register empty.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use crate::{real::Real, simd::LANES};

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

/// After how many additions to a lane its sum goes to one in f64: what a sum in T has lost by then is below a few units of
/// its last place, however many values there are.
pub(crate) const RUN: usize = 16;

/// The sum of all lanes, in pairs, so that no addition waits for all before it.
#[inline(always)]
pub(crate) fn across(lanes: &[f64; LANES]) -> f64 {
    let mut eight = [0.0; LANES / 2];
    for lane in 0..LANES / 2 {
        eight[lane] = lanes[lane] + lanes[lane + LANES / 2];
    }
    let mut four = [0.0; LANES / 4];
    for lane in 0..LANES / 4 {
        four[lane] = eight[lane] + eight[lane + LANES / 4];
    }
    (four[0] + four[2]) + (four[1] + four[3])
}

/// Σ term(x), in f64 beyond [`RUN`] additions. Lanes are named by constants only, so that they stay in registers.
macro_rules! sum_of {
    ($x:expr, |$value:ident| $term:expr) => {{
        let (mut wide, mut rest) = ([0.0; LANES], 0.0);
        for run in $x.chunks(RUN * LANES) {
            let mut near = [T::ZERO; LANES];
            let chunks = run.chunks_exact(LANES);
            for &$value in chunks.remainder() {
                rest += ($term).as_f64();
            }
            for chunk in chunks {
                for lane in 0..LANES {
                    let $value = chunk[lane];
                    near[lane] += $term;
                }
            }
            for lane in 0..LANES {
                wide[lane] += near[lane].as_f64();
            }
        }
        T::of(across(&wide) + rest)
    }};
}

/// Σ x.
#[inline(always)]
pub(crate) fn sum<T: Real>(x: &[T]) -> T {
    sum_of!(x, |x| x)
}

/// Σ (x - mean)².
#[inline(always)]
pub(crate) fn deviation<T: Real>(x: &[T], mean: T) -> T {
    sum_of!(x, |x| (x - mean) * (x - mean))
}

/// Σ exp(x - shift).
#[inline(always)]
pub(crate) fn sum_exp<T: Real>(x: &[T], shift: T) -> T {
    sum_of!(x, |x| (x - shift).exp())
}

/// Σ x y.
#[inline(always)]
pub(crate) fn dot<T: Real>(x: &[T], y: &[T]) -> T {
    let (mut wide, mut rest) = ([0.0; LANES], 0.0);
    for (x, y) in x.chunks(RUN * LANES).zip(y.chunks(RUN * LANES)) {
        let mut near = [T::ZERO; LANES];
        let (xs, ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
        for (&x, &y) in xs.remainder().iter().zip(ys.remainder()) {
            rest += (x * y).as_f64();
        }
        for (x, y) in xs.zip(ys) {
            for lane in 0..LANES {
                near[lane] += x[lane] * y[lane];
            }
        }
        for lane in 0..LANES {
            wide[lane] += near[lane].as_f64();
        }
    }
    T::of(across(&wide) + rest)
}

/// Σ x y z.
#[inline(always)]
pub(crate) fn dot3<T: Real>(x: &[T], y: &[T], z: &[T]) -> T {
    let (mut wide, mut rest) = ([0.0; LANES], 0.0);
    let runs = x
        .chunks(RUN * LANES)
        .zip(y.chunks(RUN * LANES))
        .zip(z.chunks(RUN * LANES));
    for ((x, y), z) in runs {
        let mut near = [T::ZERO; LANES];
        let whole = x.len() / LANES * LANES;
        for i in whole..x.len() {
            rest += (x[i] * y[i] * z[i]).as_f64();
        }
        let chunks = x
            .chunks_exact(LANES)
            .zip(y.chunks_exact(LANES))
            .zip(z.chunks_exact(LANES));
        for ((x, y), z) in chunks {
            for lane in 0..LANES {
                near[lane] += x[lane] * y[lane] * z[lane];
            }
        }
        for lane in 0..LANES {
            wide[lane] += near[lane].as_f64();
        }
    }
    T::of(across(&wide) + rest)
}

/// Writes exp(x - shift) and returns its sum.
#[inline(always)]
pub(crate) fn exp_and_sum<T: Real>(x: &[T], y: &mut [T], shift: T) -> T {
    let (mut wide, mut rest) = ([0.0; LANES], 0.0);
    for (x, y) in x.chunks(RUN * LANES).zip(y.chunks_mut(RUN * LANES)) {
        let mut near = [T::ZERO; LANES];
        let whole = x.len() / LANES * LANES;
        for (x, y) in x.chunks_exact(LANES).zip(y.chunks_exact_mut(LANES)) {
            for lane in 0..LANES {
                y[lane] = (x[lane] - shift).exp();
                near[lane] += y[lane];
            }
        }
        for (&x, y) in x[whole..].iter().zip(&mut y[whole..]) {
            *y = (x - shift).exp();
            rest += y.as_f64();
        }
        for lane in 0..LANES {
            wide[lane] += near[lane].as_f64();
        }
    }
    T::of(across(&wide) + rest)
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
