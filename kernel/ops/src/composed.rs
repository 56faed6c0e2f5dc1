//! The same ops composed of candle's own, for devices that have no kernel of ours.
//!
//! Values and gradients are those of the kernels (the same tests compare them with PyTorch); time and memory are
//! candle's. On the CPU they are of use to compare with.

use candle_core::{D, DType, Result, Tensor};

use super::{Attention, BinaryCrossEntropy, Conv2d, CrossEntropy, Reduction};

/// [`super::relu`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    x * x.detach().gt(0.0)?.to_dtype(x.dtype())?
}

/// [`super::silu`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn silu(x: &Tensor) -> Result<Tensor> {
    x * sigmoid(x)?
}

/// [`super::sigmoid`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn sigmoid(x: &Tensor) -> Result<Tensor> {
    // By tanh, which does not overflow.
    ((x * 0.5)?.tanh()? * 0.5)? + 0.5
}

/// [`super::softmax_dim`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn softmax(x: &Tensor, dim: usize) -> Result<Tensor> {
    log_softmax(x, dim)?.exp()
}

/// [`super::log_softmax_dim`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn log_softmax(x: &Tensor, dim: usize) -> Result<Tensor> {
    let shifted = x.broadcast_sub(&x.detach().max_keepdim(dim)?)?;
    let log_sum = shifted.exp()?.sum_keepdim(dim)?.log()?;
    shifted.broadcast_sub(&log_sum)
}

/// [`super::layer_norm`] over the last `dims` dimensions.
///
/// # Errors
///
/// Where candle's ops fail.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let last = last_dims(x, weight);
    let centred = x.broadcast_sub(&x.mean_keepdim(last.clone())?)?;
    let variance = centred.sqr()?.mean_keepdim(last)?;
    centred
        .broadcast_div(&(variance + eps)?.sqrt()?)?
        .broadcast_mul(weight)?
        .broadcast_add(bias)
}

/// [`super::rms_norm`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    let mean = x.sqr()?.mean_keepdim(last_dims(x, weight))?;
    x.broadcast_div(&(mean + eps)?.sqrt()?)?
        .broadcast_mul(weight)
}

fn last_dims(x: &Tensor, weight: &Tensor) -> Vec<usize> {
    (x.rank() - weight.rank()..x.rank()).collect()
}

/// [`super::l2_normalise`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn l2_normalise(x: &Tensor, dim: usize, eps: f64) -> Result<Tensor> {
    let squares = x.sqr()?.sum_keepdim(dim)?;
    // Below eps the length is a constant; the square root has no slope at zero to multiply with.
    let small = squares.detach().lt(eps * eps)?;
    let safe = small.where_cond(&squares.ones_like()?, &squares)?.sqrt()?;
    let length = small.where_cond(&(squares.ones_like()? * eps)?, &safe)?;
    x.broadcast_div(&length)
}

/// [`super::focal`].
///
/// # Errors
///
/// Fails for integer dtypes.
pub fn focal(cross_entropy: &Tensor, gamma: f64) -> Result<Tensor> {
    // At 0 the power's slope may be infinite; the least number has none that matters.
    let miss = cross_entropy
        .neg()?
        .exp()?
        .affine(-1.0, 1.0)?
        .maximum(1e-12)?;
    miss.powf(gamma)? * cross_entropy
}

/// [`super::dropout`] in training, with the device's generator.
///
/// # Errors
///
/// Where candle's ops fail.
pub fn dropout(x: &Tensor, p: f64) -> Result<Tensor> {
    if p >= 1.0 {
        return x * 0.0;
    }
    let kept = x.detach().rand_like(0.0, 1.0)?.ge(p)?.to_dtype(x.dtype())?;
    x * (kept * (1.0 / (1.0 - p)))?
}

/// [`super::linear`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let mut shape = x.dims().to_vec();
    shape.pop();
    shape.push(weight.dims()[0]);
    let y = x
        .reshape(((), weight.dims()[1]))?
        .matmul(&weight.t()?)?
        .reshape(shape)?;
    match bias {
        Some(bias) => y.broadcast_add(bias),
        None => Ok(y),
    }
}

