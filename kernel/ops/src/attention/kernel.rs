//! The kernels of the CPU: one task a head, tiles of queries within it.

use candle_core::Layout;
use rayon::prelude::*;

use crate::{
    drop_mask::Chance,
    gemm::{Before, Matrix, gemm, gemm_at},
    random::{BLOCK, Stream},
    real::Real,
    rows::{dot, exp_and_sum, largest},
    simd::simd_kernel,
};

/// The sizes of one call.
#[derive(Clone, Copy)]
pub(super) struct Problem {
    pub batch: usize,
    pub heads: usize,
    pub queries: usize,
    pub keys: usize,
    /// The width of queries and keys, and that of values.
    pub width: usize,
    pub v_width: usize,
    pub scale: f64,
    pub causal: bool,
}

/// Where the matrices of the heads lie within a slice.
#[derive(Clone, Copy)]
pub(super) struct View {
    pub start: usize,
    pub batch: usize,
    pub head: usize,
    pub row: usize,
    pub column: usize,
}

impl View {
    /// Of a tensor of rank 4.
    pub(super) fn of(layout: &Layout) -> View {
        let stride = layout.stride();
        View {
            start: layout.start_offset(),
            batch: stride[0],
            head: stride[1],
            row: stride[2],
            column: stride[3],
        }
    }

    /// Of a row-major [batch, heads, rows, width].
    pub(super) fn contiguous(heads: usize, rows: usize, width: usize) -> View {
        View {
            start: 0,
            batch: heads * rows * width,
            head: rows * width,
            row: width,
            column: 1,
        }
    }

    pub(super) fn at(self, start: usize) -> View {
        View { start, ..self }
    }

    fn offset(&self, batch: usize, head: usize, row: usize) -> usize {
        self.start + batch * self.batch + head * self.head + row * self.row
    }

