//! Work of all balancers on the losses themselves.

use std::sync::{Mutex, MutexGuard, PoisonError};

use patchbay::{
    candle::backprop::GradStore,
    plugin::{Absent, prelude::*},
};
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

/// Which of some values are above zero, for balancers that take logarithms or ratios; those of exactly zero take no part.
///
/// # Errors
///
/// Fails where a value is below zero.
pub fn above_zero(values: &[f64], balancer: &str) -> Result<(Vec<usize>, Vec<Absent>)> {
    let (mut kept, mut absent) = (Vec::new(), Vec::new());
    for (index, &value) in values.iter().enumerate() {
        if value > 0.0 {
            kept.push(index);
        } else if value == 0.0 {
            absent.push(Absent {
                loss: index,
                name: None,
                reason: format!("it is 0, and {balancer} works on ratios of losses"),
            });
        } else {
            bail!(
                "{balancer} works on ratios of losses, which must be above zero; loss {index} of {} is {value}: add a \
                 constant to it, or take another balancer",
                values.len()
            );
        }
    }
    Ok((kept, absent))
}

/// One backward pass over Σ weight · loss of the losses above zero. `weigh` gets these, as they are among all losses, and
/// their values, and gives a weight for each.
///
/// # Errors
///
/// Fails where a loss is no finite scalar or below zero, and where `weigh` or the pass does.
pub fn backward_above_zero(
    losses: &[Tensor],
    present: &Present,
    balancer: &str,
    weigh: impl FnOnce(&Present, &[f64]) -> Result<Vec<f64>>,
) -> Result<Balanced> {
    let values = values(losses)?;
    let (kept, absent) = above_zero(&values, balancer)?;
    let mut weights = vec![0.0; losses.len()];
    if kept.is_empty() {
        return Ok(Balanced {
            gradients: GradStore::default(),
            weights,
            absent,
        });
    }
    let own = Present::of(kept, losses.len());
    let weighed = weigh(&present.narrow(own.places()), &own.pick(&values))?;
    let balanced = backward(&own.pick(losses), weighed)?;
    own.put(&mut weights, balanced.weights);
    Ok(Balanced {
        gradients: balanced.gradients,
        weights,
        absent,
    })
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
        Some(total) => Ok(Balanced::new(total.backward()?, weights)),
        None => bail!("a balancer needs at least one loss, and got none"),
    }
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
    /// Of each number: the steps that it has taken, and its moments.
    of_each: Vec<(i32, [f64; 2])>,
}

impl Adam {
    /// The steps and moments of each number, for a successor.
    pub fn state(&self) -> Value {
        json!(self.of_each)
    }

    /// Takes back what [`Adam::state`] has returned.
    pub fn restored(state: &Value) -> Option<Adam> {
        let of_each = serde_json::from_value(state.clone()).ok()?;
        Some(Adam { of_each })
    }

    /// Moves the `present` ones of `x` against their gradients; the others have no step.
    pub fn step(&mut self, x: &mut [f64], present: &Present, gradient: &[f64], rate: f64) {
        self.of_each.resize(x.len(), (0, [0.0; 2]));
        for (&place, &g) in present.places().iter().zip(gradient) {
            let (steps, [m, v]) = &mut self.of_each[place];
            *steps += 1;
            let (first, second) = (1.0 - 0.9f64.powi(*steps), 1.0 - 0.999f64.powi(*steps));
            *m = 0.9 * *m + 0.1 * g;
            *v = 0.999 * *v + 0.001 * g * g;
            x[place] -= rate * (*m / first) / ((*v / second).sqrt() + 1e-8);
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

/// Numbers in a predecessor's state, null where there is none yet.
pub fn optional_numbers(state: &Map<String, Value>, key: &str) -> Option<Vec<Option<f64>>> {
    let number = |value: &Value| match value {
        Value::Null => Some(None),
        value => value.as_f64().map(Some),
    };
    state.get(key)?.as_array()?.iter().map(number).collect()
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

/// The sample of a balancer: three losses of shared parameters.
///
/// # Errors
///
/// Fails where a tensor cannot be made.
pub fn sample(settings: Value) -> Result<Sample> {
    let targets = [
        [1.0f32, 0.2, 2.0, -0.3],
        [-1.0, 3.0, 0.5, 0.7],
        [0.4, -0.8, -1.5, 2.2],
    ];
    let shared = Tensor::new(&[0.3f32, -1.2, 0.5, 0.9], &Device::Cpu)?;
    Ok(Sample::new(settings)
        .input("shared", shared)
        .input("targets", Tensor::new(&targets, &Device::Cpu)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_loss_is_told() {
        let device = Device::Cpu;
        let error = |losses: &[Tensor]| values(losses).unwrap_err().to_string();
        assert!(error(&[]).contains("at least one loss"));
        let vector = Tensor::new(&[1f32, 2.0], &device).unwrap();
        assert!(error(&[vector]).contains("loss 0 of 1 must be a scalar []; it has shape [2]"));
        let nan = Tensor::new(f32::NAN, &device).unwrap();
        assert!(error(&[nan]).contains("loss 0 of 1 is NaN"));
        let below = above_zero(&[1.0, -2.0], "x").unwrap_err().to_string();
        assert!(below.contains("above zero; loss 1 of 2 is -2"), "{below}");
        let (kept, absent) = above_zero(&[0.0, 3.0, 0.0], "x").unwrap();
        assert_eq!(kept, [1]);
        assert_eq!((absent[0].loss, absent[1].loss), (0, 2));
    }

    #[test]
    fn numbers_that_are_not_present_have_no_step() {
        let (mut all, mut some) = (Adam::default(), Adam::default());
        let (mut x, mut y) = ([1.0, 2.0], [1.0, 2.0]);
        for _ in 0..3 {
            all.step(&mut x, &Present::all(2), &[0.5, -1.0], 0.1);
        }
        // The second is there in every other step, and has moved as far in the end.
        for step in 0..6 {
            let places = if step % 2 == 0 { vec![0, 1] } else { vec![] };
            let present = Present::of(places, 2);
            some.step(&mut y, &present, &present.pick(&[0.5, -1.0]), 0.1);
        }
        assert_eq!(x, y);
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
