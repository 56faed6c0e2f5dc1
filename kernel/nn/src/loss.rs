//! candle's `nn::loss` under its names, on the fused and exact functions of [`patchbay_ops`].

use candle_core::{D, Result, Tensor};

use patchbay_ops as ops;

/// [`ops::cross_entropy`].
///
/// # Errors
///
/// As there.
pub fn cross_entropy(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    ops::cross_entropy(logits, target)
}

/// The mean of `-x[target]` of log-probabilities `[n, classes]`, with targets `[n]` that are [`ops::IGNORE_INDEX`] left out:
/// torch's `nll_loss`.
///
/// # Errors
///
/// Fails where the shapes do not fit or a target is no class.
pub fn nll(log_probabilities: &Tensor, target: &Tensor) -> Result<Tensor> {
    let (count, classes) = log_probabilities.dims2()?;
    if target.dims() != [count] || !target.dtype().is_int() {
        candle_core::bail!(
            "nll: the target is {:?} {} and the log-probabilities are [{count}, {classes}]: must be [{count}] of an \
             integer dtype",
            target.dims(),
            target.dtype().as_str()
        )
    }
    let ignored = ops::ignored_value(target.dtype(), ops::IGNORE_INDEX);
    let target = target.to_dtype(candle_core::DType::I64)?;
    let counts = target.ne(ignored)?;
    let index = counts.where_cond(&target, &target.zeros_like()?)?;
    let own = ops::gather(log_probabilities, 1, &index.unsqueeze(1)?)?.squeeze(D::Minus1)?;
    let own = counts.where_cond(&own, &own.zeros_like()?)?;
    let divisor = ops::sum_all(&counts)?.to_scalar::<i64>()?;
    ops::sum_all(&own)? * (-1.0 / divisor as f64)
}

/// The mean of `(x - target)²`: torch's `mse_loss`.
///
/// # Errors
///
/// Fails where the shapes differ.
pub fn mse(x: &Tensor, target: &Tensor) -> Result<Tensor> {
    ops::mean_all(&(x - target)?.sqr()?)
}

/// The mean of `d² / 2` for `d = |x - target|` up to `delta`, and of `delta (d - delta / 2)` beyond: torch's `huber_loss`.
///
/// # Errors
///
/// Fails where the shapes differ.
pub fn huber(x: &Tensor, target: &Tensor, delta: f64) -> Result<Tensor> {
    let difference = (x - target)?;
    // The sign is a constant of the graph, and so is which of the two forms a value has.
    let distance = (&difference * difference.detach().sign()?)?;
    let near = distance.detach().le(delta)?;
    let inside = (difference.sqr()? * 0.5)?;
    let outside = distance.affine(delta, -0.5 * delta * delta)?;
    ops::mean_all(&near.where_cond(&inside, &outside)?)
}

/// [`ops::binary_cross_entropy_with_logits`].
///
/// # Errors
///
/// As there.
pub fn binary_cross_entropy_with_logit(logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    ops::binary_cross_entropy_with_logits(logits, target)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    fn assert_close(found: &Tensor, expected: &[f64]) {
        let found: Vec<f64> = found.flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found}, {expected}");
        }
    }

    /// The numbers are torch's.
    #[test]
    fn values_and_gradients_are_those_of_torch() {
        let x = Tensor::new(&[[0.5f64, -1.0, 2.0], [0.1, 0.2, -3.0]], &Device::Cpu).unwrap();
        let target = Tensor::new(&[[1.0f64, 0.0, 2.0], [-0.4, 0.2, 1.0]], &Device::Cpu).unwrap();
        let compare = |loss: &dyn Fn(&Tensor) -> Result<Tensor>, value: f64, gradient: &[f64]| {
            let x = Var::from_tensor(&x).unwrap();
            let found = loss(&x).unwrap();
            assert_close(&found, &[value]);
            let store = found.backward().unwrap();
            assert_close(store.get(&x).unwrap(), gradient);
        };
        compare(
            &|x| mse(x, &target),
            2.916_666_666_666_666_5,
            &[-1.0 / 6.0, -1.0 / 3.0, 0.0, 1.0 / 6.0, 0.0, -4.0 / 3.0],
        );
        compare(
            &|x| huber(x, &target, 0.7),
            0.543_333_333_333_333_3,
            &[-1.0 / 12.0, -0.7 / 6.0, 0.0, 1.0 / 12.0, 0.0, -0.7 / 6.0],
        );
        let classes = Tensor::new(&[2i64, -100], &Device::Cpu).unwrap();
        compare(
            &|x| nll(&ops::log_softmax(x)?, &classes),
            0.241_311_296_657_157_03,
            &[
                0.175_290_392_140_036_7,
                0.039_112_573_270_687_45,
                -0.214_402_965_410_724_12,
                0.0,
                0.0,
                0.0,
            ],
        );
        let outside = Tensor::new(&[2i64, -1], &Device::Cpu).unwrap();
        let text = nll(&x, &outside).unwrap_err().to_string();
        assert!(text.contains("an index is -1"), "{text}");
    }
}
