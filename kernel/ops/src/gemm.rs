//! Matrix products of strided matrices, by the `gemm` crate: the same kernels that candle's matmul runs.

use rayon::prelude::*;

use crate::{
    real::Real,
    simd::{fill, rows_of_a_piece, simd_kernel, zeros},
};

/// A matrix within a slice: where it begins, and the steps from row to row and from column to column.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, T> {
    pub values: &'a [T],
    pub row: usize,
    pub column: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// A row-major matrix of rows of this width.
    pub(crate) fn new(values: &'a [T], width: usize) -> Matrix<'a, T> {
        Matrix {
            values,
            row: width,
            column: 1,
        }
    }

    pub(crate) fn transposed(self) -> Matrix<'a, T> {
        Matrix {
            row: self.column,
            column: self.row,
            ..self
        }
    }

    /// How many values a matrix of this size reaches over.
    fn extent(&self, rows: usize, columns: usize) -> usize {
        if rows == 0 || columns == 0 {
            0
        } else {
            (rows - 1) * self.row + (columns - 1) * self.column + 1
        }
    }
}

/// What becomes of the values that the destination holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    Overwrite,
    Add,
}

/// `out = factor · left · right` (or `+=`), where `left` is m×k, `right` k×n, and `out` m×n in rows that are
/// `out_row` apart.
#[allow(clippy::too_many_arguments)]
pub(crate) fn gemm<T: Real>(
    (m, k, n): (usize, usize, usize),
    left: Matrix<'_, T>,
    right: Matrix<'_, T>,
    factor: T,
    before: Before,
    out: &mut [T],
    out_row: usize,
    threads: bool,
) {
    if m == 0 || n == 0 {
        return;
    }
    assert!(
        out_row >= n && out.len() >= (m - 1) * out_row + n,
        "gemm: the destination is too short"
    );
    // SAFETY: the destination's rows lie within `out` by the assertion, and `out` is borrowed mutably.
    unsafe {
        gemm_at(
            (m, k, n),
            left,
            right,
            factor,
            before,
            out.as_mut_ptr(),
            out_row,
            threads,
        );
    }
}

/// `left · right` as a new row-major m×n matrix, with `bias`, of n values, added to each row.
pub(crate) fn product<T: Real>(
    (m, k, n): (usize, usize, usize),
    left: Matrix<'_, T>,
    right: Matrix<'_, T>,
    bias: Option<&[T]>,
) -> Vec<T> {
    // The kernels copy one operand into their own order: the right one, where the result is row-major. For a
    // small batch that copy of the weights takes as long as the product, and turning the result round does not.
    if (16..=k / 2).contains(&m) {
        let turned = fresh((n, k, m), right.transposed(), left.transposed());
        return fill(m, n, 2 * n, |rows, out| {
            turn(&turned, m, rows.start, bias.unwrap_or(&[]), out, n);
        });
    }
    let mut out = fresh((m, k, n), left, right);
    if let Some(bias) = bias
        && n > 0
    {
        // Afterwards, as the product is faster onto memory that it need not read.
        let piece = rows_of_a_piece(m, n);
        out.par_chunks_mut(piece * n)
            .for_each(|rows| add_to_rows(bias, rows));
    }
    out
}

simd_kernel! {
    /// Adds the same values to each row.
    pub(crate) fn add_to_rows['a, T: Real](values: &'a [T], rows: &'a mut [T]) -> () {
        for row in rows.chunks_exact_mut(values.len().max(1)) {
            for (x, &value) in row.iter_mut().zip(values) {
                *x += value;
            }
        }
    }
}

