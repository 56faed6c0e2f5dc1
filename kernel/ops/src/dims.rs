//! Dimensions that an op is given, with errors that say which there are.

use candle_core::{Error, Result, Tensor};

/// A dimension that may be counted from the end.
pub(crate) fn dimension(x: &Tensor, dim: i64, op: &'static str) -> Result<usize> {
    let rank = x.rank() as i64;
    let index = if dim < 0 { dim + rank } else { dim };
    if !(0..rank).contains(&index) {
        candle_core::bail!(
            "{op}: dimension {dim} of a tensor of shape {:?}: must be from {} to {}",
            x.dims(),
            -rank,
            rank - 1
        )
    }
    Ok(index as usize)
}

/// Batch, channels, height and width of images.
pub(crate) fn images(op: &'static str, x: &Tensor) -> Result<(usize, usize, usize, usize)> {
    x.dims4().map_err(|_| {
        Error::Msg(format!(
            "{op}: the input is {:?}: must be [batch, channels, height, width]",
            x.dims()
        ))
        .bt()
    })
}
