//! The kernels of the CPU.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use candle_core::{CpuStorage, DType, Result, Shape, backend::BackendStorage};
use rayon::prelude::*;

use super::settings::{CrossEntropy, ignored_value};
use crate::{
    Reduction,
    op::{Op, Operand},
    real::Real,
    reduce_kernel::sums,
    rows::{Columns, RUN, SHORT, TILE, across, dot, largest, sum, sum_exp},
    simd::{LANES, fill, rows_of_a_piece, simd_kernel, zeros},
    storage::{strided, unsupported},
};

pub(super) fn no_class(value: i64, classes: i64, ignored: i64) -> candle_core::Error {
    candle_core::Error::Msg(format!(
        "cross-entropy: a target is class {value}: must be from 0 to {} or the ignored index {ignored}",
        classes - 1
    ))
    .bt()
}

pub(super) struct Fused {
    at: Columns,
    weight: Option<Vec<f64>>,
    weight_sum: f64,
    ignore_index: i64,
    smoothing: f64,
    reduction: Reduction,
    /// The shape of the logits without the classes.
    positions: Shape,
    kept: OnceLock<Kept>,
}

/// Stands for the class of positions that are ignored.
const IGNORED: u32 = u32::MAX;

/// What the backward pass takes from the forward pass.
struct Kept {
    /// The class of each position, or [`IGNORED`]; `None` where the target is probabilities.
    classes: Option<Arc<Vec<u32>>>,
    /// ln Σ exp(logits) of each position.
    log_sum_exp: Vec<f64>,
    /// What the sum was divided by.
    divisor: f64,
}

/// The target of each position.
enum Target<'a, T: Real> {
    /// A class, or [`IGNORED`].
    Classes(Arc<Vec<u32>>),
    Probabilities(Cow<'a, [T]>),
}

impl Fused {
    /// For logits of so many classes, which are their dimension `axis`, at these positions.
    pub(super) fn new(
        classes: usize,
        positions: Vec<usize>,
        axis: usize,
        target: DType,
        settings: &CrossEntropy,
    ) -> Result<Fused> {
        let weight = match &settings.weight {
            Some(weight) if weight.dims() != [classes] => candle_core::bail!(
                "cross-entropy: the class weights are {:?} and the logits have {classes} classes: must be [{classes}]",
                weight.dims()
            ),
            Some(weight) => Some(weight.to_dtype(DType::F64)?.to_vec1::<f64>()?),
            None => None,
        };
        Ok(Fused {
            at: Columns {
                n: classes,
                inner: positions
                    .get(axis..)
                    .map_or(1, |rest| rest.iter().product()),
            },
            weight_sum: weight
                .as_ref()
                .map_or(classes as f64, |weight| weight.iter().sum()),
            weight,
            ignore_index: ignored_value(target, settings.ignore_index),
            smoothing: settings.label_smoothing,
            reduction: settings.reduction,
            positions: Shape::from(positions),
            kept: OnceLock::new(),
        })
    }

