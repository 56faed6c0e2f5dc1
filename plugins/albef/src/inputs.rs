//! A batch, checked before anything is computed.

use patchbay::plugin::prelude::*;

use crate::masking::NOT_CHOSEN;

/// The tensors of a batch that every pass needs.
pub struct Inputs<'a> {
    /// Images as floats, usually `[batch, channels, height, width]`; at least two dimensions.
    pub image: &'a Tensor,
    /// Token ids `[batch, length]` (u32).
    pub text: &'a Tensor,
    /// 1 where a token counts and 0 where it is padding: `[batch, length]` (u8).
    pub mask: Tensor,
    /// One number for each pair, from the batch's `id`: pairs with the same number belong together. `None` where the
    /// batch has no `id`.
    pub ids: Option<Vec<i64>>,
}

/// What is random in a step and the batch brings; what it does not bring is drawn.
#[derive(Default)]
pub struct Given {
    /// Ids with words hidden, and labels (`i64`), both `[batch, length]`.
    pub masked: Option<(Tensor, Tensor)>,
    /// The image for each text and the text for each image, `[batch]` (`u32`).
    pub negatives: Option<(Tensor, Tensor)>,
}

impl<'a> Inputs<'a> {
    /// # Errors
    ///
    /// Fails where a tensor is missing or has another shape or type.
    pub fn of(batch: &'a Batch) -> Result<Self> {
        let get = |name: &str| match batch.get(name) {
            Some(tensor) => Ok(tensor),
            None => bail!(
                "the batch has no tensor `{name}`; it has {:?}. ALBEF wants `image` [batch, channels, height, width], \
                 `text` [batch, length] (u32) and `text_mask` [batch, length] (u8)",
                batch.keys().collect::<Vec<_>>()
            ),
        };
        let (image, text) = (get("image")?, get("text")?);
        if image.rank() < 2 || !image.dtype().is_float() {
            bail!(
                "expected `image` [batch, channels, height, width] of floats, got {} {:?}",
                image.dtype().as_str(),
                image.dims()
            );
        }
        let (pairs, ids) = (image.dim(0)?, text.dims());
        if text.dtype() != DType::U32 || ids.len() != 2 || ids[0] != pairs || text.elem_count() == 0
        {
            bail!(
                "expected `text` [{pairs}, length] of u32 for `image` {:?}, got {} {ids:?}",
                image.dims(),
                text.dtype().as_str()
            );
        }
        let mask = match batch.get("text_mask") {
            Some(mask) if mask.dims() == ids => mask.to_dtype(DType::U8)?,
            Some(mask) => bail!(
                "expected `text_mask` {ids:?}, as `text`, got {:?}",
                mask.dims()
            ),
            None => Tensor::ones(ids, DType::U8, text.device())?,
        };
        let shown: Vec<Vec<u8>> = mask.to_vec2()?;
        if let Some(row) = shown
            .iter()
            .position(|row| row.iter().all(|&shown| shown == 0))
        {
            bail!(
                "row {row} of `text_mask` hides all tokens: even an empty caption has its [CLS] and [SEP]"
            );
        }
        Ok(Inputs {
            image,
            text,
            mask,
            ids: batch
                .get("id")
                .map(|id| id.to_dtype(DType::I64)?.flatten_all()?.to_vec1::<i64>())
                .transpose()?,
        })
    }

    /// Returns the number of pairs of an image and a text in the batch.
    pub fn pairs(&self) -> Result<usize> {
        self.image.dim(0)
    }
}

