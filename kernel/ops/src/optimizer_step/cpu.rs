//! The kernels of the CPU.

use std::cell::RefCell;

use candle_core::{
    CpuStorage, InplaceOp1, InplaceOp2, Layout, Result, Tensor, backend::BackendStorage,
};
use rayon::prelude::*;

use super::rule::{AdamFactors, AdamRule, OptimizerRule};
use crate::{
    real::Real,
    simd::{GRAIN, simd_kernel},
    storage::{by_dtype, slice_mut, values},
};

pub(super) struct Update<'a> {
    pub(super) moments: &'a Tensor,
    pub(super) rule: OptimizerRule,
}

impl InplaceOp2 for Update<'_> {
    fn name(&self) -> &'static str {
        "optimizer-step"
    }

    fn cpu_fwd(
        &self,
        parameter: &mut CpuStorage,
        layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<()> {
        by_dtype!(grad.dtype(), "optimizer-step", T => {
            let grad = values::<T>(grad, grad_layout)?;
            let parameter = slice_mut::<T>(parameter, layout)?;
            // The moments are locked while the parameter is: both are written in the one pass.
            self.moments.inplace_op1(&Moments { parameter: RefCell::new(parameter), grad: &grad, rule: self.rule })
        })
    }
}

struct Moments<'a, T> {
    parameter: RefCell<&'a mut [T]>,
    grad: &'a [T],
    rule: OptimizerRule,
}

impl<T: Real> InplaceOp1 for Moments<'_, T> {
    fn name(&self) -> &'static str {
        "optimizer-step"
    }

    fn cpu_fwd(&self, moments: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let moments = slice_mut::<T>(moments, layout)?;
        let (first, second) = moments.split_at_mut(self.grad.len().min(moments.len()));
        let parameter = &mut *self.parameter.borrow_mut();
        let (grad, rule) = (self.grad, self.rule);
        match rule {
            OptimizerRule::Adam(rule) => parameter
                .par_chunks_mut(GRAIN)
                .zip(grad.par_chunks(GRAIN))
                .zip(
                    first
                        .par_chunks_mut(GRAIN)
                        .zip(second.par_chunks_mut(GRAIN)),
                )
                .for_each(|((parameter, grad), (first, second))| {
                    adam(parameter, grad, first, second, rule)
                }),
            OptimizerRule::Sgd { momentum: 0.0, .. } => parameter
                .par_chunks_mut(GRAIN)
                .zip(grad.par_chunks(GRAIN))
                .for_each(|(parameter, grad)| sgd(parameter, grad, &mut [], rule)),
            OptimizerRule::Sgd { .. } => parameter
                .par_chunks_mut(GRAIN)
                .zip(grad.par_chunks(GRAIN))
                .zip(first.par_chunks_mut(GRAIN))
                .for_each(|((parameter, grad), momentum)| sgd(parameter, grad, momentum, rule)),
        }
        Ok(())
    }
}

simd_kernel! {
    fn adam['a, T: Real](
        parameter: &'a mut [T], grad: &'a [T], first: &'a mut [T], second: &'a mut [T], rule: AdamRule,
    ) -> () {
        let AdamFactors { rate, root_scale, shrink, decay } = rule.factors();
        let (rate, root_scale) = (T::of(rate), T::of(root_scale));
        let (shrink, decay) = (T::of(shrink), T::of(decay));
        let (beta1, beta2, eps) = (T::of(rule.beta1), T::of(rule.beta2), T::of(rule.eps));
        let (rest1, rest2) = (T::ONE - beta1, T::ONE - beta2);
        for (((p, &g), m), v) in parameter.iter_mut().zip(grad).zip(first).zip(second) {
            let g = g + decay * *p;
            *m = beta1 * *m + rest1 * g;
            *v = beta2 * *v + rest2 * g * g;
            *p = *p * shrink - rate * *m / (v.sqrt() * root_scale + eps);
        }
    }
}

simd_kernel! {
    fn sgd['a, T: Real](parameter: &'a mut [T], grad: &'a [T], buffer: &'a mut [T], rule: OptimizerRule) -> () {
        let OptimizerRule::Sgd { learning_rate, momentum, dampening, weight_decay, nesterov, first } = rule else { return };
        let (rate, decay) = (T::of(learning_rate), T::of(weight_decay));
        if momentum == 0.0 {
            for (p, &g) in parameter.iter_mut().zip(grad) {
                *p = *p - rate * (g + decay * *p);
            }
            return;
        }
        let rest = if first { T::ONE } else { T::of(1.0 - dampening) };
        let momentum = T::of(momentum);
        for ((p, &g), b) in parameter.iter_mut().zip(grad).zip(buffer) {
            let g = g + decay * *p;
            *b = momentum * *b + rest * g;
            let direction = if nesterov { g + momentum * *b } else { *b };
            *p -= rate * direction;
        }
    }
}
