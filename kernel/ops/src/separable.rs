//! A linear map of images as two products of matrices, of candle's ops.

use candle_core::{Result, Tensor};

/// A linear map of the rows of images and one of their columns.
///
/// `x` is [batch, channels, height, width], `rows` [new height, height] and `columns` [new width, width], in row-major
/// order.
pub(crate) fn separable(x: &Tensor, rows: Vec<f64>, columns: Vec<f64>) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    let (new_height, new_width) = (rows.len() / height.max(1), columns.len() / width.max(1));
    let rows = Tensor::from_vec(rows, (new_height, height), x.device())?.to_dtype(x.dtype())?;
    let columns = Tensor::from_vec(columns, (new_width, width), x.device())?.to_dtype(x.dtype())?;
    let wide = x
        .contiguous()?
        .reshape((batch * channels * height, width))?
        .matmul(&columns.t()?)?
        .reshape((batch * channels, height, new_width))?;
    rows.broadcast_left(batch * channels)?
        .contiguous()?
        .matmul(&wide)?
        .reshape((batch, channels, new_height, new_width))
}
