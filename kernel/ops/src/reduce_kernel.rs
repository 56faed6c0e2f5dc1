//! Sums over the middle of `[outer, n, inner]`, in f64.
//!
//! Pieces of work have a size of their own, whatever the number of threads, so the results are the same on every machine.

use rayon::prelude::*;

use crate::{real::Real, simd::simd_kernel};

/// How many values a piece of work holds.
const PIECE: usize = 64 * 1024;

/// How many columns a piece of work has at most: their sums stay in the first-level cache.
const TILE: usize = 1024;

/// Rows of fewer columns are read several at a time.
const NARROW: usize = 32;

/// Fewer values than these are added up by the thread that asks: to wake up another takes longer.
const FEW: usize = 4 * PIECE;

/// What is added up.
trait Term: Sync + Send {
    /// What a few terms are added up in, before their sum is added to others in f64.
    type Near<T: Real>: Real;

    /// From a value and a number of its sum.
    fn of<T: Real>(value: T, about: f64) -> Self::Near<T>;
}

/// A value, in its own type.
struct Value;

impl Term for Value {
    type Near<T: Real> = T;

    #[inline(always)]
    fn of<T: Real>(value: T, _: f64) -> T {
        value
    }
}

/// A value, of which nothing may be lost: deviations from the mean are taken of what the mean leaves.
struct Exact;

impl Term for Exact {
    type Near<T: Real> = f64;

    #[inline(always)]
    fn of<T: Real>(value: T, _: f64) -> f64 {
        value.as_f64()
    }
}

struct SquaredDeviation;

impl Term for SquaredDeviation {
    type Near<T: Real> = f64;

    #[inline(always)]
    fn of<T: Real>(value: T, about: f64) -> f64 {
        let deviation = value.as_f64() - about;
        deviation * deviation
    }
}

/// The sums over `n` of `[outer, n, inner]`, as `[outer, inner]`.
pub(crate) fn sums<T: Real>(x: &[T], at: [usize; 3]) -> Vec<f64> {
    run::<T, Value>(x, at, None)
}

/// [`sums`], all in f64.
pub(crate) fn exact_sums<T: Real>(x: &[T], at: [usize; 3]) -> Vec<f64> {
    run::<T, Exact>(x, at, None)
}

/// The sums of the squares of `x - mean`.
pub(crate) fn deviations<T: Real>(x: &[T], at: [usize; 3], means: &[f64]) -> Vec<f64> {
    run::<T, SquaredDeviation>(x, at, Some(means))
}

fn run<T: Real, M: Term>(
    x: &[T],
    [outer, n, inner]: [usize; 3],
    about: Option<&[f64]>,
) -> Vec<f64> {
    let mut out = vec![0.0; outer * inner];
    let slab = n * inner;
    if slab == 0 || out.is_empty() {
        return out;
    }
    let part = |range: std::ops::Range<usize>| about.map_or(&[][..], |about| &about[range]);
    if slab <= PIECE {
        let group = (PIECE / slab).max(1);
        let one = |(index, out): (usize, &mut [f64])| {
            let first = index * group;
            let slabs = out.len() / inner;
            let x = &x[first * slab..(first + slabs) * slab];
            let about = part(first * inner..first * inner + out.len());
            add_slabs::<T, M>(x, n, inner, about, out);
        };
        if x.len() <= FEW {
            out.chunks_mut(group * inner).enumerate().for_each(one);
        } else {
            out.par_chunks_mut(group * inner).enumerate().for_each(one);
        }
        return out;
    }
    // Long slabs are cut along n, wide ones along inner.
    let tile = inner.min(TILE);
    let rows = (PIECE / tile).max(1);
    let (tiles, pieces) = (inner.div_ceil(tile), n.div_ceil(rows));
    let one = |index: usize| {
        let (slab_index, tile_index) = (index / pieces / tiles, index / pieces % tiles);
        let (row, column) = (index % pieces * rows, tile_index * tile);
        let rows = rows.min(n - row);
        let columns = tile.min(inner - column);
        let start = slab_index * slab + row * inner + column;
        let first = slab_index * inner + column;
        let mut sums = vec![0.0; columns];
        let about = part(first..first + columns);
        if inner == 1 {
            add_slabs::<T, M>(&x[start..start + rows], rows, 1, about, &mut sums);
        } else {
            columns_kernel::<T, M>(&x[start..], rows, inner, about, &mut sums);
        }
        sums
    };
    let items = outer * tiles * pieces;
    let partial: Vec<Vec<f64>> = if x.len() <= FEW {
        (0..items).map(one).collect()
    } else {
        (0..items).into_par_iter().map(one).collect()
    };
    for (index, sums) in partial.into_iter().enumerate() {
        let first = index / pieces / tiles * inner + index / pieces % tiles * tile;
        for (out, sum) in out[first..].iter_mut().zip(sums) {
            *out += sum;
        }
    }
    out
}

