//! What all balancers do with the losses themselves.

use std::sync::{Mutex, MutexGuard, PoisonError};

use patchbay::plugin::prelude::*;
use serde_json::{Map, Value};

/// The K losses as numbers.
///
/// # Errors
///
/// Fails where there is no loss, or one is no finite scalar.
pub fn values(losses: &[Tensor]) -> Result<Vec<f64>> {
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
/// Fails where the pass does.
pub fn backward(losses: &[Tensor], weights: Vec<f64>) -> Result<Balanced> {
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
        Some(total) => Ok(Balanced {
            gradients: total.backward()?,
            weights,
        }),
        None => bail!("a balancer needs at least one loss, and got none"),
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
        let zero = Tensor::new(0f32, &device).unwrap();
        assert!(error(&[zero]).contains("above zero; loss 0 of 1 is 0"));
    }

    #[test]
    fn softmax_of_large_numbers_is_finite() {
        assert_eq!(softmax(&[1e4, 1e4]), [0.5, 0.5]);
    }
}
