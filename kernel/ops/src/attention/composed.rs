//! Of candle's ops.

use candle_core::{D, DType, Result, Tensor};

use super::settings::Attention;
use crate::{broadcast_add, dropout, masked_fill, softmax};

/// Holds all scores, and gives masks of numbers their gradient.
pub(super) fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    settings: &Attention,
) -> Result<Tensor> {
    let scale = settings
        .scale
        .unwrap_or(1.0 / (q.dim(D::Minus1)? as f64).sqrt());
    // On the queries, of which there are fewer numbers than scores.
    let q = (q * scale)?.contiguous()?;
    let mut scores = q.matmul(&k.t()?.contiguous()?)?;
    if let Some(mask) = &settings.mask {
        scores = if mask.dtype() == DType::U8 {
            masked_fill(&scores, &mask.eq(0u8)?, f64::NEG_INFINITY)?
        } else {
            broadcast_add(&scores, &mask.to_dtype(scores.dtype())?)?
        };
    }
    if settings.causal {
        let (queries, keys) = (scores.dim(2)?, scores.dim(3)?);
        let hidden: Vec<u8> = (0..queries * keys)
            .map(|i| u8::from(i % keys > i / keys))
            .collect();
        let hidden = Tensor::from_vec(hidden, (queries, keys), q.device())?;
        scores = masked_fill(&scores, &hidden, f64::NEG_INFINITY)?;
    }
    // Without a mask every query sees a key.
    let weights = if settings.mask.is_none() {
        softmax(&scores)?
    } else {
        // A query that sees nothing: its scores become zeros, and so do its weights afterwards.
        let blind = scores
            .detach()
            .max_keepdim(D::Minus1)?
            .eq(f64::NEG_INFINITY)?;
        masked_fill(&softmax(&masked_fill(&scores, &blind, 0.0)?)?, &blind, 0.0)?
    };
    let weights = if settings.dropout > 0.0 {
        dropout(&weights, settings.dropout, true)?
    } else {
        weights
    };
    weights.matmul(&v.contiguous()?)
}

pub(super) fn self_attention(qkv: &Tensor, heads: usize, settings: &Attention) -> Result<Tensor> {
    let (batch, n, packed) = qkv.dims3()?;
    let width = packed / (3 * heads);
    let qkv = qkv.reshape((batch, n, 3, heads, width))?;
    let part = |index: usize| qkv.narrow(2, index, 1)?.squeeze(2)?.transpose(1, 2);
    attention(&part(0)?, &part(1)?, &part(2)?, settings)?
        .transpose(1, 2)?
        .reshape((batch, n, heads * width))
}
