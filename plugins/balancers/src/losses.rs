//! What all balancers do with the losses themselves.

use std::sync::{Mutex, MutexGuard, PoisonError};

use patchbay::{candle::backprop::GradStore, plugin::prelude::*};
use serde_json::{Map, Value};

/// The K losses as numbers.
///
/// # Errors
///
/// Fails where there is no loss, or one is no finite scalar or has no graph.
pub fn values(losses: &[Tensor]) -> Result<Vec<f64>> {
    let values = finite_values(losses)?;
    if let Some(index) = losses.iter().position(|loss| !loss.track_op()) {
        bail!(
            "loss {index} of {} has no graph: it was computed without variables, or from a detached tensor, so no step \
             can lower it",
            losses.len()
        );
    }
    Ok(values)
}

/// The same of losses that need no graph, those after a step.
///
/// # Errors
///
/// Fails where there is no loss, or one is no finite scalar.
pub fn finite_values(losses: &[Tensor]) -> Result<Vec<f64>> {
    if losses.is_empty() {
        bail!("a balancer needs at least one loss, and got none");
    }
    losses
        .iter()
        .enumerate()
        .map(|(index, loss)| {
            if loss.rank() != 0 {
                bail!(
                    "loss {index} of {} must be a scalar []; it has shape {:?}: reduce it, with mean_all for instance",
                    losses.len(),
                    loss.dims()
                );
            }
            let value = loss.to_dtype(DType::F64)?.to_scalar::<f64>()?;
            if !value.is_finite() {
                bail!("loss {index} of {} is {value}: a balancer needs finite losses", losses.len());
            }
            Ok(value)
        })
        .collect()
}

/// The same for balancers that take logarithms or ratios.
///
/// # Errors
///
/// Fails where a loss is not above zero, too.
pub fn positive_values(losses: &[Tensor], balancer: &str) -> Result<Vec<f64>> {
    let values = values(losses)?;
    if let Some((index, value)) = values.iter().enumerate().find(|(_, value)| **value <= 0.0) {
        bail!(
            "{balancer} works on ratios of losses, which must be above zero; loss {index} of {} is {value}: add a \
             constant to it, or take another balancer",
            values.len()
        );
    }
    Ok(values)
}

/// One backward pass over Σ weight · loss.
///
/// # Errors
///
/// Fails where the pass does, and where it reaches none of the shared parameters, if there are any.
pub fn backward(losses: &[Tensor], weights: Vec<f64>, shared: &[Var]) -> Result<Balanced> {
    let mut total: Option<Tensor> = None;
    for (loss, &weight) in losses.iter().zip(&weights) {
        let weighted = (loss * weight)?;
        total = Some(match total {
            Some(total) => {
                let weighted = weighted.to_dtype(total.dtype())?;
                (total + weighted)?
            }
            None => weighted,
        });
    }
    match total {
        Some(total) => {
            let gradients = total.backward()?;
            check_reached(&gradients, losses.len(), shared)?;
            Ok(Balanced { gradients, weights })
        }
        None => bail!("a balancer needs at least one loss, and got none"),
    }
}

/// Checks that the pass arrived at a shared parameter, where any are given.
///
/// # Errors
///
/// Fails where it did not.
pub fn check_reached(gradients: &GradStore, losses: usize, shared: &[Var]) -> Result<()> {
    if shared.is_empty() || shared.iter().any(|var| gradients.get(var).is_some()) {
        return Ok(());
    }
    bail!(
        "none of the {losses} losses reaches any of the {} shared parameters (the first has shape {:?}): they were \
         computed without them, from a detached tensor, or multiplied by 0",
        shared.len(),
        shared[0].dims()
    )
}

/// Whether the training loop says when epochs begin, for balancers that wait for it.
#[derive(Debug, Default)]
pub struct Epochs {
    told: bool,
    steps: usize,
}

impl Epochs {
    /// After how many steps without a word a notice is due.
    const PATIENCE: usize = 1000;

    /// An epoch begins.
    pub fn begin(&mut self) {
        self.told = true;
    }

