//! Gather, scatter and embedding tables.
//!
//! Semantics are torch's. candle's own gather and index_select have right gradients; its scatter passes the
//! gradient of replaced values on, and its scatter_add cuts that of kept ones.

use candle_core::{
    CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, backend::BackendStorage,
};
use rayon::prelude::*;

use super::{
    composed,
    real::Real,
    rows::RUN,
    simd::fill,
    softmax::dimension,
    storage::{by_dtype, on_cpu, output, read, same_dtype, strided, tensor, values, widened},
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
    if !x.device().is_cpu() {
        check_on_device("gather", index, x.dim(walk.dim)?)?;
        return composed::gather(x, walk.dim, index);
    }
    widened(x, |x| x.apply_op2(index, Gather { walk }))
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
    if !x.device().is_cpu() {
        check_on_device(op, index, x.dim(walk.dim)?)?;
        let scatter = if add {
            composed::scatter_add
        } else {
            composed::scatter
        };
        return scatter(x, walk.dim, index, src);
    }
    widened(x, |x| {
        x.apply_op3(index, &src.to_dtype(x.dtype())?, Scatter { walk, add })
    })
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
    if !table.device().is_cpu() {
        check_on_device(op, ids, table.dim(0)?)?;
        return composed::embedding(ids, table, padding_index);
    }
    widened(table, |table| {
        table.apply_op2(ids, Embedding { op, padding_index })
    })
}

/// Fails where an index on a GPU is not from 0 to below `limit`. This waits for the GPU: candle's kernels would stop it for good
/// at such an index.
#[cfg_attr(not(feature = "cuda"), expect(unused_variables))]
fn check_on_device(op: &'static str, index: &Tensor, limit: usize) -> Result<()> {
    #[cfg(feature = "cuda")]
    if index.device().is_cuda()
        && let Some(value) = super::cuda::index::outside(op, index, limit, None)?
    {
        return Err(outside(op, value, limit));
    }
    Ok(())
}

fn outside(op: &str, value: i64, limit: usize) -> candle_core::Error {
    candle_core::Error::Msg(format!(
        "{op}: an index is {value}: must be from 0 to {}",
        limit as i64 - 1
    ))
    .bt()
}

/// The indices as they are, each below `limit`.
fn indices(
    op: &'static str,
    storage: &CpuStorage,
    layout: &Layout,
    limit: usize,
) -> Result<Vec<usize>> {
    let check = |value: i64| {
        usize::try_from(value)
            .ok()
            .filter(|&value| value < limit)
            .ok_or_else(|| outside(op, value, limit))
    };
    match storage {
        CpuStorage::I64(all) => strided(all, layout)?
            .iter()
            .map(|&value| check(value))
            .collect(),
        CpuStorage::U32(all) => strided(all, layout)?
            .iter()
            .map(|&value| check(i64::from(value)))
            .collect(),
        CpuStorage::U8(all) => strided(all, layout)?
            .iter()
            .map(|&value| check(i64::from(value)))
            .collect(),
        CpuStorage::I16(all) => strided(all, layout)?
            .iter()
            .map(|&value| check(i64::from(value)))
            .collect(),
        CpuStorage::I32(all) => strided(all, layout)?
            .iter()
            .map(|&value| check(i64::from(value)))
            .collect(),
        other => {
            candle_core::bail!(
                "{op}: the indices are {}: must be of an integer dtype",
                other.dtype().as_str()
            )
        }
    }
}

/// From an index tensor's elements to places in the tensor that it points into.
#[derive(Clone)]
struct Walk {
    op: &'static str,
    dim: usize,
    shape: Vec<usize>,
    index_shape: Vec<usize>,
}

impl Walk {
    fn new(op: &'static str, x: &Tensor, dim: i64, index: &Tensor) -> Result<Walk> {
        let dim = dimension(x, dim, op)?;
        let (shape, index_shape) = (x.dims().to_vec(), index.dims().to_vec());
        let fits = shape.len() == index_shape.len()
            && shape
                .iter()
                .zip(&index_shape)
                .enumerate()
                .all(|(i, (x, index))| i == dim || index <= x);
        if !fits {
            candle_core::bail!(
                "{op}: the index is {index_shape:?} and the input {shape:?}: must have one rank, and the index be no \
                 longer than the input in dimensions other than {dim}"
            )
        }
        Ok(Walk {
            op,
            dim,
            shape,
            index_shape,
        })
    }

    /// The place that each element of the index names, row-major.
    fn places(&self, storage: &CpuStorage, layout: &Layout) -> Result<Vec<usize>> {
        let mut places = indices(self.op, storage, layout, self.shape[self.dim])?;
        let layout_of_x = Layout::contiguous(&self.shape[..]);
        let strides = layout_of_x.stride();
        let mut at = vec![0; self.index_shape.len()];
        for place in &mut places {
            *place = at
                .iter()
                .zip(strides)
                .enumerate()
                .map(|(i, (at, stride))| {
                    if i == self.dim {
                        *place * stride
                    } else {
                        at * stride
                    }
                })
                .sum();
            for (at, &length) in at.iter_mut().zip(&self.index_shape).rev() {
                *at += 1;
                if *at < length {
                    break;
                }
                *at = 0;
            }
        }
        Ok(places)
    }
}

