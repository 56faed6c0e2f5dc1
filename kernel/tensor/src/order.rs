//! Values in order.

use std::cmp::Ordering;

use candle_core::{D, DType, Device, Result, Tensor, bail};

use patchbay_ops as ops;

use crate::axis::dimension;

/// Orders two values; NaN is the largest, as in torch.
fn compare(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b)
        .unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// The order of each row: positions in it, of equal values the first one first.
fn orders<T: Copy>(
    values: &[T],
    width: usize,
    descending: bool,
    compare: impl Fn(T, T) -> Ordering,
) -> Vec<u32> {
    let mut positions = Vec::with_capacity(values.len());
    for row in values.chunks_exact(width) {
        let mut own: Vec<u32> = (0..width as u32).collect();
        own.sort_by(|&a, &b| {
            let order = compare(row[a as usize], row[b as usize]);
            if descending { order.reverse() } else { order }
        });
        positions.extend(own);
    }
    positions
}

pub(crate) fn argsort(x: &Tensor, dim: i64, descending: bool) -> Result<Tensor> {
    let dim = dimension(x, dim, "argsort")?;
    let last = x.rank() - 1;
    let turned = x.detach().transpose(dim, last)?.contiguous()?;
    let width = turned.dims()[last];
    if turned.elem_count() == 0 {
        return Tensor::zeros(x.shape(), DType::U32, x.device());
    }
    if !matches!(x.device(), Device::Cpu) {
        let order = turned.arg_sort_last_dim(!descending)?;
        return order.transpose(dim, last)?.contiguous();
    }
    let flat = turned.flatten_all()?;
    let positions = if x.dtype().is_int() {
        let values: Vec<i64> = flat.to_dtype(DType::I64)?.to_vec1()?;
        orders(&values, width, descending, |a, b| a.cmp(&b))
    } else {
        let values: Vec<f64> = flat.to_dtype(DType::F64)?.to_vec1()?;
        orders(&values, width, descending, compare)
    };
    Tensor::from_vec(positions, turned.shape(), x.device())?
        .transpose(dim, last)?
        .contiguous()
}

pub(crate) fn sort(x: &Tensor, dim: i64, descending: bool) -> Result<(Tensor, Tensor)> {
    let order = argsort(x, dim, descending)?;
    if x.elem_count() == 0 {
        return Ok((x.clone(), order));
    }
    Ok((taken(x, dim, &order)?, order))
}

/// The values at these indices along a dimension.
fn taken(x: &Tensor, dim: i64, index: &Tensor) -> Result<Tensor> {
    if x.dtype().is_int() {
        return x.contiguous()?.gather(index, dimension(x, dim, "sort")?);
    }
    ops::gather(x, dim, index)
}

pub(crate) fn topk(x: &Tensor, k: usize, dim: i64) -> Result<(Tensor, Tensor)> {
    let at = dimension(x, dim, "topk")?;
    let length = x.dims()[at];
    if k > length {
        bail!(
            "topk: {k} of the {length} values of dimension {at} of {:?}: must be at most {length}",
            x.dims()
        )
    }
    let order = argsort(x, dim, true)?.narrow(at, 0, k)?.contiguous()?;
    if order.elem_count() == 0 {
        return Ok((x.narrow(at, 0, k)?, order));
    }
    Ok((taken(x, dim, &order)?, order))
}

pub(crate) fn median(x: &Tensor, dim: i64) -> Result<Tensor> {
    let at = dimension(x, dim, "median")?;
    let length = x.dims()[at];
    if length == 0 {
        bail!("median: dimension {at} of {:?} has no value", x.dims())
    }
    let (sorted, _) = sort(x, dim, false)?;
    let middle = sorted.narrow(at, (length - 1) / 2, 1)?.squeeze(at)?;
    if x.dtype().is_int() {
        return Ok(middle);
    }
    // The largest is no number where any is none.
    let last = sorted.narrow(at, length - 1, 1)?.squeeze(at)?;
    last.ne(&last)?.where_cond(&last, &middle)
}

