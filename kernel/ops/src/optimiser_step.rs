//! One pass over a parameter, its gradient and its moments.

use std::cell::RefCell;

use candle_core::{
    CpuStorage, InplaceOp1, InplaceOp2, Layout, Result, Tensor, backend::BackendStorage,
};
use rayon::prelude::*;

use super::{
    in_place::slice_mut,
    real::Real,
    simd::{GRAIN, simd_kernel},
    storage::{by_dtype, values},
};

/// The update of one parameter by Adam (Kingma and Ba, 2015), AdamW (Loshchilov and Hutter, 2019) or SGD.
#[derive(Clone, Copy)]
pub enum Rule {
    Adam {
        learning_rate: f64,
        beta1: f64,
        beta2: f64,
        eps: f64,
        weight_decay: f64,
        /// AdamW: the parameter shrinks; else the decay is added to the gradient.
        decoupled: bool,
        /// Steps including this one.
        step: usize,
    },
    Sgd {
        learning_rate: f64,
        momentum: f64,
        dampening: f64,
        weight_decay: f64,
        nesterov: bool,
        first: bool,
    },
}

/// Updates the parameter and its moments, [moments, elements], in place. SGD without momentum takes an empty one.
pub fn update(parameter: &Tensor, grad: &Tensor, moments: &Tensor, rule: Rule) -> Result<()> {
    if grad.dims() != parameter.dims() || grad.dtype() != parameter.dtype() {
        candle_core::bail!(
            "the gradient is {:?} {} and the parameter {:?} {}: they must agree",
            grad.dims(),
            grad.dtype().as_str(),
            parameter.dims(),
            parameter.dtype().as_str()
        )
    }
    parameter.inplace_op2(grad, &Update { moments, rule })
}

struct Update<'a> {
    moments: &'a Tensor,
    rule: Rule,
}

impl InplaceOp2 for Update<'_> {
    fn name(&self) -> &'static str {
        "optimiser-step"
    }

    fn cpu_fwd(
        &self,
        parameter: &mut CpuStorage,
        layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<()> {
        by_dtype!(grad.dtype(), "optimiser-step", T => {
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
    rule: Rule,
}

impl<T: Real> InplaceOp1 for Moments<'_, T> {
    fn name(&self) -> &'static str {
        "optimiser-step"
    }

    fn cpu_fwd(&self, moments: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let moments = slice_mut::<T>(moments, layout)?;
        let (first, second) = moments.split_at_mut(self.grad.len().min(moments.len()));
        let parameter = &mut *self.parameter.borrow_mut();
        let (grad, rule) = (self.grad, self.rule);
        match rule {
            Rule::Adam { .. } => parameter
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
            Rule::Sgd { momentum: 0.0, .. } => parameter
                .par_chunks_mut(GRAIN)
                .zip(grad.par_chunks(GRAIN))
                .for_each(|(parameter, grad)| sgd(parameter, grad, &mut [], rule)),
            Rule::Sgd { .. } => parameter
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
        parameter: &'a mut [T], grad: &'a [T], first: &'a mut [T], second: &'a mut [T], rule: Rule,
    ) -> () {
        let Rule::Adam { learning_rate, beta1, beta2, eps, weight_decay, decoupled, step } = rule else { return };
        // Both corrections for the zeros that the moments began with.
        let correction1 = 1.0 - beta1.powi(step as i32);
        let correction2 = (1.0 - beta2.powi(step as i32)).sqrt();
        let rate = T::of(learning_rate / correction1);
        let root_scale = T::of(1.0 / correction2);
        let shrink = T::of(if decoupled { 1.0 - learning_rate * weight_decay } else { 1.0 });
        let added = T::of(if decoupled { 0.0 } else { weight_decay });
        let (beta1, beta2, eps) = (T::of(beta1), T::of(beta2), T::of(eps));
        let (rest1, rest2) = (T::ONE - beta1, T::ONE - beta2);
        for (((p, &g), m), v) in parameter.iter_mut().zip(grad).zip(first).zip(second) {
            let g = g + added * *p;
            *m = beta1 * *m + rest1 * g;
            *v = beta2 * *v + rest2 * g * g;
            *p = *p * shrink - rate * *m / (v.sqrt() * root_scale + eps);
        }
    }
}

simd_kernel! {
    fn sgd['a, T: Real](parameter: &'a mut [T], grad: &'a [T], buffer: &'a mut [T], rule: Rule) -> () {
        let Rule::Sgd { learning_rate, momentum, dampening, weight_decay, nesterov, first } = rule else { return };
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
