//! One pass over a parameter, its gradient and its moments.

use std::cell::RefCell;

use candle_core::{
    CpuStorage, InplaceOp1, InplaceOp2, Layout, Result, Tensor, Var, backend::BackendStorage,
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
    Adam(Adam),
    Sgd {
        learning_rate: f64,
        momentum: f64,
        dampening: f64,
        weight_decay: f64,
        nesterov: bool,
        first: bool,
    },
}

/// Adam or AdamW.
#[derive(Clone, Copy)]
pub struct Adam {
    pub learning_rate: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub weight_decay: f64,
    /// AdamW: the parameter shrinks; else the decay is added to the gradient.
    pub decoupled: bool,
    /// Steps including this one.
    pub step: usize,
}

/// What a step of Adam multiplies with.
pub struct Factors {
    /// The learning rate, corrected for the zeros that the first moment began with.
    pub rate: f64,
    /// Of the second moment's root, corrected for the same.
    pub root_scale: f64,
    /// Of the parameter.
    pub shrink: f64,
    /// Of the parameter where it is added to the gradient.
    pub decay: f64,
}

impl Adam {
    pub fn factors(&self) -> Factors {
        let (shrink, decay) = if self.decoupled {
            (1.0 - self.learning_rate * self.weight_decay, 0.0)
        } else {
            (1.0, self.weight_decay)
        };
        Factors {
            rate: self.learning_rate / (1.0 - self.beta1.powi(self.step as i32)),
            root_scale: 1.0 / (1.0 - self.beta2.powi(self.step as i32)).sqrt(),
            shrink,
            decay,
        }
    }
}

/// Updates the parameter in place and returns its moments, [moments, elements]; where there is a kernel these are
/// updated in place, too. SGD without momentum takes and returns an empty tensor,
/// on whatever device.
pub fn update(parameter: &Var, grad: &Tensor, moments: Tensor, rule: Rule) -> Result<Tensor> {
    if grad.dims() != parameter.dims() || grad.dtype() != parameter.dtype() {
        candle_core::bail!(
            "the gradient is {:?} {} and the parameter {:?} {}: they must agree",
            grad.dims(),
            grad.dtype().as_str(),
            parameter.dims(),
            parameter.dtype().as_str()
        )
    }
    #[cfg(feature = "cuda")]
    if super::cuda::has_kernels_for(grad) {
        super::cuda::update::step(parameter, grad, &moments, rule)?;
        return Ok(moments);
    }
    if !parameter.device().is_cpu() {
        return composed(parameter, grad, &moments, rule);
    }
    parameter.inplace_op2(
        grad,
        &Update {
            moments: &moments,
            rule,
        },
    )?;
    Ok(moments)
}

/// The same of candle's ops, for devices that have no kernel.
fn composed(parameter: &Var, grad: &Tensor, moments: &Tensor, rule: Rule) -> Result<Tensor> {
    let (p, grad) = (parameter.as_detached_tensor(), grad.detach());
    let moment = |index: usize| moments.get(index)?.reshape(p.shape());
    match rule {
        Rule::Adam(adam) => {
            let (beta1, beta2) = (adam.beta1, adam.beta2);
            let factors = adam.factors();
            let grad = if adam.decoupled {
                grad
            } else {
                (grad + (&p * factors.decay)?)?
            };
            let m = ((moment(0)? * beta1)? + (&grad * (1.0 - beta1))?)?;
            let v = ((moment(1)? * beta2)? + (grad.sqr()? * (1.0 - beta2))?)?;
            let direction = (&m / ((v.sqrt()? * factors.root_scale)? + adam.eps)?)?;
            parameter.set(&((p * factors.shrink)? - (direction * factors.rate)?)?)?;
            Tensor::stack(&[m.flatten_all()?, v.flatten_all()?], 0)
        }
        Rule::Sgd {
            learning_rate,
            momentum,
            dampening,
            weight_decay,
            nesterov,
            first,
        } => {
            let grad = (grad + (&p * weight_decay)?)?;
            if momentum == 0.0 {
                parameter.set(&(p - (grad * learning_rate)?)?)?;
                return Ok(moments.clone());
            }
            let rest = if first { 1.0 } else { 1.0 - dampening };
            let buffer = ((moment(0)? * momentum)? + (&grad * rest)?)?;
            let direction = if nesterov {
                (grad + (&buffer * momentum)?)?
            } else {
                buffer.clone()
            };
            parameter.set(&(p - (direction * learning_rate)?)?)?;
            buffer.flatten_all()?.unsqueeze(0)
        }
    }
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
            Rule::Adam(rule) => parameter
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
        parameter: &'a mut [T], grad: &'a [T], first: &'a mut [T], second: &'a mut [T], rule: Adam,
    ) -> () {
        let Factors { rate, root_scale, shrink, decay } = rule.factors();
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

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// The kernels are compared with PyTorch in `tests/nn_parity.rs`; here the composition is compared with them.
    #[test]
    fn the_composition_takes_the_kernels_steps() {
        let adam = |decoupled, step| {
            Rule::Adam(Adam {
                learning_rate: 0.1,
                beta1: 0.9,
                beta2: 0.99,
                eps: 1e-8,
                weight_decay: 0.2,
                decoupled,
                step,
            })
        };
        let sgd = |nesterov, step| Rule::Sgd {
            learning_rate: 0.1,
            momentum: 0.9,
            dampening: if nesterov { 0.0 } else { 0.3 },
            weight_decay: 0.2,
            nesterov,
            first: step == 1,
        };
        for (rows, variant) in [(2, true), (2, false), (1, true), (1, false)] {
            let make = || Var::new(&[[1.0f64, -2.0], [0.5, 3.0]], &Device::Cpu).unwrap();
            let (fused, plain) = (make(), make());
            let zeros = Tensor::zeros((rows, 4), candle_core::DType::F64, &Device::Cpu).unwrap();
            let (mut fused_moments, mut plain_moments) = (zeros.copy().unwrap(), zeros);
            for step in 1..4 {
                let grad =
                    Tensor::new(&[[0.3f64, -1.0], [step as f64, 0.1]], &Device::Cpu).unwrap();
                let rule = if rows == 2 {
                    adam(variant, step)
                } else {
                    sgd(variant, step)
                };
                fused_moments = update(&fused, &grad, fused_moments, rule).unwrap();
                plain_moments = composed(&plain, &grad, &plain_moments, rule).unwrap();
            }
            let values = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
            let difference = patchbay_compare::largest_difference(
                &values(fused.as_tensor()),
                &values(plain.as_tensor()),
            );
            assert!(difference < 1e-12, "{rows} {variant}");
        }
    }
}
