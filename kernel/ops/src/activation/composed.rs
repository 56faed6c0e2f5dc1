//! Of candle's ops.
//!
//! candle's own `gelu` and `gelu_erf` have gradients that are off in their fourth place.

use candle_core::{Result, Tensor};

use super::cpu::Activation;
use crate::functions::GeluTanh;

pub(super) fn activation(kind: Activation, x: &Tensor) -> Result<Tensor> {
    match kind {
        Activation::Gelu => {
            let below = ((x * std::f64::consts::FRAC_1_SQRT_2)?.erf()? * 0.5)?;
            x * (below + 0.5)?
        }
        Activation::GeluTanh => {
            let cubic = ((x.sqr()? * GeluTanh::CUBIC)? + GeluTanh::LINEAR)?;
            x * sigmoid(&(x * cubic)?)?
        }
        Activation::Relu => x * x.detach().gt(0.0)?.to_dtype(x.dtype())?,
        Activation::Silu => x * sigmoid(x)?,
        Activation::Sigmoid => sigmoid(x),
    }
}

fn sigmoid(x: &Tensor) -> Result<Tensor> {
    // By tanh, which does not overflow.
    ((x * 0.5)?.tanh()? * 0.5)? + 0.5
}
