//! Other shapes of the same values.

use candle_core::{Result, Tensor, bail};

use crate::axis::dimension;

pub(crate) fn squeeze_all(x: &Tensor) -> Result<Tensor> {
    let dims: Vec<usize> = x.dims().iter().copied().filter(|&n| n != 1).collect();
    x.reshape(dims)
}

pub(crate) fn movedim(x: &Tensor, source: i64, destination: i64) -> Result<Tensor> {
    let source = dimension(x, source, "movedim")?;
    let destination = dimension(x, destination, "movedim")?;
    let mut order: Vec<usize> = (0..x.rank()).filter(|&dim| dim != source).collect();
    order.insert(destination, source);
    x.permute(order)
}

pub(crate) fn select(x: &Tensor, dim: i64, index: i64) -> Result<Tensor> {
    let dim = dimension(x, dim, "select")?;
    let length = x.dims()[dim] as i64;
    let from_front = if index < 0 {
        index.saturating_add(length)
    } else {
        index
    };
    if !(0..length).contains(&from_front) {
        bail!(
            "select: index {index} of dimension {dim} of {:?}: must be from {} to {}",
            x.dims(),
            -length,
            length - 1
        )
    }
    x.narrow(dim, from_front as usize, 1)?.squeeze(dim)
}

pub(crate) fn split(x: &Tensor, size: usize, dim: i64) -> Result<Vec<Tensor>> {
    let dim = dimension(x, dim, "split")?;
    let length = x.dims()[dim];
    if size == 0 {
        bail!("split: the size of the parts is 0: must be at least 1")
    }
    if length == 0 {
        return Ok(vec![x.clone()]);
    }
    (0..length)
        .step_by(size)
        .map(|start| x.narrow(dim, start, size.min(length - start)))
        .collect()
}

pub(crate) fn unbind(x: &Tensor, dim: i64) -> Result<Vec<Tensor>> {
    let dim = dimension(x, dim, "unbind")?;
    (0..x.dims()[dim])
        .map(|index| x.narrow(dim, index, 1)?.squeeze(dim))
        .collect()
}

pub(crate) fn repeat_interleave(x: &Tensor, times: usize, dim: i64) -> Result<Tensor> {
    let dim = dimension(x, dim, "repeat_interleave")?;
    let mut wide = x.dims().to_vec();
    wide.insert(dim + 1, times);
    let mut shape = x.dims().to_vec();
    shape[dim] *= times;
    patchbay_ops::broadcast_as(&x.unsqueeze(dim + 1)?, wide)?
        .contiguous()?
        .reshape(shape)
}
