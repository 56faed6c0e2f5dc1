//! Predictions and targets of regression: two tensors of one shape.

use patchbay::{ops, plugin::prelude::*, serde_json::Value};

use crate::{classes::floats, reduction::Reduction};

/// A prediction with its target, both in the prediction's type.
pub struct Pairs {
    /// Any shape.
    pub prediction: Tensor,
    /// The prediction's shape; 0 where it is missing.
    pub target: Tensor,
    /// 1 where there is a target, 0 where it is missing; `None` where all are there.
    mask: Option<Tensor>,
    counted: usize,
}

impl Pairs {
    /// Checks shapes. Where `skip_missing`, targets that are NaN do not count.
    ///
    /// # Errors
    ///
    /// Names the shapes where they differ.
    pub fn new(prediction: &Tensor, target: &Tensor, skip_missing: bool) -> Result<Self> {
        let prediction = floats("a prediction", prediction)?;
        if prediction.dims() != target.dims() {
            bail!(
                "prediction and target have one shape; got a prediction {:?} and a target {:?}",
                prediction.dims(),
                target.dims()
            );
        }
        let target = target.to_dtype(prediction.dtype())?;
        let counted = target.elem_count();
        if !skip_missing {
            return Ok(Pairs {
                prediction,
                target,
                mask: None,
                counted,
            });
        }
        // NaN is the only value that differs from itself.
        let there = target.eq(&target)?;
        let mask = there.to_dtype(prediction.dtype())?;
        let counted = ops::sum_all(&there)?.to_scalar::<i64>()? as usize;
        Ok(Pairs {
            target: there.where_cond(&target, &target.zeros_like()?)?,
            prediction,
            mask: Some(mask),
            counted,
        })
    }

    /// Reduces one value for each pair; missing ones give 0. The mean is over the pairs that are there.
    pub fn reduce(&self, values: Tensor, reduction: Reduction) -> Result<Tensor> {
        let values = match &self.mask {
            Some(mask) => (values * mask)?,
            None => values,
        };
        reduction.apply(&values, self.counted as f64)
    }
}

/// The mean of a loss, reduced or not.
///
/// # Errors
///
/// Fails where it cannot be read.
pub fn mean(value: &Tensor) -> Result<f64> {
    ops::mean_all(value)?.to_dtype(DType::F64)?.to_scalar()
}

/// Numbers of a standard normal distribution, the same in each call: Box and Muller's transform of evenly spread points
/// (Kronecker's sequence of the golden ratio).
pub fn standard_normal(count: usize) -> Vec<f32> {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let point = |at: usize| {
        // The radius' points are in an order that has nothing to do with the angle's.
        let radius = ((at as f64 + 0.5) * std::f64::consts::SQRT_2)
            .fract()
            .max(1e-12);
        let angle = std::f64::consts::TAU * ((at as f64 + 0.5) * GOLDEN).fract();
        ((-2.0 * radius.ln()).sqrt() * angle.cos()) as f32
    };
    (0..count).map(point).collect()
}

/// Returns the loss that regression has at initialization: that of a prediction of 0 for targets with mean 0 and
/// variance 1, as `forward` computes it.
///
/// # Errors
///
/// Fails where `forward` does.
pub fn of_standard_normal(
    forward: impl FnOnce(&Tensor, &Tensor) -> Result<Tensor>,
    shape: &[usize],
) -> Result<Vec<(String, f64)>> {
    let target = Tensor::new(standard_normal(10_000), &Device::Cpu)?;
    let prediction = Tensor::zeros([&[10_000], shape].concat(), DType::F32, &Device::Cpu)?;
    let value = forward(&prediction, &target)?;
    Ok(vec![(
        "a prediction of 0, targets of mean 0 and variance 1".to_owned(),
        mean(&value)?,
    )])
}

/// The sample of a loss of regression.
///
/// # Errors
///
/// Fails where a tensor cannot be made.
pub fn sample(settings: Value) -> Result<Sample> {
    let prediction = [[0.3f32, -1.2, 2.5], [2.0, 0.1, -0.4]];
    let target = [[0.5f32, 0.4, 0.2], [1.9, -0.3, 1.0]];
    Ok(Sample::new(settings)
        .dtypes(&[DType::F32, DType::F64, DType::BF16])
        .input("prediction", Tensor::new(&prediction, &Device::Cpu)?)
        .input("target", Tensor::new(&target, &Device::Cpu)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_numbers_have_mean_0_and_variance_1() {
        let values = standard_normal(10_000);
        let moment = |power: i32| {
            values
                .iter()
                .map(|&x| f64::from(x).powi(power))
                .sum::<f64>()
                / 10_000.0
        };
        assert!(moment(1).abs() < 0.01, "{}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.01, "{}", moment(2));
        assert!((moment(4) - 3.0).abs() < 0.1, "{}", moment(4));
    }
}