    fn target<'a, T: Real>(&self, target: Operand<'a>) -> Result<Target<'a, T>> {
        let layout = target.layout();
        if let Some(classes) = self.kept.get().and_then(|kept| kept.classes.as_ref()) {
            return Ok(Target::Classes(classes.clone()));
        }
        Ok(Target::Classes(Arc::new(match target.storage() {
            CpuStorage::I64(all) => self.classes(&strided(all, layout)?)?,
            CpuStorage::U32(all) => self.classes(&strided(all, layout)?)?,
            CpuStorage::U8(all) => self.classes(&strided(all, layout)?)?,
            CpuStorage::I16(all) => self.classes(&strided(all, layout)?)?,
            CpuStorage::I32(all) => self.classes(&strided(all, layout)?)?,
            storage if storage.dtype().is_float() => {
                return Ok(Target::Probabilities(target.values::<T>()?));
            }
            other => return Err(unsupported(other.dtype(), "cross-entropy: the target")),
        })))
    }

    /// The class of each position, or [`IGNORED`].
    fn classes<I: Copy + Into<i64>>(&self, given: &[I]) -> Result<Vec<u32>> {
        let (count, ignore) = (self.at.n as i64, self.ignore_index);
        // Without branches, so that the pass is vectorized; what is wrong is looked for afterwards.
        let mut wrong = false;
        let classes = given
            .iter()
            .map(|&value| {
                let value: i64 = value.into();
                let ignored = value == ignore;
                wrong |= !ignored & ((value < 0) | (value >= count));
                if ignored { IGNORED } else { value as u32 }
            })
            .collect();
        let bad = |value: &i64| *value != ignore && !(0..count).contains(value);
        if wrong && let Some(value) = given.iter().map(|&value| value.into()).find(bad) {
            return Err(no_class(value, count, ignore));
        }
        Ok(classes)
    }

    fn weight_of(&self, class: u32) -> f64 {
        self.weight
            .as_ref()
            .map_or(1.0, |weight| weight[class as usize])
    }

    /// Per position, the part of the loss that the log-probabilities make: `(1 - ε) w_y` at the target's class
    /// (0 where it is ignored), and `ε w / C` at each class, which the caller multiplies with the weights.
    fn scales(&self, class: u32) -> (f64, f64) {
        if class == IGNORED {
            return (0.0, 0.0);
        }
        (
            (1.0 - self.smoothing) * self.weight_of(class),
            self.smoothing / self.at.n as f64,
        )
    }

    fn weights<T: Real>(&self) -> Vec<T> {
        match &self.weight {
            Some(weight) => weight.iter().map(|&w| T::of(w)).collect(),
            None => vec![T::ONE; self.at.n],
        }
    }

    fn forward<T: Real>(&self, x: &[T], target: &Target<'_, T>) -> (Vec<T>, Kept) {
        let count = self.positions.elem_count();
        let mut losses = vec![0.0f64; count];
        let mut log_sum_exp = vec![0.0f64; count];
        let weights = self.weights::<T>();
        let piece = rows_of_a_piece(count, 2 * self.at.n).next_multiple_of(LANES);
        let rows = self.at.inner == 1 && self.at.n >= SHORT;
        losses
            .par_chunks_mut(piece)
            .zip(log_sum_exp.par_chunks_mut(piece))
            .enumerate()
            .for_each(|(index, (losses, log_sum_exp))| {
                let first = index * piece;
                if rows {
                    log_sum_exp_rows(x, self.at.n, first, log_sum_exp);
                } else if self.at.wide() {
                    let mut done = 0;
                    while done < log_sum_exp.len() {
                        let column = first + done;
                        let run = self.at.tile().min(self.at.inner - column % self.at.inner);
                        let end = log_sum_exp.len().min(done + run);
                        log_sum_exp_tile(
                            &x[self.at.start(column)..],
                            self.at,
                            &mut log_sum_exp[done..end],
                        );
                        done = end;
                    }
                } else {
                    log_sum_exp_columns(x, self.at, first, log_sum_exp);
                }
                match target {
                    Target::Classes(classes) => {
                        for (i, (loss, &lse)) in losses.iter_mut().zip(&*log_sum_exp).enumerate() {
                            let class = classes[first + i];
                            if class == IGNORED {
                                continue;
                            }
                            let (at_class, everywhere) = self.scales(class);
                            let start = self.at.start(first + i);
                            let logit = x[start + class as usize * self.at.inner].as_f64();
                            *loss = at_class * (lse - logit);
                            if everywhere != 0.0 {
                                let mean = weighted(x, &weights, self.at, start).as_f64();
                                *loss += everywhere * (lse * self.weight_sum - mean);
                            }
                        }
                    }
                    Target::Probabilities(q) => {
                        let (keep, add) = (1.0 - self.smoothing, self.smoothing / self.at.n as f64);
                        for (i, (loss, &lse)) in losses.iter_mut().zip(&*log_sum_exp).enumerate() {
                            let start = self.at.start(first + i);
                            *loss = soft_loss(x, q, &weights, self.at, start, lse, keep, add);
                        }
                    }
                }
            });
        let divisor = match (self.reduction, target) {
            (Reduction::Mean, Target::Classes(classes)) => classes
                .iter()
                .filter(|&&class| class != IGNORED)
                .map(|&class| self.weight_of(class))
                .sum(),
            (Reduction::Mean, Target::Probabilities(_)) => count as f64,
            _ => 1.0,
        };
        let result = match self.reduction {
            Reduction::None => losses.iter().map(|&loss| T::of(loss)).collect(),
            _ => vec![T::of(sums(&losses, [1, count, 1])[0] / divisor)],
        };
        (
            result,
            Kept {
                classes: match target {
                    Target::Classes(classes) => Some(classes.clone()),
                    Target::Probabilities(_) => None,
                },
                log_sum_exp,
                divisor,
            },
        )
    }

    /// The gradient of the logits: at class j of a position, `scale (p_j Σ_k w_k q_k - w_j q_j)`, where scale is
    /// the gradient that arrives, over the divisor.
    fn backward<T: Real>(&self, x: &[T], target: &Target<'_, T>, grad: &[T]) -> Vec<T> {
        let Some(kept) = self.kept.get() else {
            return zeros(x.len());
        };
        let scale = |position: usize| match self.reduction {
            Reduction::None => grad[position].as_f64(),
            _ => grad[0].as_f64() / kept.divisor,
        };
        let weights = self.weights::<T>();
        let slab = (self.at.n * self.at.inner).max(1);
        if let (true, Target::Classes(classes)) = (self.at.wide(), target) {
            return self.at.fill_tiles(x.len() / slab, |first, out| {
                let columns = out.len() / self.at.n;
                let classes = &classes[first..first + columns];
                let log_sum_exp = &kept.log_sum_exp[first..first + columns];
                let mut shares = [T::ZERO; TILE];
                for (i, &class) in classes.iter().enumerate() {
                    let (at_class, everywhere) = self.scales(class);
                    shares[i] = T::of(scale(first + i) * (at_class + everywhere * self.weight_sum));
                }
                probabilities_tile(
                    &x[self.at.start(first)..],
                    out,
                    self.at,
                    log_sum_exp,
                    &shares,
                );
                for (i, &class) in classes.iter().enumerate() {
                    if class == IGNORED {
                        continue;
                    }
                    let (at_class, everywhere) = self.scales(class);
                    out[class as usize * columns + i] -= T::of(scale(first + i) * at_class);
                    if everywhere != 0.0 {
                        let part = T::of(scale(first + i) * everywhere);
                        for (j, &weight) in weights.iter().enumerate() {
                            out[j * columns + i] -= part * weight;
                        }
                    }
                }
            });
        }
        fill(x.len() / slab, slab, 2 * slab, |range, out| {
            let first = range.start * self.at.inner;
            let count = range.len() * self.at.inner;
            let x = &x[range.start * slab..range.end * slab];
            let log_sum_exp = &kept.log_sum_exp[first..first + count];
            // The share that each position's probabilities get; where nothing comes in, nothing goes out, even
            // if the logits are not numbers.
            let share = |i: usize| match target {
                Target::Classes(classes) => {
                    let (at_class, everywhere) = self.scales(classes[first + i]);
                    scale(first + i) * (at_class + everywhere * self.weight_sum)
                }
                Target::Probabilities(_) => scale(first + i),
            };
            let shares: Vec<f64> = (0..count).map(share).collect();
            match target {
                Target::Classes(classes) => {
                    if self.at.inner == 1 && self.at.n >= SHORT {
                        probabilities_rows(x, out, self.at.n, log_sum_exp, &shares);
                    } else {
                        probabilities_columns(x, out, self.at, log_sum_exp, &shares);
                    }
                    for i in 0..count {
                        let class = classes[first + i];
                        if class == IGNORED {
                            continue;
                        }
                        let (at_class, everywhere) = self.scales(class);
                        let start = self.at.start(i);
                        out[start + class as usize * self.at.inner] -=
                            T::of(scale(first + i) * at_class);
                        if everywhere != 0.0 {
                            let part = T::of(scale(first + i) * everywhere);
                            for (j, &weight) in weights.iter().enumerate() {
                                out[start + j * self.at.inner] -= part * weight;
                            }
                        }
                    }
                }
                Target::Probabilities(q) => {
                    let q = &q[range.start * slab..range.end * slab];
                    let (keep, add) = (1.0 - self.smoothing, self.smoothing / self.at.n as f64);
                    for i in 0..count {
                        let start = self.at.start(i);
                        soft_gradient(
                            x,
                            q,
                            &weights,
                            self.at,
                            start,
                            log_sum_exp[i],
                            shares[i],
                            keep,
                            add,
                            out,
                        );
                    }
                }
            }
        })
    }

    /// The gradient of probabilities: `-scale (1 - ε) w_j ln p_j`.
    fn target_gradient<T: Real>(&self, x: &[T], grad: &[T]) -> Vec<T> {
        let mut out = vec![T::ZERO; x.len()];
        let Some(kept) = self.kept.get() else {
            return out;
        };
        let weights = self.weights::<T>();
        for (position, &lse) in kept.log_sum_exp.iter().enumerate() {
            let scale = match self.reduction {
                Reduction::None => grad[position].as_f64(),
                _ => grad[0].as_f64() / kept.divisor,
            } * (1.0 - self.smoothing);
            let (lse, rest) = halves::<T>(lse);
            let start = self.at.start(position);
            for (j, &weight) in weights.iter().enumerate() {
                let index = start + j * self.at.inner;
                out[index] = T::of(scale) * weight * ((lse - x[index]) + rest);
            }
        }
        out
    }
}

