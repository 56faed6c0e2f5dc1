//! Of candle's ops.

use candle_core::{DType, Result, Tensor};

/// How many values candle's sum adds up at most: a block of threads of a GPU adds as many in pairs.
const STEP: usize = 1024;

/// The sum as `[rows]` of all other dimensions. Few values are summed in their own type, and the sums in f64.
pub(super) fn sum(x: &Tensor, dims: &[usize]) -> Result<Tensor> {
    let dtype = x.dtype();
    let x = match dtype {
        DType::F16 | DType::BF16 => x.to_dtype(DType::F32)?,
        _ => x.clone(),
    };
    let mut order: Vec<usize> = (0..x.rank()).filter(|dim| !dims.contains(dim)).collect();
    let rows: usize = order.iter().map(|&dim| x.dims()[dim]).product();
    let count: usize = dims.iter().map(|&dim| x.dims()[dim]).product();
    order.extend(dims);
    let x = x.permute(order)?.contiguous()?.reshape((rows, count))?;
    if count <= STEP {
        // candle's sum: of few values.
        return x.sum(1)?.to_dtype(dtype);
    }
    // Metal has no f64.
    let wide = |sums: Tensor| match x.device().is_metal() {
        true => Ok(sums),
        false => sums.to_dtype(DType::F64),
    };
    let pieces = count / STEP;
    let whole = x
        .narrow(1, 0, pieces * STEP)?
        .contiguous()?
        .reshape((rows, pieces, STEP))?;
    // candle's sum: of few values, and in f64.
    let mut total = wide(whole.sum(2)?)?.sum(1)?;
    if pieces * STEP < count {
        let rest = x.narrow(1, pieces * STEP, count - pieces * STEP)?;
        // candle's sum: of few values.
        total = (total + wide(rest.sum(1)?)?)?;
    }
    total.to_dtype(dtype)
}

/// The variance as `[rows]` of all other dimensions.
pub(super) fn var(x: &Tensor, dims: &[usize], correction: f64) -> Result<Tensor> {
    let dtype = x.dtype();
    let x = match dtype {
        DType::F16 | DType::BF16 => x.to_dtype(DType::F32)?,
        _ => x.clone(),
    };
    let count: usize = dims.iter().map(|&dim| x.dims()[dim]).product();
    let mut kept = x.dims().to_vec();
    for &dim in dims {
        kept[dim] = 1;
    }
    // The mean is a constant: its gradient is the sum of the deviations, which is 0.
    let centered = |x: &Tensor| {
        let mean = (sum(&x.detach(), dims)? / count as f64)?;
        x.broadcast_sub(&mean.reshape(kept.clone())?)
    };
    // Twice, as the mean is rounded the first time: of equal values nothing is left.
    let deviations = centered(&centered(&x)?)?;
    let divisor = (count as f64 - correction).max(0.0);
    (sum(&deviations.sqr()?, dims)? / divisor)?.to_dtype(dtype)
}
