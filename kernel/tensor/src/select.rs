//! Values by masks and indices.

use candle_core::{DType, Result, Tensor, bail};

use patchbay_ops as ops;

pub(crate) fn one_hot(x: &Tensor, classes: usize) -> Result<Tensor> {
    if !x.dtype().is_int() {
        bail!(
            "one_hot: the classes are {}: must be of an integer dtype; `x.long()?` is",
            x.dtype().as_str()
        )
    }
    let index = x.to_dtype(DType::I64)?;
    if x.elem_count() > 0 {
        let flat = index.flatten_all()?;
        let (low, high) = (
            flat.min(0)?.to_scalar::<i64>()?,
            flat.max(0)?.to_scalar::<i64>()?,
        );
        if low < 0 || high >= classes as i64 {
            let wrong = if low < 0 { low } else { high };
            bail!(
                "one_hot: a class is {wrong}: must be from 0 to {}",
                classes as i64 - 1
            )
        }
    }
    let mut shape = x.dims().to_vec();
    shape.push(classes);
    if shape.contains(&0) {
        return Tensor::zeros(shape, DType::I64, x.device());
    }
    let all = Tensor::arange(0i64, classes as i64, x.device())?;
    index
        .unsqueeze(x.rank())?
        .broadcast_eq(&all)?
        .to_dtype(DType::I64)
}

/// A mask from any dtype.
fn mask_of(mask: &Tensor) -> Result<Tensor> {
    match mask.dtype() {
        DType::U8 => Ok(mask.clone()),
        _ => mask.ne(0.0),
    }
}

pub(crate) fn where_(condition: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.dtype() != b.dtype() {
        bail!(
            "where: the values are {} and {}: must be of one dtype; `b.to(a.dtype())?` makes them so",
            a.dtype().as_str(),
            b.dtype().as_str()
        )
    }
    let shape = condition
        .shape()
        .broadcast_shape_binary_op(a.shape(), "where")?
        .broadcast_shape_binary_op(b.shape(), "where")?;
    mask_of(condition)?.broadcast_as(&shape)?.where_cond(
        &ops::broadcast_as(a, &shape)?,
        &ops::broadcast_as(b, &shape)?,
    )
}

pub(crate) fn masked_fill(x: &Tensor, mask: &Tensor, value: f64) -> Result<Tensor> {
    if x.dtype().is_int() {
        let filled = Tensor::full(value, x.shape(), x.device())?.to_dtype(x.dtype())?;
        return mask_of(mask)?
            .broadcast_as(x.shape())?
            .where_cond(&filled, x);
    }
    ops::masked_fill(x, &mask_of(mask)?, value)
}

/// The indices of a mask's values that are not 0, in row-major order.
fn indices(mask: &Tensor) -> Result<Vec<u32>> {
    let mask: Vec<u8> = mask_of(mask)?.flatten_all()?.to_vec1()?;
    let chosen = mask.iter().enumerate().filter(|(_, value)| **value != 0);
    Ok(chosen.map(|(index, _)| index as u32).collect())
}

pub(crate) fn masked_select(x: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let shape = x
        .shape()
        .broadcast_shape_binary_op(mask.shape(), "masked_select")?;
    let index = indices(&mask.broadcast_as(&shape)?)?;
    if index.is_empty() {
        return Tensor::zeros(0, x.dtype(), x.device());
    }
    let count = index.len();
    let index = Tensor::from_vec(index, count, x.device())?;
    let flat = ops::broadcast_as(x, &shape)?.flatten_all()?;
    if x.dtype().is_int() {
        return flat.index_select(&index, 0);
    }
    ops::index_select(&flat, 0, &index)
}

pub(crate) fn nonzero(x: &Tensor) -> Result<Tensor> {
    let dims = x.dims();
    let indices = indices(&x.detach().ne(0.0)?)?;
    let mut rows = Vec::with_capacity(indices.len() * dims.len());
    for &index in &indices {
        let mut rest = index as usize;
        let start = rows.len();
        for &length in dims.iter().rev() {
            rows.push((rest % length) as i64);
            rest /= length;
        }
        rows[start..].reverse();
    }
    Tensor::from_vec(rows, (indices.len(), dims.len()), x.device())
}

/// Returns the values on and below (or above) a diagonal of the last two dimensions, and zeros elsewhere.
pub(crate) fn triangle(x: &Tensor, diagonal: i64, lower: bool) -> Result<Tensor> {
    let op = if lower { "tril" } else { "triu" };
    let [.., rows, columns] = *x.dims() else {
        bail!(
            "{op}: the input is {:?}: must have at least two dimensions",
            x.dims()
        )
    };
    let mask: Vec<u8> = (0..rows as i64)
        .flat_map(|row| {
            (0..columns as i64).map(move |column| {
                let above = column - row;
                u8::from(if lower {
                    above <= diagonal
                } else {
                    above >= diagonal
                })
            })
        })
        .collect();
    let mask = Tensor::from_vec(mask, (rows, columns), x.device())?;
    mask.broadcast_as(x.shape())?
        .where_cond(x, &x.detach().zeros_like()?)
}
