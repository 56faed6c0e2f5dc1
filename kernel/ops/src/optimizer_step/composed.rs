//! Of candle's ops.

use candle_core::{Result, Tensor, Var};

use super::rule::OptimizerRule;

pub(super) fn step(
    parameter: &Var,
    grad: &Tensor,
    moments: &Tensor,
    rule: OptimizerRule,
) -> Result<Tensor> {
    let (p, grad) = (parameter.as_detached_tensor(), grad.detach());
    let moment = |index: usize| moments.get(index)?.reshape(p.shape());
    match rule {
        OptimizerRule::Adam(adam) => {
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
        OptimizerRule::Sgd {
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
