//! First values of transformers: normal around 0, biases 0.
//!
//! timm and BERT draw with a standard deviation of 0.02 (`initializer_range`) for widths of hundreds; timm's is cut at +-2,
//! which is 100 deviations away. A width of 64 needs about 0.1: with 0.02 its blocks add almost nothing to their inputs,
//! and hundreds of steps go by before anything is learned.

use patchbay::{
    nn::{self, Init, Linear},
    plugin::prelude::*,
};

/// The distribution of weights and of position embeddings.
#[must_use]
pub const fn normal(initializer_range: f64) -> Init {
    Init::Randn {
        mean: 0.0,
        stdev: initializer_range,
    }
}

/// Parameters `weight` `[outputs, inputs]`, normal, and, if `bias` says so, `bias` `[outputs]`, zeros.
///
/// # Errors
///
/// Fails where the builder has parameters of other shapes.
pub fn linear(
    inputs: usize,
    outputs: usize,
    bias: bool,
    initializer_range: f64,
    vb: VarBuilder,
) -> Result<Linear> {
    let weight = vb.get_with_hints((outputs, inputs), "weight", normal(initializer_range))?;
    let bias = bias
        .then(|| vb.get_with_hints(outputs, "bias", nn::init::ZERO))
        .transpose()?;
    Ok(Linear::new(weight, bias))
}

/// Numbers for samples: a wave of this shape.
///
/// # Errors
///
/// Fails where the tensor cannot be made.
pub fn wave(shape: &[usize], phase: f64) -> Result<Tensor> {
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count)
        .map(|i| (i as f64 * 1.7 + phase).sin() as f32)
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu)
}
