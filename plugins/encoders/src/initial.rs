//! First values of transformers: normal with a standard deviation of 0.02, biases 0.
//!
//! timm and BERT draw from a normal distribution; timm's is cut at +-2, which is 100 deviations away.

use patchbay::{
    nn::{self, Init, Linear},
    plugin::prelude::*,
};

/// The distribution of weights and of position embeddings.
pub const NORMAL: Init = Init::Randn {
    mean: 0.0,
    stdev: 0.02,
};

/// Parameters `weight` `[outputs, inputs]`, normal, and, if `bias` says so, `bias` `[outputs]`, zeros.
///
/// # Errors
///
/// Fails where the builder has parameters of other shapes.
pub fn linear(inputs: usize, outputs: usize, bias: bool, vb: VarBuilder) -> Result<Linear> {
    let weight = vb.get_with_hints((outputs, inputs), "weight", NORMAL)?;
    let bias = bias
        .then(|| vb.get_with_hints(outputs, "bias", nn::init::ZERO))
        .transpose()?;
    Ok(Linear::new(weight, bias))
}