simd_kernel! {
    /// Rows of the transpose of a matrix whose rows have `width` values, from row `first` on.
    fn turn['a, T: Real](
        x: &'a [T], width: usize, first: usize, bias: &'a [T], out: &'a mut [T], n: usize,
    ) -> () {
        const SIDE: usize = 16;
        for (block, rows) in out.chunks_mut(SIDE * n).enumerate() {
            let from = first + block * SIDE;
            for column in 0..n {
                let values = &x[column * width + from..][..rows.len() / n];
                let bias = if bias.is_empty() { T::ZERO } else { bias[column] };
                for (row, &value) in values.iter().enumerate() {
                    rows[row * n + column] = value + bias;
                }
            }
        }
    }
}

/// `left · right` in memory that is written once, by the product.
fn fresh<T: Real>(
    (m, k, n): (usize, usize, usize),
    left: Matrix<'_, T>,
    right: Matrix<'_, T>,
) -> Vec<T> {
    if k == 0 {
        return zeros(m * n);
    }
    let mut out = Vec::with_capacity(m * n);
    // SAFETY: the vector has room for m rows of n values, nobody else knows of it, and the product writes all of
    // them without reading any.
    unsafe {
        gemm_at(
            (m, k, n),
            left,
            right,
            T::ONE,
            Before::Overwrite,
            out.as_mut_ptr(),
            n,
            true,
        );
        out.set_len(m * n);
    }
    out
}

/// [`gemm`] onto rows that lie between the rows of others.
///
/// # Safety
///
/// `out` must be valid for writes, and for reads where values are added to, of m rows of n values that are
/// `out_row` apart; no other thread may touch them during the call, and neither operand may overlap them.
#[allow(clippy::too_many_arguments)]
pub(crate) unsafe fn gemm_at<T: Real>(
    (m, k, n): (usize, usize, usize),
    left: Matrix<'_, T>,
    right: Matrix<'_, T>,
    factor: T,
    before: Before,
    out: *mut T,
    out_row: usize,
    threads: bool,
) {
    if m == 0 || n == 0 {
        return;
    }
    assert!(
        left.values.len() >= left.extent(m, k),
        "gemm: the left matrix is too short"
    );
    assert!(
        right.values.len() >= right.extent(k, n),
        "gemm: the right matrix is too short"
    );
    let parallelism = if threads {
        gemm::Parallelism::Rayon(rayon::current_num_threads())
    } else {
        gemm::Parallelism::None
    };
    // SAFETY: every index of the operands lies within its slice by the assertions above, every index of the
    // destination is the caller's by its promise, and T is f32 or f64, which the crate knows.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out,
            1,
            out_row as isize,
            before == Before::Add,
            left.values.as_ptr(),
            left.column as isize,
            left.row as isize,
            right.values.as_ptr(),
            right.column as isize,
            right.row as isize,
            T::ONE,
            factor,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// One product for each pair of matrices, into consecutive m×n matrices of `out`. Many small products share
/// the threads; few large ones use all of them each.
pub(crate) fn gemm_batched<'a, T: Real>(
    (m, k, n): (usize, usize, usize),
    pairs: &[(Matrix<'a, T>, Matrix<'a, T>)],
    out: &mut [T],
) {
    if m * n == 0 {
        return;
    }
    let product = |(out, &(left, right)): (&mut [T], &(Matrix<'a, T>, Matrix<'a, T>)), threads| {
        gemm(
            (m, k, n),
            left,
            right,
            T::ONE,
            Before::Overwrite,
            out,
            n,
            threads,
        );
    };
    if pairs.len() >= rayon::current_num_threads() && pairs.len() > 1 {
        out.par_chunks_mut(m * n)
            .zip(pairs)
            .for_each(|pair| product(pair, false));
    } else {
        out.chunks_mut(m * n)
            .zip(pairs)
            .for_each(|pair| product(pair, true));
    }
}

/// The product of an m×k and a k×n matrix, on this thread alone.
pub(crate) fn on_this_thread<T: Real>(
    size: (usize, usize, usize),
    left: Matrix<'_, T>,
    right: Matrix<'_, T>,
    before: Before,
    out: &mut [T],
) {
    gemm(size, left, right, T::ONE, before, out, size.2, false);
}
