//! Scaled dot-product attention (Vaswani et al., 2017) that never holds all scores.
//!
//! The scores of a tile of queries are made, used and forgotten; the backward pass makes them again from the
//! kept log-sum-exp of each row, as FlashAttention does (Dao et al., 2022). So memory grows with the number of
//! queries, not with its product with the number of keys.

mod composed;
mod cpu;
mod kernel;
mod settings;
#[cfg(test)]
pub(crate) mod tests;

pub use settings::Attention;

use candle_core::{Result, Tensor};

use self::{cpu::Fused, kernel::Problem};
use crate::{dispatch::dispatch, op::apply, storage::same_dtype};

/// softmax(scale · q kᵀ) v, without mask.
///
/// # Errors
///
/// As [`attention_with`].
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    attention_with(q, k, v, &Attention::default())
}

/// softmax(scale · q kᵀ + mask) v: torch's `scaled_dot_product_attention`.
///
/// `q` is [batch, heads, queries, d], `k` [batch, heads, keys, d], `v` [batch, heads, keys, e]; the result is
/// [batch, heads, queries, e]. Any strides are read where they lie. A query that may look at nothing gives
/// zeros, and passes no gradient on.
///
/// A mask of numbers that a variable leads to gets its gradient, by a path that does hold all scores.
///
/// # Errors
///
/// Fails where shapes or dtypes do not fit.
pub fn attention_with(q: &Tensor, k: &Tensor, v: &Tensor, settings: &Attention) -> Result<Tensor> {
    let op = "attention";
    let (batch, heads, queries, width) = rank_4(op, "q", q)?;
    let (k_batch, k_heads, keys, k_width) = rank_4(op, "k", k)?;
    let (v_batch, v_heads, v_keys, v_width) = rank_4(op, "v", v)?;
    if (k_batch, k_heads, k_width) != (batch, heads, width)
        || (v_batch, v_heads, v_keys) != (batch, heads, keys)
    {
        candle_core::bail!(
            "{op}: q is {:?}, k {:?} and v {:?}: must be [batch, heads, queries, d], [batch, heads, keys, d] and \
             [batch, heads, keys, e]",
            q.dims(),
            k.dims(),
            v.dims()
        )
    }
    same_dtype(op, q, "k", k)?;
    same_dtype(op, q, "v", v)?;
    if settings.mask.as_ref().is_some_and(Tensor::track_op) {
        return composed::attention(q, k, v, settings);
    }
    let scale = settings.scale.unwrap_or(1.0 / (width as f64).sqrt());
    let problem = Problem {
        batch,
        heads,
        queries,
        keys,
        width,
        v_width,
        scale,
        causal: settings.causal,
    };
    dispatch! {
        q;
        composed => composed::attention(q, k, v, settings);
        cpu(q) => {
            let fused = Fused::new(problem, settings)?;
            apply(fused, [q, &k.to_dtype(q.dtype())?, &v.to_dtype(q.dtype())?])
        }
    }
}

/// Attention of a sequence to itself, from the packed projections that one linear map makes.
///
/// `qkv` is [batch, n, 3 · heads · d]: all heads' queries, then keys, then values, as in torch's
/// `MultiheadAttention` and timm's ViT. The result is [batch, n, heads · d]. Neither pass makes a copy to bring
/// the heads to the front.
///
/// # Errors
///
/// Fails where the last dimension is not a multiple of 3 · heads, where the mask does not fit, and for a mask
/// that needs a gradient: use [`attention_with`] for that.
pub fn self_attention(qkv: &Tensor, heads: usize, settings: &Attention) -> Result<Tensor> {
    let op = "self-attention";
    let [batch, n, packed] = *qkv.dims() else {
        candle_core::bail!(
            "{op}: the input is {:?}: must be [batch, n, 3 * heads * d]",
            qkv.dims()
        )
    };
    if heads == 0 || packed % (3 * heads) != 0 {
        candle_core::bail!(
            "{op}: the last dimension is {packed}: must be a multiple of 3 * {heads} heads"
        )
    }
    if settings.mask.as_ref().is_some_and(Tensor::track_op) {
        candle_core::bail!(
            "{op}: the mask needs a gradient: call `attention_with`, or detach the mask"
        )
    }
    let width = packed / (3 * heads);
    let problem = Problem {
        batch,
        heads,
        queries: n,
        keys: n,
        width,
        v_width: width,
        scale: settings.scale.unwrap_or(1.0 / (width as f64).sqrt()),
        causal: settings.causal,
    };
    dispatch! {
        qkv;
        composed => composed::self_attention(qkv, heads, settings);
        cpu(qkv) => apply(Fused::new(problem, settings)?, [qkv])
    }
}

fn rank_4(op: &'static str, name: &str, x: &Tensor) -> Result<(usize, usize, usize, usize)> {
    x.dims4().map_err(|_| {
        candle_core::Error::Msg(format!(
            "{op}: {name} is {:?}: must be [batch, heads, n, d]",
            x.dims()
        ))
        .bt()
    })
}
