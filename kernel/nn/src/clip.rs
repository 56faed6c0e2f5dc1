//! Clipping of gradients: torch's `clip_grad_norm_` and `clip_grad_value_`.

use candle_core::{Result, Tensor, Var, backprop::GradStore};

use super::each_once;
use patchbay_ops::sum_of_squares;

/// The Euclidean norm of the gradients of `vars`, as if they were one vector.
///
/// # Errors
///
/// Fails where a gradient is of whole numbers, and where a variable is given twice.
pub fn grad_norm(grads: &GradStore, vars: &[Var]) -> Result<f64> {
    each_once("the variables whose gradients are measured", vars)?;
    norm(vars.iter().filter_map(|var| grads.get(var)))
}

/// The Euclidean norm of tensors, as if they were one vector.
pub(super) fn norm<'a>(tensors: impl Iterator<Item = &'a Tensor>) -> Result<f64> {
    let tensors: Vec<&Tensor> = tensors.collect();
    if tensors.iter().any(|tensor| !tensor.device().is_cpu()) {
        // One transfer for all of them.
        return Ok(sum_of_squares(&tensors)?.sqrt());
    }
    let mut squares = tensors
        .into_iter()
        .map(|tensor| sum_of_squares(&[tensor]))
        .collect::<Result<Vec<f64>>>()?;
    // The same bits in every order of the tensors: that of a `VarMap` is another in each process.
    squares.sort_by(f64::total_cmp);
    Ok(squares.iter().sum::<f64>().sqrt())
}

/// Scales the gradients of `vars` so that their norm is at most `limit`; returns the norm before.
///
/// # Errors
///
/// Fails where the norm is not finite, as scaling would carry that into all parameters, and where a variable is given twice.
pub fn clip_grad_norm(grads: &mut GradStore, vars: &[Var], limit: f64) -> Result<f64> {
    let norm = grad_norm(grads, vars)?;
    if !norm.is_finite() {
        candle_core::bail!(
            "the norm of the gradients is {norm}: `nn::audit` lists the variables whose gradient is not finite; leave \
             the step out, or lower the learning rate"
        )
    }
    let scale = limit / (norm + 1e-6);
    if scale < 1.0 {
        for var in vars {
            if let Some(grad) = grads.remove(var) {
                grads.insert(var, (grad * scale)?);
            }
        }
    }
    Ok(norm)
}

/// Brings each value of the gradients of `vars` into [-limit, limit].
///
/// # Errors
///
/// Fails where tensors cannot be made, and where a variable is given twice.
pub fn clip_grad_value(grads: &mut GradStore, vars: &[Var], limit: f64) -> Result<()> {
    each_once("the variables whose gradients are clipped", vars)?;
    for var in vars {
        if let Some(grad) = grads.remove(var) {
            grads.insert(var, grad.clamp(-limit, limit)?);
        }
    }
    Ok(())
}