/// Each way has a kernel of its own: together in one, the compiler fills half of each register.
#[inline(always)]
fn add_slabs<T: Real, M: Term>(x: &[T], n: usize, inner: usize, about: &[f64], out: &mut [f64]) {
    match inner {
        1 if n < SIDE => few_kernel::<T, M>(x, n, about, out),
        1 => rows_kernel::<T, M>(x, n, about, out),
        _ => slabs_kernel::<T, M>(x, n, inner, about, out),
    }
}

simd_kernel! {
    fn few_kernel['a, T: Real, M: Term](x: &'a [T], n: usize, about: &'a [f64], out: &'a mut [f64]) -> () {
        for (index, (x, out)) in x.chunks_exact(n).zip(out).enumerate() {
            let about = about.get(index).copied().unwrap_or(0.0);
            *out = 0.0;
            for &value in x {
                *out += M::of(value, about).as_f64();
            }
        }
    }
}

simd_kernel! {
    fn rows_kernel['a, T: Real, M: Term](x: &'a [T], n: usize, about: &'a [f64], out: &'a mut [f64]) -> () {
        for (index, (x, out)) in x.chunks_exact(n).zip(out).enumerate() {
            *out = row::<T, M>(x, about.get(index).copied().unwrap_or(0.0));
        }
    }
}

simd_kernel! {
    fn slabs_kernel['a, T: Real, M: Term](
        x: &'a [T], n: usize, inner: usize, about: &'a [f64], out: &'a mut [f64],
    ) -> () {
        for (index, (x, out)) in x.chunks_exact(n * inner).zip(out.chunks_exact_mut(inner)).enumerate() {
            let about = about.get(index * inner..(index + 1) * inner).unwrap_or(&[]);
            columns::<T, M>(x, n, inner, about, out);
        }
    }
}

simd_kernel! {
    /// Adds `rows` rows of as many columns as `out` has, `stride` values from one to the next.
    fn columns_kernel['a, T: Real, M: Term](
        x: &'a [T], rows: usize, stride: usize, about: &'a [f64], out: &'a mut [f64],
    ) -> () {
        columns::<T, M>(x, rows, stride, about, out);
    }
}

/// How many terms stand side by side in a [`row`]: a register of f32.
const SIDE: usize = 8;

/// The terms of as many values.
#[inline(always)]
fn terms<T: Real, M: Term>(x: &[T], about: f64) -> [M::Near<T>; SIDE] {
    let mut terms = [M::Near::<T>::ZERO; SIDE];
    for side in 0..SIDE {
        terms[side] = M::of(x[side], about);
    }
    terms
}

#[inline(always)]
fn both<N: Real>(mut a: [N; SIDE], b: [N; SIDE]) -> [N; SIDE] {
    for side in 0..SIDE {
        a[side] += b[side];
    }
    a
}

