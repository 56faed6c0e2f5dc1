//! Rotary position embeddings (Su et al., 2021) with a gradient; candle's have none.

use candle_core::{D, Result, Tensor};

/// Turns the first half of each head against the second. `x` is [batch, heads, n, width]; `cos` and `sin` are [n or more,
/// width / 2] or have a batch dimension before.
///
/// # Errors
///
/// Fails where shapes do not fit.
pub fn rope(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let (_, _, n, width) = x.dims4()?;
    let (cos, sin) = (angles(cos, n, width, 1)?, angles(sin, n, width, 1)?);
    turned(x, width, &cos, &sin)
}

/// [`rope`]; candle's form of this name is the one that has a gradient.
///
/// # Errors
///
/// As there.
pub fn rope_slow(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    rope(x, cos, sin)
}

/// [`rope`] of `x` as [batch, n, heads, width].
///
/// # Errors
///
/// As there.
pub fn rope_thd(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let (_, n, _, width) = x.dims4()?;
    let (cos, sin) = (angles(cos, n, width, 2)?, angles(sin, n, width, 2)?);
    turned(x, width, &cos, &sin)
}

/// [`rope`] that turns neighbors against one another.
///
/// # Errors
///
/// As there.
pub fn rope_i(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let (batch, heads, n, width) = x.dims4()?;
    let (cos, sin) = (angles(cos, n, width, 1)?, angles(sin, n, width, 1)?);
    let pairs = x.reshape((batch, heads, n, width / 2, 2))?;
    let one = |index: usize| pairs.narrow(4, index, 1)?.squeeze(4);
    let (first, second) = rotated(&one(0)?, &one(1)?, &cos, &sin)?;
    Tensor::stack(&[first, second], 4)?.reshape((batch, heads, n, width))
}

/// [`rope_i`]; candle's form of this name is the one that has a gradient.
///
/// # Errors
///
/// As there.
pub fn rope_i_slow(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    rope_i(x, cos, sin)
}

/// The angles' cosines or sines for `n` places, with a dimension of 1 for the heads.
fn angles(x: &Tensor, n: usize, width: usize, heads_at: usize) -> Result<Tensor> {
    let (rows, half) = match *x.dims() {
        [rows, half] | [_, rows, half] => (rows, half),
        _ => (0, 0),
    };
    if half * 2 != width || rows < n {
        candle_core::bail!(
            "rope: cos and sin are {:?} for {n} places of width {width}: must be [{n} or more, {}], with or without a batch \
             dimension before",
            x.dims(),
            width / 2
        )
    }
    let x = match x.rank() {
        2 => x.unsqueeze(0)?,
        _ => x.clone(),
    };
    x.narrow(1, 0, n)?.unsqueeze(heads_at)
}

fn turned(x: &Tensor, width: usize, cos: &Tensor, sin: &Tensor) -> Result<Tensor> {
    let half = |index: usize| x.narrow(D::Minus1, index * (width / 2), width / 2);
    let (first, second) = rotated(&half(0)?, &half(1)?, cos, sin)?;
    Tensor::cat(&[first, second], D::Minus1)
}

fn rotated(
    first: &Tensor,
    second: &Tensor,
    cos: &Tensor,
    sin: &Tensor,
) -> Result<(Tensor, Tensor)> {
    Ok((
        (first.broadcast_mul(cos)? - second.broadcast_mul(sin)?)?,
        (first.broadcast_mul(sin)? + second.broadcast_mul(cos)?)?,
    ))
}
