//! The kernels of the CPU.

use candle_core::{Result, Shape};
use rayon::prelude::*;

use crate::{
    op::{Op, Operand},
    real::Real,
};

/// Height and width of an image's shape.
pub(super) fn plane(shape: &Shape) -> (usize, usize) {
    match shape.dims() {
        [.., height, width] => (*height, *width),
        _ => (1, shape.elem_count()),
    }
}

/// What is taken of a window.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fold {
    Sum,
    Least,
}

#[derive(Clone, Copy)]
pub(super) struct Windows {
    pub(super) radius: usize,
    pub(super) fold: Fold,
}

impl Windows {
    pub(super) fn name(self) -> &'static str {
        match self.fold {
            Fold::Sum => "box-filter",
            Fold::Least => "min-filter",
        }
    }

    fn planes<T: Real>(self, x: &[T], (height, width): (usize, usize), fold: Fold) -> Vec<T> {
        let area = (height * width).max(1);
        let mut y = vec![T::ZERO; x.len()];
        y.par_chunks_exact_mut(area)
            .zip(x.par_chunks_exact(area))
            .for_each(|(y, x)| {
                let mut rows_done = vec![T::ZERO; area];
                for (from, to) in x.chunks_exact(width).zip(rows_done.chunks_exact_mut(width)) {
                    line(fold, self.radius, from.iter().copied(), |i, value| {
                        to[i] = value
                    });
                }
                for column in 0..width {
                    let from = rows_done[column..].iter().step_by(width).copied();
                    line(fold, self.radius, from, |i, value| {
                        y[i * width + column] = value
                    });
                }
            });
        y
    }
}

impl Op<1> for Windows {
    fn name(&self) -> &'static str {
        Windows::name(*self)
    }

    fn forward<T: Real>(&self, [x]: [Operand<'_>; 1]) -> Result<(Vec<T>, Shape)> {
        let y = self.planes::<T>(&x.values()?, plane(x.shape()), self.fold);
        Ok((y, x.shape().clone()))
    }

    fn backward<T: Real>(
        &self,
        [x]: [Operand<'_>; 1],
        _: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 1]> {
        if self.fold == Fold::Least {
            candle_core::bail!("min-filter has no gradient")
        }
        // A value is in the windows of those that are in its own.
        Ok([Some(self.planes::<T>(
            &grad.values()?,
            plane(x.shape()),
            Fold::Sum,
        ))])
    }
}

/// One line's windows; `put` gets each result with its place.
fn line<T: Real>(
    fold: Fold,
    radius: usize,
    values: impl ExactSizeIterator<Item = T> + Clone,
    mut put: impl FnMut(usize, T),
) {
    let length = values.len();
    let radius = radius.min(length);
    let mut entering = values.clone();
    match fold {
        Fold::Sum => {
            let mut sum: f64 = entering.by_ref().take(radius).map(T::as_f64).sum();
            let mut leaving = values;
            for i in 0..length {
                sum += entering.next().map_or(0.0, T::as_f64);
                put(i, T::of(sum));
                if i >= radius {
                    sum -= leaving.next().map_or(0.0, T::as_f64);
                }
            }
        }
        Fold::Least => {
            // The values that can still be the least of a window, in rising order, with their places.
            let mut candidates: std::collections::VecDeque<(usize, T)> = Default::default();
            let missing = |value: T| value.as_f64().is_nan();
            let mut next = 0;
            for i in 0..length {
                for value in entering.by_ref().take((i + radius + 1).min(length) - next) {
                    while candidates.back().is_some_and(|&(_, last)| {
                        !missing(last) && (missing(value) || last >= value)
                    }) {
                        candidates.pop_back();
                    }
                    candidates.push_back((next, value));
                    next += 1;
                }
                while candidates
                    .front()
                    .is_some_and(|&(place, _)| place + radius < i)
                {
                    candidates.pop_front();
                }
                let first_missing = candidates.iter().find(|&&(_, value)| missing(value));
                if let Some(&(_, value)) = first_missing.or(candidates.front()) {
                    put(i, value);
                }
            }
        }
    }
}
