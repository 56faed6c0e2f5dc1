//! An optimizer's step: one pass over a parameter, its gradient and its moments.

mod composed;
mod cpu;
mod cuda;
mod rule;
#[cfg(test)]
pub(crate) mod tests;

pub use rule::{AdamFactors, AdamRule, OptimizerRule};

use candle_core::{Result, Tensor, Var};

use crate::dispatch::dispatch;

/// Updates the parameter in place and returns its moments, [moments, elements]; where there is a kernel these are
/// updated in place, too. SGD without momentum takes and returns an empty tensor,
/// on whatever device.
///
/// # Errors
///
/// Fails where the gradient's shape or dtype is not the parameter's.
pub fn optimizer_step(
    parameter: &Var,
    grad: &Tensor,
    moments: Tensor,
    rule: OptimizerRule,
) -> Result<Tensor> {
    if grad.dims() != parameter.dims() || grad.dtype() != parameter.dtype() {
        candle_core::bail!(
            "the gradient is {:?} {} and the parameter {:?} {}: they must agree",
            grad.dims(),
            grad.dtype().as_str(),
            parameter.dims(),
            parameter.dtype().as_str()
        )
    }
    dispatch! {
        grad;
        cuda => {
            cuda::step(parameter, grad, &moments, rule)?;
            Ok(moments)
        };
        composed => composed::step(parameter, grad, &moments, rule);
        cpu => {
            parameter.inplace_op2(grad, &cpu::Update { moments: &moments, rule })?;
            Ok(moments)
        }
    }
}