/// The median of all values, whose gradient equal ones share, as in torch.
pub(crate) fn median_all(x: &Tensor) -> Result<Tensor> {
    let flat = x.flatten_all()?;
    let middle = median(&flat, 0)?;
    let fixed = middle.detach();
    if x.dtype().is_int() || !fixed.to_dtype(DType::F64)?.to_scalar::<f64>()?.is_finite() {
        return Ok(middle);
    }
    let equal = flat.detach().broadcast_eq(&fixed)?;
    let count: i64 = ops::sum_all(&equal)?.to_scalar()?;
    let equal = equal.where_cond(&flat, &flat.detach().zeros_like()?)?;
    let mean = (ops::sum_all(&equal)? / count as f64)?;
    // The value is the median's, the gradient that of the mean of those that equal it.
    &fixed + (&mean - mean.detach())?
}

pub(crate) fn quantile(x: &Tensor, q: f64, dim: i64) -> Result<Tensor> {
    let at = dimension(x, dim, "quantile")?;
    let length = x.dims()[at];
    if length == 0 || !(0.0..=1.0).contains(&q) {
        bail!(
            "quantile: {q} of dimension {at} of {:?}: must be from 0 to 1, of at least one value",
            x.dims()
        )
    }
    if x.dtype().is_int() {
        bail!(
            "quantile: the input is {}: must be a float; `x.float()?` is",
            x.dtype().as_str()
        )
    }
    let (sorted, _) = sort(x, dim, false)?;
    let position = q * (length - 1) as f64;
    let below = position.floor() as usize;
    let low = sorted.narrow(at, below, 1)?.squeeze(at)?;
    let high = sorted
        .narrow(at, (below + 1).min(length - 1), 1)?
        .squeeze(at)?;
    let share = position - below as f64;
    let between = (&low + ((high - &low)? * share)?)?;
    let last = sorted.narrow(at, length - 1, 1)?.squeeze(at)?;
    last.ne(&last)?.where_cond(&last, &between)
}

pub(crate) fn unique(x: &Tensor) -> Result<Tensor> {
    let flat = x.detach().flatten_all()?;
    if flat.elem_count() == 0 {
        return Ok(flat);
    }
    let (sorted, _) = sort(&flat, 0, false)?;
    let count = sorted.elem_count();
    let differs = sorted
        .narrow(0, 1, count - 1)?
        .ne(&sorted.narrow(0, 0, count - 1)?)?;
    let first = Tensor::ones(1, DType::U8, x.device())?;
    crate::select::masked_select(&sorted, &Tensor::cat(&[first, differs], 0)?)
}

pub(crate) fn bincount(x: &Tensor, minlength: usize) -> Result<Tensor> {
    if x.rank() != 1 || !x.dtype().is_int() {
        bail!(
            "bincount: the input is {:?} {}: must be a vector of an integer dtype",
            x.dims(),
            x.dtype().as_str()
        )
    }
    let values: Vec<i64> = x.to_dtype(DType::I64)?.to_vec1()?;
    let mut counts = vec![0i64; minlength];
    for value in values {
        let Ok(index) = usize::try_from(value) else {
            bail!("bincount: a value is {value}: must be at least 0")
        };
        if index >= counts.len() {
            counts.resize(index + 1, 0);
        }
        counts[index] += 1;
    }
    let length = counts.len();
    Tensor::from_vec(counts, length, x.device())
}

/// The position of the largest or smallest of all values.
pub(crate) fn extreme(x: &Tensor, largest: bool) -> Result<usize> {
    if x.elem_count() == 0 {
        bail!("argmax: a tensor of shape {:?} has no value", x.dims())
    }
    let flat = x.detach().flatten_all()?;
    let index = if largest {
        flat.argmax(D::Minus1)?
    } else {
        flat.argmin(D::Minus1)?
    };
    Ok(index.to_scalar::<u32>()? as usize)
}
