//! Comparisons, and what masks say.

use candle_core::{DType, Result, Tensor, bail};

pub(crate) fn isnan(x: &Tensor) -> Result<Tensor> {
    x.ne(x)
}

pub(crate) fn isinf(x: &Tensor) -> Result<Tensor> {
    if x.dtype().is_int() {
        return x.ne(x);
    }
    x.abs()?.eq(f64::INFINITY)
}

pub(crate) fn isfinite(x: &Tensor) -> Result<Tensor> {
    if x.dtype().is_int() {
        return x.eq(x);
    }
    x.abs()?.lt(f64::INFINITY)
}

/// Two tensors in a dtype that holds the values of both, on the shape that both broadcast to.
fn paired(op: &str, a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor)> {
    let dtype = if a.dtype() == b.dtype() {
        a.dtype()
    } else if a.dtype().is_int() && b.dtype().is_int() {
        DType::I64
    } else {
        DType::F64
    };
    let shape = a
        .shape()
        .broadcast_shape_binary_op(b.shape(), "compare")
        .map_err(|_| {
            candle_core::Error::Msg(format!(
                "{op}: {:?} and {:?} do not broadcast to one shape",
                a.dims(),
                b.dims()
            ))
            .bt()
        })?;
    let turned = |x: &Tensor| x.detach().to_dtype(dtype)?.broadcast_as(&shape);
    Ok((turned(a)?, turned(b)?))
}

pub(crate) fn isclose(a: &Tensor, b: &Tensor, relative: f64, absolute: f64) -> Result<Tensor> {
    let (a, b) = paired("isclose", a, b)?;
    let equal = a.eq(&b)?;
    let (a, b) = (a.to_dtype(DType::F64)?, b.to_dtype(DType::F64)?);
    let allowed = ((b.abs()? * relative)? + absolute)?;
    let near = (a - &b)?.abs()?.le(&allowed)?;
    // Beside an infinite value every finite one would be near.
    (near * isfinite(&b)?)?.maximum(&equal)
}

pub(crate) fn equal(a: &Tensor, b: &Tensor) -> Result<bool> {
    if a.dims() != b.dims() {
        return Ok(false);
    }
    let (a, b) = paired("equal", a, b)?;
    all(&a.eq(&b)?)
}

/// How many values are not 0; NaN is not.
pub(crate) fn count_nonzero(x: &Tensor) -> Result<usize> {
    let count: i64 = patchbay_ops::sum_all(&x.detach().ne(0.0)?)?.to_scalar()?;
    Ok(count as usize)
}

pub(crate) fn all(x: &Tensor) -> Result<bool> {
    Ok(count_nonzero(x)? == x.elem_count())
}

#[derive(Clone, Copy)]
pub(crate) enum Logic {
    And,
    Or,
    Xor,
}

pub(crate) fn logic(a: &Tensor, b: &Tensor, logic: Logic) -> Result<Tensor> {
    let (a, b) = (a.ne(0.0)?, b.ne(0.0)?);
    if a.device().location() != b.device().location() {
        bail!("logical: the tensors are on two devices: `a.to(b.device())?` brings them together")
    }
    match logic {
        Logic::And => a.broadcast_minimum(&b),
        Logic::Or => a.broadcast_maximum(&b),
        Logic::Xor => a.broadcast_ne(&b),
    }
}
