//! Losses: how far a prediction is from its target.

use candle_core::{DType, Device, Tensor, bail};

use super::declare::kind;
use crate::{Inputs, Outputs, Slot};
use patchbay_show::Result;

kind! {
    #[name = "loss"]
    #[measured = measured]
    #[tried = tried]
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
        #[slot = forward_in_slot]
        fn forward(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor>;

        /// The loss of a network that has learned nothing: what goes in, in words, and the value. `describe` prints it in
        /// multiples of cross entropy's.
        ///
        /// By default of equal logits `[10, 10]` against each of 10 classes; losses that take something else say of what.
        ///
        /// # Errors
        ///
        /// Fails where the loss does not take the input.
        fn at_initialization(&self) -> Result<Vec<(String, f64)>> {
            let logits = Tensor::zeros((CLASSES, CLASSES), DType::F32, &Device::Cpu)?;
            let target = Tensor::arange(0u32, CLASSES as u32, &Device::Cpu)?;
            let value = patchbay_ops::mean_all(&self.forward(&logits, &target)?)?;
            Ok(vec![(
                format!("equal logits, {CLASSES} classes"),
                value.to_dtype(DType::F64)?.to_scalar()?,
            )])
        }
    }
}

/// How many classes the K of [`Loss::at_initialization`] is.
const CLASSES: usize = 10;

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
    let value = value
        .to_dtype(DType::F64)
        .and_then(|value| value.to_scalar::<f64>())
        .map_or_else(|_| "no finite number".to_owned(), |value| value.to_string());
    candle_core::Error::Msg(format!(
        "the loss is {value} for a prediction {:?} and a target {:?}: {origin}",
        prediction.dims(),
        target.dims()
    ))
}

/// The sample's first input is the prediction, its second the target.
fn tried(loss: &Slot<dyn Loss>, inputs: &Inputs) -> Result<Outputs> {
    let result = loss.forward(inputs.at(0)?, inputs.at(1)?)?;
    Ok(vec![("result".to_owned(), result)])
}

/// A network's first loss, in multiples of cross entropy's ln K.
fn measured(loss: &dyn Loss) -> Vec<(String, String)> {
    let facts = |(input, value): (String, f64)| {
        let ratio = value / (CLASSES as f64).ln();
        // Sums over an image have thousands.
        let text = if value.abs() < 100.0 {
            format!("{value:.4} = {ratio:.3} ln K")
        } else {
            format!("{value:.0} = {ratio:.0} ln K")
        };
        (
            format!("value at {input}"),
            format!("{text} (cross entropy of K = {CLASSES} classes: 1)"),
        )
    };
    let values = loss.at_initialization().unwrap_or_default();
    values.into_iter().map(facts).collect()
}

/// As the component's own, and checked: the result is a scalar or has the target's number of
/// values, and a scalar on the CPU is finite. (Reading it on a GPU would wait for the GPU.)
fn forward_in_slot(slot: &Slot<dyn Loss>, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
    slot.call(|loss| {
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
