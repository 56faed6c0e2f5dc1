//! One value of many.

use candle_core::{DType, Result, Tensor, bail};

use patchbay_ops as ops;

use crate::axis::dimension;

/// The root of a variance, with a gradient of 0 where it is 0, as torch's.
pub(crate) fn root(variance: &Tensor) -> Result<Tensor> {
    let zero = variance.detach().eq(0.0)?;
    let safe = zero.where_cond(&variance.detach().ones_like()?, variance)?;
    zero.where_cond(&variance.detach().zeros_like()?, &safe.sqrt()?)
}

pub(crate) fn std(x: &Tensor, dim: i64, keep: bool) -> Result<Tensor> {
    let dim = dimension(x, dim, "std")?;
    root(&ops::var_with(x, dim, 1.0, keep)?)
}

/// Floats as they are, integers as i64.
fn summand(x: &Tensor) -> Result<Tensor> {
    if x.dtype().is_int() {
        return x.to_dtype(DType::I64);
    }
    Ok(x.clone())
}

/// Halves are multiplied by each other until one is left, so that a zero has the right gradient.
pub(crate) fn prod(x: &Tensor, dim: i64) -> Result<Tensor> {
    let dim = dimension(x, dim, "prod")?;
    let mut x = summand(x)?;
    if x.dims()[dim] == 0 {
        let mut shape = x.dims().to_vec();
        shape.remove(dim);
        return Tensor::ones(shape, x.dtype(), x.device());
    }
    loop {
        let length = x.dims()[dim];
        if length == 1 {
            return x.squeeze(dim);
        }
        let half = length / 2;
        let product = (x.narrow(dim, 0, half)? * x.narrow(dim, half, half)?)?;
        x = if length % 2 == 1 {
            Tensor::cat(&[product, x.narrow(dim, length - 1, 1)?], dim)?
        } else {
            product
        };
    }
}

/// After each round a value is the product of twice as many (Hillis and Steele, 1986).
pub(crate) fn cumprod(x: &Tensor, dim: i64) -> Result<Tensor> {
    let dim = dimension(x, dim, "cumprod")?;
    let mut x = summand(x)?;
    let length = x.dims()[dim];
    let mut reach = 1;
    while reach < length {
        let begin = x.narrow(dim, 0, reach)?;
        let earlier = x.narrow(dim, 0, length - reach)?;
        let later = (x.narrow(dim, reach, length - reach)? * earlier)?;
        x = Tensor::cat(&[begin, later], dim)?;
        reach *= 2;
    }
    Ok(x)
}

pub(crate) fn norm_dim(x: &Tensor, dim: i64) -> Result<Tensor> {
    let dim = dimension(x, dim, "norm_dim")?;
    root(&ops::sum(&x.sqr()?, dim)?)
}

pub(crate) fn trace(x: &Tensor) -> Result<Tensor> {
    ops::sum_all(&diagonal(x)?)
}

pub(crate) fn diagonal(x: &Tensor) -> Result<Tensor> {
    let (rows, columns) = x.dims2().map_err(|_| {
        candle_core::Error::Msg(format!(
            "diagonal: the input is {:?}: must be a matrix [rows, columns]",
            x.dims()
        ))
        .bt()
    })?;
    let count = rows.min(columns);
    let index: Vec<u32> = (0..count).map(|i| (i * columns + i) as u32).collect();
    if count == 0 {
        return Tensor::zeros(0, x.dtype(), x.device());
    }
    let index = Tensor::from_vec(index, count, x.device())?;
    ops::index_select(&x.flatten_all()?, 0, &index)
}

pub(crate) fn item(x: &Tensor) -> Result<f64> {
    if x.elem_count() != 1 {
        bail!(
            "item: a tensor of shape {:?} has {} values: must have one; `x.to_vec::<f32>()?` gives all",
            x.dims(),
            x.elem_count()
        )
    }
    x.detach()
        .reshape(())?
        .to_dtype(DType::F64)?
        .to_scalar::<f64>()
}
