//! Of candle's ops.

use candle_core::{Result, Tensor};

pub(super) fn ema(average: &Tensor, value: &Tensor, decay: f64) -> Result<()> {
    let blended = ((average.detach() * decay)? + (value.detach() * (1.0 - decay))?)?;
    average.slice_set(&blended, 0, 0)
}
