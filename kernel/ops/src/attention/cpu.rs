//! The op over the kernels: where the heads lie, and what the passes keep.

use std::sync::OnceLock;

use candle_core::{CpuStorage, DType, Result, Shape, Tensor};

use super::{
    kernel::{Inputs, Mask, Outputs, Problem, View, backward, forward},
    settings::Attention,
};
use crate::{
    drop_mask::Chance,
    op::{Op, Operand},
    random::Stream,
    real::Real,
    simd::zeros,
    storage::cpu_storage,
};

pub(super) struct Fused {
    problem: Problem,
    /// In the layout that broadcasts it to [batch, heads, queries, keys].
    mask: Option<Tensor>,
    dropout: Option<(Chance, Stream)>,
    /// ln Σ exp of each row of scores.
    log_sum_exp: OnceLock<Vec<f64>>,
}

impl Fused {
    pub(super) fn new(problem: Problem, settings: &Attention) -> Result<Fused> {
        let chance = Chance::new("attention", settings.dropout)?;
        let shape = (problem.batch, problem.heads, problem.queries, problem.keys);
        Ok(Fused {
            problem,
            mask: settings
                .mask
                .as_ref()
                .map(|mask| mask.detach().broadcast_as(shape))
                .transpose()
                .map_err(|error| {
                    error.context(
                        "attention: the mask must broadcast to [batch, heads, queries, keys]",
                    )
                })?,
            dropout: (settings.dropout > 0.0).then(|| (chance, Stream::next())),
            log_sum_exp: OnceLock::new(),
        })
    }

    /// Runs `f` with the mask as the kernels read it.
    fn with_mask<T: Real, R>(&self, f: impl FnOnce(Mask<'_, T>) -> R) -> Result<R> {
        let Some(mask) = &self.mask else {
            return Ok(f(Mask::None));
        };
        let mask = match mask.dtype() {
            DType::U8 => mask.clone(),
            dtype if dtype.is_float() => mask.to_dtype(T::DTYPE)?,
            other => candle_core::bail!(
                "attention: the mask is {}: must be u8 (0 hides) or numbers to add",
                other.as_str()
            ),
        };
        let (storage, layout) = mask.storage_and_layout();
        let strides: [usize; 4] = std::array::from_fn(|i| layout.stride()[i]);
        let start = layout.start_offset();
        Ok(match cpu_storage(&storage, "attention")? {
            CpuStorage::U8(values) => f(Mask::Visible(&values[start..], strides)),
            storage => f(Mask::Added(&storage.as_slice::<T>()?[start..], strides)),
        })
    }

    fn forward<T: Real>(&self, inputs: Inputs<'_, T>, out: View) -> Result<Vec<T>> {
        let p = &self.problem;
        let mut y = zeros::<T>(p.batch * p.heads * p.queries * p.v_width);
        let kept = self.with_mask(|mask| forward(p, inputs, mask, self.dropout, out, &mut y))?;
        // The pass runs once for each op, so the cell is empty.
        let _ = self.log_sum_exp.set(kept);
        Ok(y)
    }

    /// The views of the three parts of packed projections.
    fn packed(&self) -> [View; 3] {
        let p = &self.problem;
        let row = 3 * p.heads * p.width;
        let part = |index: usize| View {
            start: index * p.heads * p.width,
            batch: p.queries * row,
            head: p.width,
            row,
            column: 1,
        };
        [part(0), part(1), part(2)]
    }

    /// The view of the result of packed projections: [batch, n, heads · d].
    fn merged(&self) -> View {
        let p = &self.problem;
        let row = p.heads * p.width;
        View {
            start: 0,
            batch: p.queries * row,
            head: p.width,
            row,
            column: 1,
        }
    }
}

impl Op<3> for Fused {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn forward<T: Real>(&self, [q, k, v]: [Operand<'_>; 3]) -> Result<(Vec<T>, Shape)> {
        let p = &self.problem;
        let inputs = Inputs {
            q: (q.all::<T>()?, View::of(q.layout())),
            k: (k.all::<T>()?, View::of(k.layout())),
            v: (v.all::<T>()?, View::of(v.layout())),
        };
        let y = self.forward(inputs, View::contiguous(p.heads, p.queries, p.v_width))?;
        Ok((y, Shape::from((p.batch, p.heads, p.queries, p.v_width))))
    }

    fn backward<T: Real>(
        &self,
        [q, k, v]: [Operand<'_>; 3],
        result: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 3]> {
        let p = &self.problem;
        let (y, grad) = (result.values::<T>()?, grad.values::<T>()?);
        let out = View::contiguous(p.heads, p.queries, p.v_width);
        let inputs = Inputs {
            q: (q.all::<T>()?, View::of(q.layout())),
            k: (k.all::<T>()?, View::of(k.layout())),
            v: (v.all::<T>()?, View::of(v.layout())),
        };
        let (q_size, k_size) = (q.shape().elem_count(), k.shape().elem_count());
        let mut all = zeros::<T>(q_size + k_size + v.shape().elem_count());
        let views = [
            View::contiguous(p.heads, p.queries, p.width),
            View::contiguous(p.heads, p.keys, p.width).at(q_size),
            View::contiguous(p.heads, p.keys, p.v_width).at(q_size + k_size),
        ];
        let outputs = Outputs {
            values: &mut all,
            q: views[0],
            k: views[1],
            v: views[2],
        };
        let kept = self.log_sum_exp.get().map_or(&[][..], Vec::as_slice);
        self.with_mask(|mask| {
            backward(
                p,
                inputs,
                mask,
                self.dropout,
                (&y, out),
                (&grad, out),
                kept,
                outputs,
            );
        })?;
        let v_grad = all.split_off(q_size + k_size);
        let k_grad = all.split_off(q_size);
        Ok([Some(all), Some(k_grad), Some(v_grad)])
    }
}

impl Op<1> for Fused {
    fn name(&self) -> &'static str {
        "self-attention"
    }

    fn forward<T: Real>(&self, [qkv]: [Operand<'_>; 1]) -> Result<(Vec<T>, Shape)> {
        let p = &self.problem;
        let qkv = qkv.values::<T>()?;
        let [q, k, v] = self.packed();
        let inputs = Inputs {
            q: (&qkv, q),
            k: (&qkv, k),
            v: (&qkv, v),
        };
        let y = self.forward(inputs, self.merged())?;
        Ok((y, Shape::from((p.batch, p.queries, p.heads * p.width))))
    }

    fn backward<T: Real>(
        &self,
        [qkv]: [Operand<'_>; 1],
        result: Operand<'_>,
        grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; 1]> {
        let (qkv, y, grad) = (
            qkv.values::<T>()?,
            result.values::<T>()?,
            grad.values::<T>()?,
        );
        let [q, k, v] = self.packed();
        let inputs = Inputs {
            q: (&qkv, q),
            k: (&qkv, k),
            v: (&qkv, v),
        };
        let mut all = zeros::<T>(qkv.len());
        let outputs = Outputs {
            values: &mut all,
            q,
            k,
            v,
        };
        let kept = self.log_sum_exp.get().map_or(&[][..], Vec::as_slice);
        let out = self.merged();
        self.with_mask(|mask| {
            backward(
                &self.problem,
                inputs,
                mask,
                self.dropout,
                (&y, out),
                (&grad, out),
                kept,
                outputs,
            );
        })?;
        Ok([Some(all)])
    }
}