/// [`super::attention_with`]; holds all scores, and gives masks of numbers their gradient.
///
/// # Errors
///
/// Where candle's ops fail.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, settings: &Attention) -> Result<Tensor> {
    let scale = settings
        .scale
        .unwrap_or(1.0 / (q.dim(D::Minus1)? as f64).sqrt());
    let mut scores = (q.contiguous()?.matmul(&k.t()?.contiguous()?)? * scale)?;
    if let Some(mask) = &settings.mask {
        scores = if mask.dtype() == DType::U8 {
            super::composed::masked_fill(
                &scores,
                &mask.eq(0u8)?.broadcast_as(scores.shape())?,
                f64::NEG_INFINITY,
            )?
        } else {
            scores.broadcast_add(&mask.to_dtype(scores.dtype())?)?
        };
    }
    if settings.causal {
        let (queries, keys) = (scores.dim(2)?, scores.dim(3)?);
        let hidden: Vec<u8> = (0..queries * keys)
            .map(|i| u8::from(i % keys > i / keys))
            .collect();
        let hidden = Tensor::from_vec(hidden, (queries, keys), q.device())?;
        scores = masked_fill(
            &scores,
            &hidden.broadcast_as(scores.shape())?,
            f64::NEG_INFINITY,
        )?;
    }
    // A query that sees nothing: its scores become zeros, and so do its weights afterwards.
    let blind = scores
        .detach()
        .max_keepdim(D::Minus1)?
        .eq(f64::NEG_INFINITY)?;
    let blind = blind.broadcast_as(scores.shape())?.contiguous()?;
    let weights = masked_fill(
        &softmax(&masked_fill(&scores, &blind, 0.0)?, 3)?,
        &blind,
        0.0,
    )?;
    let weights = if settings.dropout > 0.0 {
        dropout(&weights, settings.dropout)?
    } else {
        weights
    };
    weights.matmul(&v.contiguous()?)
}

/// [`super::self_attention`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn self_attention(qkv: &Tensor, heads: usize, settings: &Attention) -> Result<Tensor> {
    let (batch, n, packed) = qkv.dims3()?;
    let width = packed / (3 * heads);
    let qkv = qkv.reshape((batch, n, 3, heads, width))?;
    let part = |index: usize| qkv.narrow(2, index, 1)?.squeeze(2)?.transpose(1, 2);
    attention(&part(0)?, &part(1)?, &part(2)?, settings)?
        .transpose(1, 2)?
        .reshape((batch, n, heads * width))
}

/// [`super::masked_fill`], with a mask of the shape of `x`.
///
/// # Errors
///
/// Where candle's ops fail.
pub fn masked_fill(x: &Tensor, mask: &Tensor, value: f64) -> Result<Tensor> {
    let value = Tensor::full(value as f32, x.shape(), x.device())?.to_dtype(x.dtype())?;
    mask.where_cond(&value, x)
}

/// [`super::embedding`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn embedding(ids: &Tensor, table: &Tensor, padding_index: Option<usize>) -> Result<Tensor> {
    let flat = ids.flatten_all()?;
    let mut shape = ids.dims().to_vec();
    shape.push(table.dim(1)?);
    let y = table.contiguous()?.index_select(&flat, 0)?;
    let y = match padding_index {
        Some(index) => {
            let padding = flat
                .eq(index as i64)?
                .unsqueeze(1)?
                .broadcast_as(y.shape())?
                .contiguous()?;
            padding.where_cond(&y.detach(), &y)?
        }
        None => y,
    };
    y.reshape(shape)
}

