//! Pieces of arithmetic over rows and over blocks of columns that several ops share.
//!
//! A block is `n` rows of [`LANES`] columns each: what is reduced over runs down the block, and every step
//! works on all columns at once. Short rows are transposed into blocks, because a row of nine values would
//! leave most of a register empty.

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

impl Columns {
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
