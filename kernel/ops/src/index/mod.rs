//! Gather, scatter and embedding tables.
//!
//! Semantics are torch's. candle's own gather and index_select have right gradients; its scatter passes the
//! gradient of replaced values on, and its scatter_add cuts that of kept ones.

mod composed;
mod cpu;
#[cfg(test)]
pub(crate) mod tests;
mod walk;

use candle_core::{Result, Tensor};

use self::{
    cpu::{Embedding, Gather, Scatter},
    walk::Walk,
};
use crate::{
    dims::dimension, dispatch::dispatch, indices::check_on_device, op::apply, storage::same_dtype,
};

/// `y[i][j][k] = x[i][index[i][j][k]][k]` for `dim` 1, and so on: torch's `gather`.
///
/// `index` (of an integer dtype) has the rank of `x` and is no longer than it in the other dimensions; the result has
/// its shape. Values that are gathered several times get the sum of the gradients.
///
/// # Errors
///
/// Fails where shapes do not fit or an index lies outside.
pub fn gather(x: &Tensor, dim: i64, index: &Tensor) -> Result<Tensor> {
    let walk = Walk::new("gather", x, dim, index)?;
    dispatch! {
        x;
        composed => {
            check_on_device("gather", index, x.dim(walk.dim)?)?;
            composed::gather(x, walk.dim, index)
        };
        cpu(x) => apply(Gather { walk }, [x, index])
    }
}

/// `x` with `src` written to the places that `index` names along `dim`: torch's `scatter`.
///
/// `src` has the shape of `index` and the dtype of `x`. Replaced values get no gradient. Where an index comes
/// twice, the last value in row-major order stays.
///
/// # Errors
///
/// Fails where shapes or dtypes do not fit or an index lies outside.
pub fn scatter(x: &Tensor, dim: i64, index: &Tensor, src: &Tensor) -> Result<Tensor> {
    scattered("scatter", x, dim, index, src, false)
}

/// `x` with `src` added to the places that `index` names along `dim`: torch's `scatter_add`.
///
/// # Errors
///
/// As [`scatter`].
pub fn scatter_add(x: &Tensor, dim: i64, index: &Tensor, src: &Tensor) -> Result<Tensor> {
    scattered("scatter-add", x, dim, index, src, true)
}

fn scattered(
    op: &'static str,
    x: &Tensor,
    dim: i64,
    index: &Tensor,
    src: &Tensor,
    add: bool,
) -> Result<Tensor> {
    let walk = Walk::new(op, x, dim, index)?;
    same_dtype(op, x, "the source", src)?;
    if src.dims() != index.dims() {
        candle_core::bail!(
            "{op}: the source is {:?} and the index {:?}: they must have one shape",
            src.dims(),
            index.dims()
        )
    }
    dispatch! {
        x;
        composed => {
            check_on_device(op, index, x.dim(walk.dim)?)?;
            let scatter = if add {
                composed::scatter_add
            } else {
                composed::scatter
            };
            scatter(x, walk.dim, index, src)
        };
        cpu(x) => apply(Scatter { walk, add }, [x, index, &src.to_dtype(x.dtype())?])
    }
}

/// The rows of a table that `ids` name: torch's `embedding`.
///
/// `table` is [entries, width] and `ids` (of an integer dtype) any shape; the result is [*ids, width]. The row
/// `padding_index`, where given, gets no gradient.
///
/// # Errors
///
/// Fails where the table is not of rank 2 or an id lies outside.
pub fn embedding(ids: &Tensor, table: &Tensor, padding_index: Option<usize>) -> Result<Tensor> {
    if table.rank() != 2 {
        candle_core::bail!(
            "embedding: the table is {:?}: must be [entries, width]",
            table.dims()
        )
    }
    rows("embedding", ids, table, padding_index)
}

/// The parts of `x` along dimension `dim` that `index` names, in its order: torch's `index_select`.
///
/// `index` (of an integer dtype; on a GPU i64, u32 or u8) is a vector. Parts that are taken several times get the sum of the
/// gradients. candle's method of the same name tells an index of -1 as 18446744073709551615.
///
/// # Errors
///
/// Fails where the index is no vector or lies outside.
pub fn index_select(x: &Tensor, dim: i64, index: &Tensor) -> Result<Tensor> {
    let op = "index-select";
    let dim = dimension(x, dim, op)?;
    if index.rank() != 1 {
        candle_core::bail!("{op}: the index is {:?}: must be a vector", index.dims())
    }
    let turned = x.transpose(0, dim)?;
    let mut shape = turned.dims().to_vec();
    let width: usize = shape[1..].iter().product();
    let table = turned.reshape((shape[0], width))?;
    shape[0] = index.elem_count();
    let y = rows(op, index, &table, None)?.reshape(shape)?;
    if dim == 0 {
        Ok(y)
    } else {
        y.transpose(0, dim)?.contiguous()
    }
}

/// The rows of a table, for the op of this name.
fn rows(
    op: &'static str,
    ids: &Tensor,
    table: &Tensor,
    padding_index: Option<usize>,
) -> Result<Tensor> {
    dispatch! {
        table;
        composed => {
            check_on_device(op, ids, table.dim(0)?)?;
            composed::embedding(ids, table, padding_index)
        };
        cpu(table) => apply(Embedding { op, padding_index }, [table, ids])
    }
}