/// [`super::conv2d`]; candle takes one stride, padding and dilation for both directions.
///
/// # Errors
///
/// Where candle's ops fail, and for settings that differ between the directions.
pub fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    settings: Conv2d,
) -> Result<Tensor> {
    let one = |name: &str, (vertical, horizontal): (usize, usize)| {
        if vertical != horizontal {
            candle_core::bail!(
                "conv2d: the {name} is ({vertical}, {horizontal}): off the CPU it must be the same in both directions"
            )
        }
        Ok(vertical)
    };
    let y = x.conv2d(
        weight,
        one("padding", settings.padding)?,
        one("stride", settings.stride)?,
        one("dilation", settings.dilation)?,
        settings.groups,
    )?;
    match bias {
        Some(bias) => y.broadcast_add(&bias.reshape((1, (), 1, 1))?),
        None => Ok(y),
    }
}

/// [`super::cross_entropy_with`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn cross_entropy(logits: &Tensor, target: &Tensor, settings: &CrossEntropy) -> Result<Tensor> {
    let axis = usize::from(logits.rank() > 1);
    let log_p = log_softmax(logits, axis)?;
    let classes = logits.dim(axis)?;
    let mut shape = vec![1; logits.rank()];
    shape[axis] = classes;
    let weight = match &settings.weight {
        Some(weight) => weight.detach().reshape(shape)?,
        None => Tensor::ones(shape, logits.dtype(), logits.device())?,
    };
    let smoothing = settings.label_smoothing;
    let weighted = log_p.broadcast_mul(&weight)?;
    if target.dtype().is_float() {
        let q = ((target * (1.0 - smoothing))? + smoothing / classes as f64)?;
        let losses = (weighted * q)?.sum(axis)?.neg()?;
        let count = losses.elem_count();
        return reduced(losses, settings.reduction, |sum| sum / count as f64);
    }
    let target = target.to_dtype(DType::I64)?;
    let used = target.ne(settings.ignore_index)?;
    // Ignored positions read class 0 and count nothing.
    let index = used
        .where_cond(&target, &target.zeros_like()?)?
        .unsqueeze(axis)?;
    let used = used.to_dtype(logits.dtype())?;
    let at_class = (weighted.gather(&index, axis)?.squeeze(axis)? * &used)?.neg()?;
    let everywhere = (weighted.sum(axis)? * &used)?.neg()?;
    let losses = ((at_class * (1.0 - smoothing))? + (everywhere * (smoothing / classes as f64))?)?;
    let weights = weight
        .broadcast_as(logits.shape())?
        .contiguous()?
        .gather(&index, axis)?
        .squeeze(axis)?;
    let divisor = (weights * used)?.sum_all()?;
    reduced(losses, settings.reduction, |sum| sum / divisor)
}

/// [`super::binary_cross_entropy_with_logits_with`].
///
/// # Errors
///
/// Where candle's ops fail.
pub fn binary_cross_entropy_with_logits(
    logits: &Tensor,
    target: &Tensor,
    settings: &BinaryCrossEntropy,
) -> Result<Tensor> {
    // softplus(x) = max(x, 0) + ln(1 + exp(-|x|)).
    let rest = (logits.abs()?.neg()?.exp()? + 1.0)?.log()?;
    let positive = (relu(&logits.neg()?)? + &rest)?;
    let negative = (relu(logits)? + &rest)?;
    let full = |weight: &Tensor| {
        weight
            .detach()
            .to_dtype(logits.dtype())?
            .broadcast_as(logits.shape())
    };
    let mut hit = (target * positive)?;
    if let Some(weight) = &settings.pos_weight {
        hit = (hit * full(weight)?)?;
    }
    let mut losses = (hit + (target.affine(-1.0, 1.0)? * negative)?)?;
    if let Some(weight) = &settings.weight {
        losses = (losses * full(weight)?)?;
    }
    let count = losses.elem_count();
    reduced(losses, settings.reduction, |sum| sum / count as f64)
}

fn reduced(
    losses: Tensor,
    reduction: Reduction,
    mean: impl FnOnce(Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    match reduction {
        Reduction::None => Ok(losses),
        Reduction::Sum => losses.sum_all(),
        Reduction::Mean => mean(losses.sum_all()?),
    }
}