impl Walk {
    /// Adds values to the places of `out`.
    fn add<T: Real>(&self, places: &[usize], values: &[T], out: &mut [T]) {
        // No place is named more often than the index is long.
        if self.index_shape[self.dim] <= RUN {
            for (&place, &value) in places.iter().zip(values) {
                out[place] += value;
            }
            return;
        }
        let mut wide: Vec<f64> = out.iter().map(|value| value.as_f64()).collect();
        for (&place, value) in places.iter().zip(values) {
            wide[place] += value.as_f64();
        }
        for (out, wide) in out.iter_mut().zip(wide) {
            *out = T::of(wide);
        }
    }
}

struct Gather {
    walk: Walk,
}

impl CustomOp2 for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        index: &CpuStorage,
        index_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!(x.dtype(), self.name(), T => {
            let x = values::<T>(x, x_layout)?;
            let places = self.walk.places(index, index_layout)?;
            let y: Vec<T> = places.iter().map(|&place| x[place]).collect();
            Ok(output(y, index_layout.shape()))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        index: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        by_dtype!(x.dtype(), self.name(), T => {
            let (storage, layout) = index.storage_and_layout();
            let places = self.walk.places(on_cpu(&storage, self.name())?, layout)?;
            read!(grad: T = grad, self.name());
            let mut out = vec![<T as Real>::ZERO; x.elem_count()];
            self.walk.add(&places, &grad, &mut out);
            Ok((Some(tensor(out, x.shape())?), None))
        })
    }
}

struct Scatter {
    walk: Walk,
    add: bool,
}

impl CustomOp3 for Scatter {
    fn name(&self) -> &'static str {
        self.walk.op
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        index: &CpuStorage,
        index_layout: &Layout,
        src: &CpuStorage,
        src_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!(x.dtype(), self.name(), T => {
            let mut y = values::<T>(x, x_layout)?.into_owned();
            let src = values::<T>(src, src_layout)?;
            let places = self.walk.places(index, index_layout)?;
            if self.add {
                self.walk.add(&places, &src, &mut y);
            } else {
                for (&place, &value) in places.iter().zip(src.iter()) {
                    y[place] = value;
                }
            }
            Ok(output(y, x_layout.shape()))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        index: &Tensor,
        src: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        by_dtype!(x.dtype(), self.name(), T => {
            let (storage, layout) = index.storage_and_layout();
            let places = self.walk.places(on_cpu(&storage, self.name())?, layout)?;
            read!(grad: T = grad, self.name());
            let src_grad: Vec<T> = places.iter().map(|&place| grad[place]).collect();
            let mut x_grad = grad.into_owned();
            if !self.add {
                for &place in &places {
                    x_grad[place] = <T as Real>::ZERO;
                }
            }
            Ok((Some(tensor(x_grad, x.shape())?), None, Some(tensor(src_grad, src.shape())?)))
        })
    }
}

struct Embedding {
    op: &'static str,
    padding_index: Option<usize>,
}

impl CustomOp2 for Embedding {
    fn name(&self) -> &'static str {
        self.op
    }

    fn cpu_fwd(
        &self,
        table: &CpuStorage,
        table_layout: &Layout,
        ids: &CpuStorage,
        ids_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!(table.dtype(), self.name(), T => {
            let (entries, width) = (table_layout.dims()[0], table_layout.dims()[1]);
            let table = values::<T>(table, table_layout)?;
            let ids = indices(self.name(), ids, ids_layout, entries)?;
            let y = fill(ids.len(), width, width, |range, y: &mut [T]| {
                for (y, &id) in y.chunks_exact_mut(width).zip(&ids[range]) {
                    y.copy_from_slice(&table[id * width..(id + 1) * width]);
                }
            });
            let mut shape = ids_layout.dims().to_vec();
            shape.push(width);
            Ok(output(y, shape))
        })
    }

    fn bwd(
        &self,
        table: &Tensor,
        ids: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        by_dtype!(table.dtype(), self.name(), T => {
            let (entries, width) = table.dims2()?;
            let (storage, layout) = ids.storage_and_layout();
            let ids = indices(self.name(), on_cpu(&storage, self.name())?, layout, entries)?;
            read!(grad: T = grad, self.name());
            let mut out = vec![<T as Real>::ZERO; entries * width];
            // Each thread has a range of the table and looks for it among all ids, so no two write one row.
            let piece = entries.div_ceil(rayon::current_num_threads()).max(1);
            out.par_chunks_mut((piece * width).max(1)).enumerate().for_each(|(index, out)| {
                let first = index * piece;
                let here = |&(_, &id): &(usize, &usize)| {
                    (first..first + piece).contains(&id) && Some(id) != self.padding_index
                };
                // The ids of each row together, so that a row is summed in f64 however often it comes.
                let mut found: Vec<(u32, u32)> = ids
                    .iter()
                    .enumerate()
                    .filter(here)
                    .map(|(at, &id)| ((id - first) as u32, at as u32))
                    .collect();
                found.sort_unstable();
                let mut total = vec![0.0; width];
                for same in found.chunk_by(|a, b| a.0 == b.0) {
                    total.fill(0.0);
                    for &(_, at) in same {
                        let grad = &grad[at as usize * width..][..width];
                        for (total, grad) in total.iter_mut().zip(grad) {
                            *total += grad.as_f64();
                        }
                    }
                    let row = &mut out[same[0].0 as usize * width..][..width];
                    for (out, &total) in row.iter_mut().zip(&total) {
                        *out = <T as Real>::of(total);
                    }
                }
            });
            Ok((Some(tensor(out, table.shape())?), None))
        })
    }
}