/// The terms of four times as many values, added in pairs.
#[inline(always)]
fn quarter<T: Real, M: Term>(x: &[T], about: f64) -> [M::Near<T>; SIDE] {
    both(
        both(
            terms::<T, M>(&x[..SIDE], about),
            terms::<T, M>(&x[SIDE..2 * SIDE], about),
        ),
        both(
            terms::<T, M>(&x[2 * SIDE..3 * SIDE], about),
            terms::<T, M>(&x[3 * SIDE..4 * SIDE], about),
        ),
    )
}

/// The sum of a row's terms. At most 16 of them are added in their own type, in five roundings at most; their sums in f64. In
/// steps of four times as many the time would be that of f64.
#[inline(always)]
fn row<T: Real, M: Term>(x: &[T], about: f64) -> f64 {
    let mut wide = [0.0; SIDE];
    let blocks = x.chunks_exact(16 * SIDE);
    let rest = blocks.remainder();
    for block in blocks {
        let near = both(
            both(
                quarter::<T, M>(block, about),
                quarter::<T, M>(&block[4 * SIDE..], about),
            ),
            both(
                quarter::<T, M>(&block[8 * SIDE..], about),
                quarter::<T, M>(&block[12 * SIDE..], about),
            ),
        );
        for side in 0..SIDE {
            wide[side] += near[side].as_f64();
        }
    }
    let mut last = 0.0;
    if !rest.is_empty() {
        let (mut near, mut more) = ([M::Near::<T>::ZERO; SIDE], [M::Near::<T>::ZERO; SIDE]);
        let quarters = rest.chunks_exact(4 * SIDE);
        let singles = quarters.remainder().chunks_exact(SIDE);
        for &value in singles.remainder() {
            last += M::of(value, about).as_f64();
        }
        for values in quarters {
            near = both(near, quarter::<T, M>(values, about));
        }
        for values in singles {
            more = both(more, terms::<T, M>(values, about));
        }
        near = both(near, more);
        for side in 0..SIDE {
            wide[side] += near[side].as_f64();
        }
    }
    let mut four = [0.0; SIDE / 2];
    for side in 0..SIDE / 2 {
        four[side] = wide[side] + wide[side + SIDE / 2];
    }
    ((four[0] + four[2]) + (four[1] + four[3])) + last
}

#[inline(always)]
fn columns<T: Real, M: Term>(x: &[T], rows: usize, stride: usize, about: &[f64], out: &mut [f64]) {
    let width = out.len();
    if width < NARROW && stride == width && rows >= NARROW {
        // Several rows side by side are one that fills the registers.
        let together = 2 * NARROW / width;
        let wide = together * width;
        let (mut sums, mut abouts) = ([0.0; 2 * NARROW], [0.0; 2 * NARROW]);
        for (to, about) in abouts[..wide].iter_mut().zip(about.iter().cycle()) {
            *to = *about;
        }
        let whole = rows / together * together;
        let abouts = if about.is_empty() {
            &[][..]
        } else {
            &abouts[..wide]
        };
        add_rows::<T, M>(x, whole / together, wide, abouts, &mut sums[..wide]);
        for sums in sums[..wide].chunks_exact(width) {
            for (out, sum) in out.iter_mut().zip(sums) {
                *out += sum;
            }
        }
        add_rows::<T, M>(&x[whole * width..], rows - whole, width, about, out);
    } else {
        add_rows::<T, M>(x, rows, stride, about, out);
    }
}

/// The sum of four terms, in pairs.
#[inline(always)]
fn of_four<T: Real, M: Term>([a, b, c, d]: [T; 4], about: f64) -> f64 {
    ((M::of(a, about) + M::of(b, about)) + (M::of(c, about) + M::of(d, about))).as_f64()
}

