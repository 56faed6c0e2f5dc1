//! Attention of several heads with the map on request, and the masks of padding.

use patchbay::{ops::Attention, plugin::prelude::*};

/// Attention of `q` to `k` and `v`, cut into `heads`.
///
/// `q` is `[batch, n, width]`, `k` and `v` `[batch, m, width]`; `visible` is a mask of [`key_mask`].
/// Returns `[batch, n, width]` and, if `keep` says so, the weights after the softmax,
/// `[batch, heads, n, m]`, before dropout. Without `keep` no map is held in memory.
///
/// # Errors
///
/// Fails where the shapes do not fit, naming them.
pub fn attend(
    [q, k, v]: [&Tensor; 3],
    heads: usize,
    visible: Option<&Tensor>,
    dropout: f64,
    keep: bool,
) -> Result<(Tensor, Option<Tensor>)> {
    let (batch, n, width) = q.dims3()?;
    let m = k.dim(1)?;
    let each = width / heads;
    let split =
        |x: &Tensor, length: usize| x.reshape((batch, length, heads, each))?.transpose(1, 2);
    let (q, k, v) = (split(q, n)?, split(k, m)?, split(v, m)?);
    let (y, map) = if keep {
        let map = weights(&q, &k, visible)?;
        let y = ops::matmul(&ops::dropout(&map, dropout, dropout > 0.0)?, &v)?;
        (y, Some(map))
    } else {
        let settings = Attention {
            mask: visible.cloned(),
            dropout,
            ..Attention::default()
        };
        (ops::attention_with(&q, &k, &v, &settings)?, None)
    };
    Ok((y.transpose(1, 2)?.reshape((batch, n, width))?, map))
}

/// softmax(q kᵀ / sqrt(d)), keys that are not `visible` at 0. `[batch, heads, n, d]` each.
fn weights(q: &Tensor, k: &Tensor, visible: Option<&Tensor>) -> Result<Tensor> {
    let scale = 1.0 / (q.dim(3)? as f64).sqrt();
    let scores = (ops::matmul(q, &k.transpose(2, 3)?)? * scale)?;
    let scores = match visible {
        Some(visible) => {
            let hidden = visible.eq(0u8)?.broadcast_as(scores.shape())?;
            ops::masked_fill(&scores, &hidden, f64::NEG_INFINITY)?
        }
        None => scores,
    };
    ops::softmax(&scores)
}

/// `mask` `[batch, length]`, 1 where a position counts, in the shape that attention wants.
///
/// # Errors
///
/// Fails where the mask has another shape or hides every position of a row: attention over nothing
/// has no value. A layer that has more to look at uses [`key_mask_beside`].
pub fn key_mask(
    mask: Option<&Tensor>,
    batch: usize,
    length: usize,
    what: &str,
) -> Result<Option<Tensor>> {
    let visible = key_mask_beside(mask, batch, length, what)?;
    let Some(visible) = visible else {
        return Ok(None);
    };
    let counts: Vec<i64> = ops::sum(&visible.flatten_from(1)?, 1)?.to_vec1()?;
    if let Some(row) = counts.iter().position(|&count| count == 0) {
        bail!(
            "the {what} hides all {length} positions of row {row}: leave the row out of the batch, or keep one position"
        );
    }
    Ok(Some(visible))
}

/// As [`key_mask`], for positions beside a token that is always seen: a row may be hidden whole.
///
/// # Errors
///
/// Fails where the mask has another shape.
pub fn key_mask_beside(
    mask: Option<&Tensor>,
    batch: usize,
    length: usize,
    what: &str,
) -> Result<Option<Tensor>> {
    let Some(mask) = mask else {
        return Ok(None);
    };
    if mask.dims() != [batch, length] {
        bail!(
            "the {what} is {:?}, expected [batch {batch}, length {length}] as the values that it belongs to",
            mask.dims()
        );
    }
    let visible = mask.ne(0f64)?;
    let count: i64 = ops::sum_all(&visible)?.to_scalar()?;
    if count == (batch * length) as i64 {
        return Ok(None);
    }
    Ok(Some(visible.reshape((batch, 1, 1, length))?))
}

/// The mean of `tokens`, `[batch, length, width]`, over the positions that count.
///
/// # Errors
///
/// Fails where the shapes do not fit.
pub fn mean(tokens: &Tensor, visible: Option<&Tensor>) -> Result<Tensor> {
    let Some(visible) = visible else {
        return ops::mean(tokens, 1);
    };
    let (batch, length, _) = tokens.dims3()?;
    let weights = visible
        .reshape((batch, length, 1))?
        .to_dtype(tokens.dtype())?;
    ops::sum(&tokens.broadcast_mul(&weights)?, 1)?.broadcast_div(&ops::sum(&weights, 1)?)
}

#[cfg(test)]
mod tests {
    use patchbay_compare::{largest, largest_difference};

    use super::*;

    fn values(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn normal(shape: &[usize]) -> Tensor {
        Tensor::randn(0f32, 1.0, shape, &Device::Cpu).unwrap()
    }

    #[test]
    fn the_map_belongs_to_the_result() {
        let (q, k, v) = (normal(&[2, 3, 8]), normal(&[2, 5, 8]), normal(&[2, 5, 8]));
        let mask = Tensor::new(&[[1u8, 1, 1, 0, 0], [1, 1, 1, 1, 1]], &Device::Cpu).unwrap();
        let visible = key_mask(Some(&mask), 2, 5, "mask").unwrap();
        let run = |keep| attend([&q, &k, &v], 2, visible.as_ref(), 0.0, keep).unwrap();
        let ((fused, none), (kept, map)) = (run(false), run(true));
        let map = map.unwrap();
        assert!(none.is_none());
        assert_eq!(map.dims(), [2, 2, 3, 5]);
        assert!(largest_difference(&values(&fused), &values(&kept)) < 1e-6);
        assert_eq!(largest(&values(&map.i((0, .., .., 3..)).unwrap())), 0.0);
    }

    #[test]
    fn masks_are_checked() {
        let mask = Tensor::new(&[[1u8, 0], [0, 0]], &Device::Cpu).unwrap();
        let error = key_mask(Some(&mask), 2, 2, "mask").unwrap_err().to_string();
        assert!(error.contains("row 1"), "{error}");
        let error = key_mask(Some(&mask), 2, 3, "mask").unwrap_err().to_string();
        assert!(error.contains("[batch 2, length 3]"), "{error}");
        let full = mask.ones_like().unwrap();
        assert!(key_mask(Some(&full), 2, 2, "mask").unwrap().is_none());
    }

    #[test]
    fn padding_does_not_count_in_the_mean() {
        let tokens = normal(&[2, 3, 4]);
        let mask = Tensor::new(&[[1u8, 1, 0], [1, 1, 1]], &Device::Cpu).unwrap();
        let visible = key_mask(Some(&mask), 2, 3, "mask").unwrap();
        let pooled = mean(&tokens, visible.as_ref()).unwrap();
        let expected = tokens.i((0, ..2)).unwrap().mean(0).unwrap();
        let pooled = values(&pooled.i(0).unwrap());
        assert!(largest_difference(&pooled, &values(&expected)) < 1e-6);
    }
}