impl Op<2> for Fused {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn forward<T: Real>(&self, [logits, target]: [Operand<'_>; 2]) -> Result<(Vec<T>, Shape)> {
        let target = self.target::<T>(target)?;
        let (result, kept) = self.forward(&logits.values::<T>()?, &target);
        // The pass runs once for each op, so the cell is empty.
        let _ = self.kept.set(kept);
        Ok(match self.reduction {
            Reduction::None => (result, self.positions.clone()),
            _ => (result, Shape::from(())),
        })
    }

    fn backward<T: Real>(
        &self,
        [logits, target]: [Operand<'_>; 2],
        _: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 2]> {
        let target_tracked = target.is_tracked() && target.storage().dtype().is_float();
        let (x, grad) = (logits.values::<T>()?, grad.values::<T>()?);
        let target = self.target::<T>(target)?;
        let logits_grad = logits
            .is_tracked()
            .then(|| self.backward(&x, &target, &grad));
        Ok([
            logits_grad,
            target_tracked.then(|| self.target_gradient(&x, &grad)),
        ])
    }
}

/// Σ_j w_j x_j of the position that starts at `start`.
#[inline(always)]
fn weighted<T: Real>(x: &[T], weights: &[T], at: Columns, start: usize) -> T {
    if at.inner == 1 {
        return dot(&x[start..start + at.n], weights);
    }
    let mut total = 0.0;
    for (j, &weight) in weights.iter().enumerate() {
        total += (x[start + j * at.inner] * weight).as_f64();
    }
    T::of(total)
}

/// A number as the sum of the nearest T and the small rest. Logits of 1e4 leave f32 a step of 1e-3, so that a
/// probability from a rounded log-sum-exp would be wrong in its fourth place.
#[inline(always)]
fn halves<T: Real>(number: f64) -> (T, T) {
    let near = T::of(number);
    if number.is_finite() {
        (near, T::of(number - near.as_f64()))
    } else {
        (near, T::ZERO)
    }
}

simd_kernel! {
    fn log_sum_exp_rows['a, T: Real](x: &'a [T], n: usize, first: usize, out: &'a mut [f64]) -> () {
        for (x, out) in x[first * n..].chunks_exact(n).zip(out) {
            let shift = largest(x);
            *out = shift.as_f64() + sum_exp(x, shift).as_f64().ln();
        }
    }
}

simd_kernel! {
    fn log_sum_exp_columns['a, T: Real](x: &'a [T], at: Columns, first: usize, out: &'a mut [f64]) -> () {
        let mut block = vec![T::ZERO; at.n * LANES];
        for (index, out) in out.chunks_mut(LANES).enumerate() {
            at.load(x, first + index * LANES, out.len(), &mut block);
            let mut shift = [T::NEG_INFINITY; LANES];
            for row in block.chunks_exact(LANES) {
                for lane in 0..LANES {
                    shift[lane] = shift[lane].larger(row[lane]);
                }
            }
            let mut total = [0.0; LANES];
            for run in block.chunks(RUN * LANES) {
                let mut sum = [T::ZERO; LANES];
                for row in run.chunks_exact(LANES) {
                    for lane in 0..LANES {
                        sum[lane] += (row[lane] - shift[lane]).exp();
                    }
                }
                for lane in 0..LANES {
                    total[lane] += sum[lane].as_f64();
                }
            }
            for (lane, out) in out.iter_mut().enumerate() {
                *out = shift[lane].as_f64() + T::of(total[lane]).ln().as_f64();
            }
        }
    }
}

simd_kernel! {
    /// ln Σ exp of the columns of a tile; `x` begins at its first value.
    fn log_sum_exp_tile['a, T: Real](x: &'a [T], at: Columns, out: &'a mut [f64]) -> () {
        let columns = out.len();
        let (mut shift, mut sum) = ([T::NEG_INFINITY; TILE], [T::ZERO; TILE]);
        let (shift, sum) = (&mut shift[..columns], &mut sum[..columns]);
        for j in 0..at.n {
            for (shift, &x) in shift.iter_mut().zip(&x[j * at.inner..][..columns]) {
                *shift = shift.larger(x);
            }
        }
        let mut total = [0.0; TILE];
        let total = &mut total[..columns];
        for first in (0..at.n).step_by(RUN) {
            for j in first..at.n.min(first + RUN) {
                let row = &x[j * at.inner..][..columns];
                for ((sum, &x), &shift) in sum.iter_mut().zip(row).zip(&*shift) {
                    *sum += (x - shift).exp();
                }
            }
            for (total, sum) in total.iter_mut().zip(sum.iter_mut()) {
                *total += std::mem::take(sum).as_f64();
            }
        }
        for ((out, &total), &shift) in out.iter_mut().zip(&*total).zip(&*shift) {
            *out = shift.as_f64() + T::of(total).ln().as_f64();
        }
    }
}

simd_kernel! {
    /// share · exp(x - log-sum-exp) for the columns of a tile `out` `[n, columns]`; `x` begins at its first value.
    fn probabilities_tile['a, T: Real](
        x: &'a [T], out: &'a mut [T], at: Columns, log_sum_exp: &'a [f64], shares: &'a [T],
    ) -> () {
        let columns = log_sum_exp.len();
        let (mut lse, mut rest) = ([T::ZERO; TILE], [T::ZERO; TILE]);
        for (i, &number) in log_sum_exp.iter().enumerate() {
            (lse[i], rest[i]) = halves(number);
        }
        let (lse, rest, shares) = (&lse[..columns], &rest[..columns], &shares[..columns]);
        for (j, out) in out.chunks_exact_mut(columns).enumerate() {
            let row = &x[j * at.inner..][..columns];
            for ((((out, &x), &lse), &rest), &share) in out.iter_mut().zip(row).zip(lse).zip(rest).zip(shares) {
                let probability = ((x - lse) - rest).exp() * share;
                *out = if share == T::ZERO { T::ZERO } else { probability };
            }
        }
    }
}

simd_kernel! {
    /// share · exp(x - log-sum-exp) for each row.
    fn probabilities_rows['a, T: Real](
        x: &'a [T], out: &'a mut [T], n: usize, log_sum_exp: &'a [f64], shares: &'a [f64],
    ) -> () {
        for (((x, out), &lse), &share) in
            x.chunks_exact(n).zip(out.chunks_exact_mut(n)).zip(log_sum_exp).zip(shares)
        {
            if share != 0.0 {
                let ((lse, rest), share) = (halves::<T>(lse), T::of(share));
                for (out, &x) in out.iter_mut().zip(x) {
                    *out = ((x - lse) - rest).exp() * share;
                }
            }
        }
    }
}

simd_kernel! {
    fn probabilities_columns['a, T: Real](
        x: &'a [T], out: &'a mut [T], at: Columns, log_sum_exp: &'a [f64], shares: &'a [f64],
    ) -> () {
        let mut block = vec![T::ZERO; at.n * LANES];
        for first in (0..log_sum_exp.len()).step_by(LANES) {
            let count = LANES.min(log_sum_exp.len() - first);
            at.load(x, first, count, &mut block);
            let (mut lse, mut rest, mut share) = ([T::ZERO; LANES], [T::ZERO; LANES], [T::ZERO; LANES]);
            for lane in 0..count {
                (lse[lane], rest[lane]) = halves(log_sum_exp[first + lane]);
                share[lane] = T::of(shares[first + lane]);
            }
            for row in block.chunks_exact_mut(LANES) {
                for lane in 0..LANES {
                    let probability = ((row[lane] - lse[lane]) - rest[lane]).exp() * share[lane];
                    row[lane] = if share[lane] == T::ZERO { T::ZERO } else { probability };
                }
            }
            at.store(out, first, count, &block);
        }
    }
}

simd_kernel! {
    /// -Σ_j w_j (keep q_j + add) ln p_j.
    fn soft_loss['a, T: Real](
        x: &'a [T], q: &'a [T], weights: &'a [T], at: Columns, start: usize, lse: f64, keep: f64, add: f64,
    ) -> f64 {
        let (keep, add, (lse, rest)) = (T::of(keep), T::of(add), halves::<T>(lse));
        let (mut lanes, mut last) = ([0.0; LANES], 0.0);
        let whole = if at.inner == 1 { at.n / LANES * LANES } else { 0 };
        let rows = x[start..].chunks_exact(LANES).zip(q[start..].chunks_exact(LANES));
        for ((x, q), weights) in rows.zip(weights[..whole].chunks_exact(LANES)) {
            for lane in 0..LANES {
                let part = weights[lane] * (keep * q[lane] + add) * ((lse - x[lane]) + rest);
                lanes[lane] += part.as_f64();
            }
        }
        for (j, &weight) in weights.iter().enumerate().skip(whole) {
            let index = start + j * at.inner;
            let part = weight * (keep * q[index] + add) * ((lse - x[index]) + rest);
            last += part.as_f64();
        }
        across(&lanes) + last
    }
}

simd_kernel! {
    /// share (p_j Σ_k w_k q'_k - w_j q'_j) with q' = keep q + add.
    fn soft_gradient['a, T: Real](
        x: &'a [T], q: &'a [T], weights: &'a [T], at: Columns, start: usize, lse: f64, share: f64, keep: f64,
        add: f64, out: &'a mut [T],
    ) -> () {
        let (keep, add, (lse, rest), share) = (T::of(keep), T::of(add), halves::<T>(lse), T::of(share));
        let mass = keep * weighted(q, weights, at, start) + add * sum(weights);
        if at.inner == 1 {
            let part = start..start + at.n;
            for (((out, &x), &q), &weight) in out[part.clone()].iter_mut().zip(&x[part.clone()]).zip(&q[part]).zip(weights) {
                *out = share * (((x - lse) - rest).exp() * mass - weight * (keep * q + add));
            }
        } else {
            for (j, &weight) in weights.iter().enumerate() {
                let index = start + j * at.inner;
                out[index] = share * (((x[index] - lse) - rest).exp() * mass - weight * (keep * q[index] + add));
            }
        }
    }
}
