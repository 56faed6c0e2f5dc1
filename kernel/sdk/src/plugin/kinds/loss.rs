//! Losses: how far a prediction is from its target.

use candle_core::{DType, Device, Tensor, bail};

use super::{Component, Kind, slot_is_component};
use crate::{Result, plugin::Slot};

/// A loss.
///
/// Whether the result is reduced, which targets are ignored and what weighs how much are settings
/// of the component (`reduction`, `ignore_index`, `weights`).
pub trait Loss: Component {
    /// The loss of `prediction` against `target`.
    ///
    /// Classification: logits `[batch, classes]` or `[batch, classes, height, width]`; target class
    /// indices `[batch]` or `[batch, height, width]`, or probabilities of the logits' shape.
    /// Regression: two tensors of one shape. Contrastive: two sets of features `[batch, width]`, or
    /// features and labels `[batch]`.
    ///
    /// Returns a scalar `[]`, or with `reduction: "none"` one value for each target.
    ///
    /// # Errors
    ///
    /// Fails where shapes or values do not fit, naming them.
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor>;
}

impl Kind for dyn Loss {
    const NAME: &'static str = "loss";

    fn as_component(&self) -> &dyn Component {
        self
    }

    /// The loss of equal logits: a network's first loss, in multiples of cross entropy's ln K.
    fn facts(&self) -> Vec<(String, String)> {
        const CLASSES: usize = 10;
        let value = || -> Result<f64> {
            let logits = Tensor::zeros((CLASSES, CLASSES), DType::F32, &Device::Cpu)?;
            let target = Tensor::arange(0u32, CLASSES as u32, &Device::Cpu)?;
            self.forward(&logits, &target)?
                .mean_all()?
                .to_dtype(DType::F64)?
                .to_scalar()
        };
        let ratio = |value: f64| value / (CLASSES as f64).ln();
        match value() {
            Ok(value) => vec![(
                format!("value at equal logits, {CLASSES} classes"),
                format!("{value:.4} = {:.3} ln K (cross entropy: 1)", ratio(value)),
            )],
            Err(_) => Vec::new(),
        }
    }
}

slot_is_component!(dyn Loss);

impl Loss for Slot<dyn Loss> {
    /// As the component's own, and checked: the result is a scalar or has the target's number of
    /// values, and a scalar on the CPU is finite. (Reading it on a GPU would wait for the GPU.)
    fn forward(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        self.call(|loss| {
            let value = loss.forward(prediction, target)?;
            if value.rank() == 0 {
                if value.device().is_cpu() && !is_finite(&value)? {
                    return Err(not_finite(&value, prediction, target));
                }
            } else if value.dim(0)? != prediction.dim(0)? {
                bail!(
                    "a loss is a scalar [] or one value for each target; this one returned {:?} for a \
                     prediction {:?} and a target {:?}",
                    value.dims(),
                    prediction.dims(),
                    target.dims()
                );
            }
            Ok(value)
        })
    }
}

#[inline]
fn is_finite(scalar: &Tensor) -> Result<bool> {
    match scalar.dtype() {
        DType::F32 => Ok(scalar.to_scalar::<f32>()?.is_finite()),
        DType::F64 => Ok(scalar.to_scalar::<f64>()?.is_finite()),
        _ => Ok(scalar.to_dtype(DType::F32)?.to_scalar::<f32>()?.is_finite()),
    }
}

/// Says where the value that is not finite came from.
#[cold]
fn not_finite(value: &Tensor, prediction: &Tensor, target: &Tensor) -> candle_core::Error {
    let count = |tensor: &Tensor| -> Result<usize> {
        let values = tensor
            .to_dtype(DType::F32)?
            .flatten_all()?
            .to_vec1::<f32>()?;
        Ok(values.iter().filter(|value| !value.is_finite()).count())
    };
    let origin = match (count(prediction), count(target)) {
        (Ok(0), Ok(0)) => "prediction and target are finite, so the loss itself made it".to_owned(),
        (Ok(prediction), Ok(target)) => {
            format!(
                "{prediction} values of the prediction and {target} of the target are not finite"
            )
        }
        _ => "prediction and target cannot be read".to_owned(),
    };
    candle_core::Error::Msg(format!(
        "the loss is {value} for a prediction {:?} and a target {:?}: {origin}",
        prediction.dims(),
        target.dims()
    ))
}
