//! Of candle's ops.

use candle_core::{Result, Tensor};

pub(super) fn focal(cross_entropy: &Tensor, gamma: f64) -> Result<Tensor> {
    // At 0 the power's slope may be infinite; the least number has none that matters.
    let miss = cross_entropy
        .neg()?
        .exp()?
        .affine(-1.0, 1.0)?
        .maximum(1e-12)?;
    miss.powf(gamma)? * cross_entropy
}