impl Given {
    /// # Errors
    ///
    /// Fails where one of a pair of tensors is there without the other, or holds what it may not.
    pub fn of(batch: &Batch, inputs: &Inputs<'_>, vocabulary: usize) -> Result<Given> {
        let (pairs, length) = inputs.text.dims2()?;
        let masked = match both(batch, "masked_text", "masked_labels")? {
            Some((text, labels)) => {
                let vocabulary = vocabulary as i64;
                let wanted = [pairs, length];
                let ids = integers(text, "masked_text", &wanted)?;
                within(&ids, "masked_text", 0..vocabulary, None)?;
                let labels = integers(labels, "masked_labels", &wanted)?;
                within(&labels, "masked_labels", 0..vocabulary, Some(NOT_CHOSEN))?;
                Some((ids.to_dtype(DType::U32)?, labels))
            }
            None => None,
        };
        let negatives = match both(batch, "negative_image", "negative_text")? {
            Some((image, text)) => {
                let rows = |tensor: &Tensor, name: &str| {
                    let rows = integers(tensor, name, &[pairs])?;
                    within(&rows, name, 0..pairs as i64, None)?;
                    rows.to_dtype(DType::U32)
                };
                Some((rows(image, "negative_image")?, rows(text, "negative_text")?))
            }
            None => None,
        };
        Ok(Given { masked, negatives })
    }
}

/// Two tensors that say something only together.
fn both<'a>(
    batch: &'a Batch,
    first: &str,
    second: &str,
) -> Result<Option<(&'a Tensor, &'a Tensor)>> {
    match (batch.get(first), batch.get(second)) {
        (Some(a), Some(b)) => Ok(Some((a, b))),
        (None, None) => Ok(None),
        (there, _) => {
            let (there, missing) = match there {
                Some(_) => (first, second),
                None => (second, first),
            };
            bail!(
                "the batch has `{there}` and no `{missing}`: give both, or neither for them to be drawn"
            )
        }
    }
}

/// Whole numbers of this shape, as `i64`.
///
/// # Errors
///
/// Fails where the shape or the type is another.
pub fn integers(tensor: &Tensor, name: &str, shape: &[usize]) -> Result<Tensor> {
    if tensor.dims() != shape || !tensor.dtype().is_int() {
        bail!(
            "expected `{name}` {shape:?} of an integer type, got {} {:?}",
            tensor.dtype().as_str(),
            tensor.dims()
        );
    }
    tensor.to_dtype(DType::I64)
}

/// Whether all numbers are within a range, or are the one beside it.
///
/// # Errors
///
/// Fails where one is not, saying which.
pub fn within(
    tensor: &Tensor,
    name: &str,
    range: std::ops::Range<i64>,
    beside: Option<i64>,
) -> Result<()> {
    let values: Vec<i64> = tensor.flatten_all()?.to_vec1()?;
    let wrong = values
        .iter()
        .position(|value| !range.contains(value) && Some(*value) != beside);
    if let Some(at) = wrong {
        let columns = tensor.dims().get(1).copied().unwrap_or(1);
        let place = match tensor.rank() {
            2 => format!("[{}, {}]", at / columns, at % columns),
            _ => format!("[{at}]"),
        };
        let or = beside.map_or_else(String::new, |value| format!(", or {value}"));
        bail!(
            "expected `{name}` in {}..{}{or}, got {} at {place}",
            range.start,
            range.end,
            values[at]
        );
    }
    Ok(())
}

/// # Errors
///
/// Fails where features `[batch, width]` are not finite, saying in which row.
pub fn finite(features: &Tensor, name: &str) -> Result<()> {
    let sums = ops::sum(&features.detach().to_dtype(DType::F32)?, 1)?;
    let sums: Vec<f32> = sums.to_vec1()?;
    if let Some(row) = sums.iter().position(|sum| !sum.is_finite()) {
        bail!(
            "the features of `{name}` are not finite in row {row}: its values in the batch are not, or the training diverged"
        );
    }
    Ok(())
}

/// The sample of an objective on pairs of images and texts.
///
/// # Errors
///
/// Fails where a tensor cannot be made.
pub fn sample(settings: patchbay::serde_json::Value) -> Result<Sample> {
    let image: Vec<f32> = (0..2 * 3 * 64).map(|i| (i as f32 * 1.7).sin()).collect();
    let text = Tensor::new(&[[1u32, 7, 12, 3], [1, 19, 5, 0]], &Device::Cpu)?;
    let mask = Tensor::new(&[[1u8, 1, 1, 1], [1, 1, 1, 0]], &Device::Cpu)?;
    Ok(Sample::new(settings)
        .input(
            "image",
            Tensor::from_vec(image, (2, 3, 8, 8), &Device::Cpu)?,
        )
        .input("text", text)
        .input("text_mask", mask))
}