    /// A step; once, after many without an epoch, what to say about it.
    #[must_use]
    pub fn step(&mut self, id: &str) -> Option<String> {
        self.steps += 1;
        (!self.told && self.steps == Self::PATIENCE).then(|| {
            format!(
                "{id}: {} steps and no epoch has begun, so it is still in its warm-up: call slot.begin_epoch(epoch) where an \
                 epoch begins",
                self.steps
            )
        })
    }
}

/// exp(x) / Σ exp(x).
pub fn softmax(x: &[f64]) -> Vec<f64> {
    let shift = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exp: Vec<f64> = x.iter().map(|x| (x - shift).exp()).collect();
    let sum: f64 = exp.iter().sum();
    exp.iter().map(|exp| exp / sum).collect()
}

/// Adam (Kingma and Ba, 2015) on a few numbers, for balancers that learn their weights.
#[derive(Clone, Debug, Default)]
pub struct Adam {
    step: i32,
    moments: Vec<[f64; 2]>,
}

impl Adam {
    /// Moves `x` against its gradient.
    pub fn step(&mut self, x: &mut [f64], gradient: &[f64], rate: f64) {
        self.moments.resize(x.len(), [0.0; 2]);
        self.step += 1;
        let (first, second) = (1.0 - 0.9f64.powi(self.step), 1.0 - 0.999f64.powi(self.step));
        for ((x, &g), [m, v]) in x.iter_mut().zip(gradient).zip(&mut self.moments) {
            *m = 0.9 * *m + 0.1 * g;
            *v = 0.999 * *v + 0.001 * g * g;
            *x -= rate * (*m / first) / ((*v / second).sqrt() + 1e-8);
        }
    }
}

/// The state of a balancer that changes in use. A panic in another step leaves it usable.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Rows of numbers in a predecessor's state.
pub fn matrix(state: &Map<String, Value>, key: &str) -> Option<Vec<Vec<f64>>> {
    let row = |row: &Value| row.as_array()?.iter().map(Value::as_f64).collect();
    state.get(key)?.as_array()?.iter().map(row).collect()
}

/// A list of numbers in a predecessor's state.
pub fn numbers(state: &Map<String, Value>, key: &str) -> Option<Vec<f64>> {
    state
        .get(key)?
        .as_array()?
        .iter()
        .map(Value::as_f64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_loss_is_told() {
        let device = Device::Cpu;
        let error = |losses: &[Tensor]| positive_values(losses, "x").unwrap_err().to_string();
        assert!(error(&[]).contains("at least one loss"));
        let vector = Tensor::new(&[1f32, 2.0], &device).unwrap();
        assert!(error(&[vector]).contains("loss 0 of 1 must be a scalar []; it has shape [2]"));
        let nan = Tensor::new(f32::NAN, &device).unwrap();
        assert!(error(&[nan]).contains("loss 0 of 1 is NaN"));
        let zero = Var::new(0f32, &device).unwrap();
        assert!(error(&[zero.as_tensor().clone()]).contains("above zero; loss 0 of 1 is 0"));
        let constant = Tensor::new(1f32, &device).unwrap();
        let trained = Var::new(1f32, &device).unwrap().as_tensor().clone();
        let text = error(&[trained, constant.clone()]);
        assert!(text.contains("loss 1 of 2 has no graph"), "{text}");
        assert_eq!(finite_values(&[constant]).unwrap(), [1.0]);
    }

    #[test]
    fn a_loop_that_begins_no_epoch_is_told_once() {
        let mut silent = Epochs::default();
        let notices: Vec<String> = (0..5000)
            .filter_map(|_| silent.step("balancer/x"))
            .collect();
        assert_eq!(notices.len(), 1);
        assert!(
            notices[0].contains("slot.begin_epoch(epoch)"),
            "{notices:?}"
        );
        let mut told = Epochs::default();
        told.begin();
        assert!((0..5000).all(|_| told.step("balancer/x").is_none()));
    }

    #[test]
    fn softmax_of_large_numbers_is_finite() {
        assert_eq!(softmax(&[1e4, 1e4]), [0.5, 0.5]);
    }
}