#[inline(always)]
fn add_rows<T: Real, M: Term>(x: &[T], rows: usize, stride: usize, about: &[f64], out: &mut [f64]) {
    let width = out.len();
    let whole = rows / 4 * 4;
    for four in (0..whole).step_by(4) {
        let at = |row: usize| &x[(four + row) * stride..][..width];
        let (a, b, c, d) = (at(0), at(1), at(2), at(3));
        if about.is_empty() {
            for i in 0..width {
                out[i] += of_four::<T, M>([a[i], b[i], c[i], d[i]], 0.0);
            }
        } else {
            let about = &about[..width];
            for i in 0..width {
                out[i] += of_four::<T, M>([a[i], b[i], c[i], d[i]], about[i]);
            }
        }
    }
    for row in whole..rows {
        for (i, value) in x[row * stride..][..width].iter().enumerate() {
            out[i] += M::of(*value, about.get(i).copied().unwrap_or(0.0)).as_f64();
        }
    }
}

/// An integer type of tensors.
pub(crate) trait Integer: Copy + Send + Sync {
    /// How many of the type add up in i64 for sure, at most 2^31.
    const RUN: usize;

    fn wide(self) -> i64;
}

macro_rules! integer {
    ($($type:ty: $run:expr),*) => { $(
        impl Integer for $type {
            const RUN: usize = $run;

            #[inline(always)]
            fn wide(self) -> i64 {
                self.into()
            }
        }
    )* };
}
integer!(u8: PIECE, u32: PIECE, i16: PIECE, i32: PIECE, i64: 1);

/// The sums of the rows of `[outer, n]`.
pub(crate) fn integer_sums<I: Integer>(x: &[I], outer: usize, n: usize) -> Vec<i128> {
    if n == 0 {
        return vec![0; outer];
    }
    let run = |run: &[I]| i128::from(run.iter().map(|value| value.wide()).sum::<i64>());
    let row = |row: &[I]| row.chunks(I::RUN).map(run).sum::<i128>();
    if x.len() <= PIECE {
        return x.chunks_exact(n).map(row).collect();
    }
    x.par_chunks_exact(n)
        .map(|values| {
            if n > PIECE {
                values.par_chunks(PIECE).map(row).sum()
            } else {
                row(values)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ways_of_cutting_give_one_sum() {
        for at in [
            [1, 1, 1],
            [1, 100, 1],
            [3, 70_001, 1],
            [5000, 33, 1],
            [1, 70_001, 3],
            [1, 40, 3],
            [2, 9, 70_001],
            [300, 17, 45],
            [1, 5000, 64],
            [2, 3, 0],
            [2, 0, 3],
        ] {
            let [outer, n, inner] = at;
            let x: Vec<f32> = (0..outer * n * inner)
                .map(|i| (i % 997) as f32 - 400.0)
                .collect();
            let mut expected = vec![0.0; outer * inner];
            for (index, &value) in x.iter().enumerate() {
                expected[index / (n * inner) * inner + index % inner] += f64::from(value);
            }
            assert_eq!(sums(&x, at), expected, "{at:?}");
            let means: Vec<f64> = expected.iter().map(|sum| sum / n as f64).collect();
            let mut squares = vec![0.0; outer * inner];
            for (index, &value) in x.iter().enumerate() {
                let to = index / (n * inner) * inner + index % inner;
                squares[to] += (f64::from(value) - means[to]).powi(2);
            }
            for (found, expected) in deviations(&x, at, &means).iter().zip(squares) {
                assert!((found - expected).abs() <= 1e-9 * expected, "{at:?}");
            }
        }
    }

    #[test]
    fn integers_add_up_beyond_their_type() {
        assert_eq!(integer_sums(&[255u8; 300], 3, 100), [25_500; 3]);
        assert_eq!(
            integer_sums(&vec![u32::MAX; 200_000], 1, 200_000),
            [200_000 * i128::from(u32::MAX)]
        );
        assert_eq!(
            integer_sums(&[i64::MAX, i64::MAX, -1], 1, 3),
            [2 * i128::from(i64::MAX) - 1]
        );
        assert_eq!(integer_sums::<u8>(&[], 2, 0), [0, 0]);
    }
}