    /// The matrix of a head from a row on.
    fn matrix<'a, T>(
        &self,
        values: &'a [T],
        batch: usize,
        head: usize,
        row: usize,
    ) -> Matrix<'a, T> {
        let start = self.offset(batch, head, row);
        Matrix {
            values: values.get(start..).unwrap_or(&[]),
            row: self.row,
            column: self.column,
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Inputs<'a, T> {
    pub q: (&'a [T], View),
    pub k: (&'a [T], View),
    pub v: (&'a [T], View),
}

/// The gradients, in one slice: the parts of packed projections interleave.
pub(super) struct Outputs<'a, T> {
    pub values: &'a mut [T],
    pub q: View,
    pub k: View,
    pub v: View,
}

/// What hides keys; the strides are those of [batch, heads, queries, keys].
#[derive(Clone, Copy)]
pub(super) enum Mask<'a, T> {
    None,
    Visible(&'a [u8], [usize; 4]),
    Added(&'a [T], [usize; 4]),
}

/// A slice of which several threads write disjoint values at a time.
struct Shared<T>(*mut T, usize);

// SAFETY: the pointer is only handed out by `Shared::rows`, whose callers write disjoint values.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn new(values: &mut [T]) -> Shared<T> {
        Shared(values.as_mut_ptr(), values.len())
    }

    /// Where `rows` rows of `width` values begin that are `step` apart; all lie within the slice.
    fn rows(&self, start: usize, rows: usize, step: usize, width: usize) -> *mut T {
        let length = if rows == 0 {
            0
        } else {
            (rows - 1) * step + width
        };
        assert!(
            start + length <= self.1,
            "attention: a head lies beyond its tensor"
        );
        self.0.wrapping_add(start)
    }
}

/// How many scores a tile has at most: two tiles fit a core's second-level cache.
const TILE: usize = 64 * 1024;

impl Problem {
    fn tile_rows(&self) -> usize {
        (TILE / self.keys.max(1)).clamp(16, self.queries.max(16))
    }

    /// The tiles: first query, number of queries, number of keys that any of them sees.
    fn tiles(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        let step = self.tile_rows();
        (0..self.queries).step_by(step).map(move |first| {
            let rows = step.min(self.queries - first);
            let keys = if self.causal {
                self.keys.min(first + rows)
            } else {
                self.keys
            };
            (first, rows, keys)
        })
    }

    /// Runs `f` for each head: on one thread each where there are enough, else one after the other with all
    /// threads in the products.
    fn for_heads(&self, f: impl Fn(usize, usize, bool) + Sync) {
        let count = self.batch * self.heads;
        let one = |index: usize, threads| f(index / self.heads, index % self.heads, threads);
        if count >= rayon::current_num_threads() {
            (0..count)
                .into_par_iter()
                .for_each(|index| one(index, false));
        } else {
            (0..count).for_each(|index| one(index, true));
        }
    }

    /// Which row of the random stream belongs to a query.
    fn random_row(&self, batch: usize, head: usize, query: usize) -> u64 {
        ((batch * self.heads + head) * self.queries + query) as u64
    }
}

/// Writes the result to `y` and returns the log-sum-exp of each row, [batch, heads, queries].
pub(super) fn forward<T: Real>(
    p: &Problem,
    inputs: Inputs<'_, T>,
    mask: Mask<'_, T>,
    dropout: Option<(Chance, Stream)>,
    out: View,
    y: &mut [T],
) -> Vec<f64> {
    let mut kept = vec![f64::INFINITY; p.batch * p.heads * p.queries];
    if p.keys == 0 {
        return kept;
    }
    let (y, log_sum_exp) = (Shared::new(y), Shared::new(&mut kept));
    p.for_heads(|batch, head, threads| {
        let mut scores = vec![T::ZERO; p.tile_rows() * p.keys];
        for (first, rows, keys) in p.tiles() {
            let scores = &mut scores[..rows * keys];
            let q = inputs.q.1.matrix(inputs.q.0, batch, head, first);
            let k = inputs.k.1.matrix(inputs.k.0, batch, head, 0);
            let v = inputs.v.1.matrix(inputs.v.0, batch, head, 0);
            let size = (rows, p.width, keys);
            gemm(
                size,
                q,
                k.transposed(),
                T::of(p.scale),
                Before::Overwrite,
                scores,
                keys,
                threads,
            );
            hide(p, mask, batch, head, first, keys, scores);
            let start = p.random_row(batch, head, first) as usize;
            let log_sum_exp = log_sum_exp.rows(start, rows, 1, 1);
            // SAFETY: `rows` has checked the bounds, and no other head or tile has these queries.
            let log_sum_exp = unsafe { std::slice::from_raw_parts_mut(log_sum_exp, rows) };
            normalize(scores, keys, log_sum_exp);
            if let Some((chance, stream)) = dropout {
                drop_weights(
                    scores,
                    keys,
                    stream,
                    p.random_row(batch, head, first),
                    chance,
                );
            }
            let y = y.rows(out.offset(batch, head, first), rows, out.row, p.v_width);
            let weights = Matrix::new(scores, keys);
            let size = (rows, keys, p.v_width);
            // SAFETY: `rows` has checked the bounds, and no other head or tile has these values.
            unsafe {
                gemm_at(
                    size,
                    weights,
                    v,
                    T::ONE,
                    Before::Overwrite,
                    y,
                    out.row,
                    threads,
                )
            };
        }
    });
    kept
}

/// Writes the gradients of q, k and v.
#[allow(clippy::too_many_arguments)]
pub(super) fn backward<T: Real>(
    p: &Problem,
    inputs: Inputs<'_, T>,
    mask: Mask<'_, T>,
    dropout: Option<(Chance, Stream)>,
    (y, y_view): (&[T], View),
    (grad, grad_view): (&[T], View),
    log_sum_exp: &[f64],
    outputs: Outputs<'_, T>,
) {
    if p.keys == 0 {
        return;
    }
    let (q_view, k_view, v_view) = (outputs.q, outputs.k, outputs.v);
    let out = Shared::new(outputs.values);
    p.for_heads(|batch, head, threads| {
        let size = p.tile_rows() * p.keys;
        let (mut weights, mut slopes) = (vec![T::ZERO; size], vec![T::ZERO; size]);
        for (first, rows, keys) in p.tiles() {
            let (weights, slopes) = (&mut weights[..rows * keys], &mut slopes[..rows * keys]);
            let q = inputs.q.1.matrix(inputs.q.0, batch, head, first);
            let k = inputs.k.1.matrix(inputs.k.0, batch, head, 0);
            let v = inputs.v.1.matrix(inputs.v.0, batch, head, 0);
            let g = grad_view.matrix(grad, batch, head, first);
            let score = (rows, p.width, keys);
            gemm(
                score,
                q,
                k.transposed(),
                T::of(p.scale),
                Before::Overwrite,
                weights,
                keys,
                threads,
            );
            hide(p, mask, batch, head, first, keys, weights);
            let row = p.random_row(batch, head, first);
            weights_again(
                weights,
                keys,
                &log_sum_exp[row as usize..row as usize + rows],
            );
            let slope = (rows, p.v_width, keys);
            gemm(
                slope,
                g,
                v.transposed(),
                T::ONE,
                Before::Overwrite,
                slopes,
                keys,
                threads,
            );
            // What reaches the values, and what comes back to the weights, is as dropped as in the forward pass.
            let mut dropped = Vec::new();
            if let Some((chance, stream)) = dropout {
                dropped = weights.to_vec();
                drop_weights(&mut dropped, keys, stream, row, chance);
                drop_weights(slopes, keys, stream, row, chance);
            }
            for i in 0..rows {
                let from = |view: View, values: &[T]| -> T {
                    let at = view.offset(batch, head, first + i);
                    dot(
                        &values[at..at + p.v_width],
                        &grad[grad_view.offset(batch, head, first + i)..][..p.v_width],
                    )
                };
                let mean = from(y_view, y);
                let part = i * keys..(i + 1) * keys;
                score_slopes(
                    &weights[part.clone()],
                    &mut slopes[part],
                    mean,
                    T::of(p.scale),
                );
            }
            let values: &[T] = if dropout.is_some() { &dropped } else { weights };
            // The gradients are zero until the first tile adds to them, so all tiles may add; overwriting saves
            // reading them where there is one tile, which sees all keys.
            let before = if rows == p.queries && keys == p.keys {
                Before::Overwrite
            } else {
                Before::Add
            };
            let (values, slopes) = (Matrix::new(values, keys), Matrix::new(slopes, keys));
            let q_out = out.rows(q_view.offset(batch, head, first), rows, q_view.row, p.width);
            let k_out = out.rows(k_view.offset(batch, head, 0), keys, k_view.row, p.width);
            let v_out = out.rows(v_view.offset(batch, head, 0), keys, v_view.row, p.v_width);
            let over = Before::Overwrite;
            // SAFETY: `rows` has checked the bounds; no other head has these values of the three gradients, and
            // the tiles of a head run one after another.
            unsafe {
                let size = (keys, rows, p.v_width);
                gemm_at(
                    size,
                    values.transposed(),
                    g,
                    T::ONE,
                    before,
                    v_out,
                    v_view.row,
                    threads,
                );
                let size = (rows, keys, p.width);
                gemm_at(size, slopes, k, T::ONE, over, q_out, q_view.row, threads);
                let size = (keys, rows, p.width);
                gemm_at(
                    size,
                    slopes.transposed(),
                    q,
                    T::ONE,
                    before,
                    k_out,
                    k_view.row,
                    threads,
                );
            }
        }
    });
}

/// Applies the mask and causality to a tile of scores.
fn hide<T: Real>(
    p: &Problem,
    mask: Mask<'_, T>,
    batch: usize,
    head: usize,
    first: usize,
    keys: usize,
    scores: &mut [T],
) {
    for (i, row) in scores.chunks_exact_mut(keys.max(1)).enumerate() {
        match mask {
            Mask::None => {}
            Mask::Visible(values, strides) => {
                let start = batch * strides[0] + head * strides[1] + (first + i) * strides[2];
                for (j, score) in row.iter_mut().enumerate() {
                    if values[start + j * strides[3]] == 0 {
                        *score = T::NEG_INFINITY;
                    }
                }
            }
            Mask::Added(values, strides) => {
                let start = batch * strides[0] + head * strides[1] + (first + i) * strides[2];
                for (j, score) in row.iter_mut().enumerate() {
                    *score += values[start + j * strides[3]];
                }
            }
        }
        if p.causal {
            row[(first + i + 1).min(keys)..].fill(T::NEG_INFINITY);
        }
    }
}

simd_kernel! {
    /// Softmax of each row, in place; rows without a visible key become zeros, with an infinite log-sum-exp.
    fn normalize['a, T: Real](scores: &'a mut [T], keys: usize, log_sum_exp: &'a mut [f64]) -> () {
        for (row, log_sum_exp) in scores.chunks_exact_mut(keys).zip(log_sum_exp) {
            let shift = largest(row);
            if shift == T::NEG_INFINITY {
                row.fill(T::ZERO);
                *log_sum_exp = f64::INFINITY;
                continue;
            }
            let sum = exp_and_sum_in_place(row, shift);
            *log_sum_exp = shift.as_f64() + sum.as_f64().ln();
            let scale = T::ONE / sum;
            for weight in row.iter_mut() {
                *weight *= scale;
            }
        }
    }
}

/// `exp_and_sum` onto the same values.
#[inline(always)]
fn exp_and_sum_in_place<T: Real>(row: &mut [T], shift: T) -> T {
    const PIECE: usize = 64;
    let mut sum = 0.0;
    let mut copy = [T::ZERO; PIECE];
    for piece in row.chunks_mut(PIECE) {
        let copy = &mut copy[..piece.len()];
        copy.copy_from_slice(piece);
        sum += exp_and_sum(copy, piece, shift).as_f64();
    }
    T::of(sum)
}

simd_kernel! {
    fn weights_again['a, T: Real](scores: &'a mut [T], keys: usize, log_sum_exp: &'a [f64]) -> () {
        for (row, &log_sum_exp) in scores.chunks_exact_mut(keys).zip(log_sum_exp) {
            let shift = T::of(log_sum_exp);
            for weight in row.iter_mut() {
                *weight = (*weight - shift).exp();
            }
        }
    }
}

simd_kernel! {
    /// scale · weight · (slope - mean), onto the slopes.
    fn score_slopes['a, T: Real](weights: &'a [T], slopes: &'a mut [T], mean: T, scale: T) -> () {
        for (slope, &weight) in slopes.iter_mut().zip(weights) {
            *slope = weight * (*slope - mean) * scale;
        }
    }
}

simd_kernel! {
    fn drop_weights['a, T: Real](
        weights: &'a mut [T], keys: usize, stream: Stream, first: u64, chance: Chance,
    ) -> () {
        let scale = T::of(chance.scale);
        for (i, row) in weights.chunks_exact_mut(keys).enumerate() {
            for (index, piece) in row.chunks_mut(BLOCK).enumerate() {
                let random = stream.block(first + i as u64, index as u64);
                for (weight, &random) in piece.iter_mut().zip(&random) {
                    *weight = if u64::from(random) < chance.threshold { T::ZERO } else { *weight * scale };
                }
            }
        }
    }
}
