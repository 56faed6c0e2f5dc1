//! The two modalities of a batch, checked, and which of them are there.

use patchbay::plugin::prelude::*;

/// One modality.
pub struct Modality {
    /// `[batch, length, width]`, zeros where a token does not count, whatever stood there: 0 x NaN would be NaN.
    pub tokens: Tensor,
    /// `[batch, length]`: 1 where a token counts, in the tokens' type.
    pub mask: Tensor,
    /// `[batch, 1]`: 1 where any token counts, in the tokens' type.
    pub is_there: Tensor,
}

impl Modality {
    /// `[batch, width]` or `[batch, length, width]`, with a mask `[batch, length]` where not all counts.
    fn new(name: &str, values: &Tensor, mask: Option<&Tensor>, width: usize) -> Result<Modality> {
        let tokens = match values.rank() {
            2 => values.unsqueeze(1)?,
            _ => values.clone(),
        };
        if !tokens.dtype().is_float()
            || tokens.rank() != 3
            || tokens.dim(2)? != width
            || tokens.elem_count() == 0
        {
            bail!(
                "expected {name} [batch, {width}] or [batch, length, {width}] of floats, with at least one row and token, got {} {:?}",
                values.dtype().as_str(),
                values.dims()
            );
        }
        let shape = &tokens.dims()[..2];
        let counts = match mask {
            Some(mask) if mask.dims() == shape => Some(mask.ne(0f64)?),
            Some(mask) => bail!(
                "expected the mask of {name} to be {shape:?}, got {:?}",
                mask.dims()
            ),
            None => None,
        };
        let (tokens, mask) = match counts {
            Some(counts) => {
                let seen = counts.unsqueeze(2)?.broadcast_as(tokens.shape())?;
                let mask = counts.to_dtype(tokens.dtype())?;
                (seen.where_cond(&tokens, &tokens.zeros_like()?)?, mask)
            }
            None => {
                let mask = Tensor::ones(shape, tokens.dtype(), tokens.device())?;
                (tokens, mask)
            }
        };
        let is_there = mask.max_keepdim(1)?;
        Ok(Modality {
            tokens,
            mask,
            is_there,
        })
    }

    /// The mean of the tokens that count, `[batch, width]`; zeros where none does.
    pub fn mean(&self) -> Result<Tensor> {
        let sum = ops::sum(&self.tokens, 1)?;
        sum.broadcast_div(&ops::sum_keepdim(&self.mask, 1)?.maximum(1.0)?)
    }

    /// The mean of the tokens, or this vector `[width]` where none counts.
    pub fn mean_or(&self, missing: &Tensor) -> Result<Tensor> {
        let absent = self.is_there.affine(-1.0, 1.0)?;
        self.mean()? + ops::broadcast_mul(&absent, &missing.unsqueeze(0)?)?
    }
}

/// The image and the other data.
pub struct Modalities {
    /// Features of the image, `[batch, tokens, image width]`.
    pub image: Modality,
    /// Features of the other data, `[batch, tokens, context width]`.
    pub context: Modality,
}

impl Modalities {
    /// # Errors
    ///
    /// Fails where shapes do not fit, or an example has neither modality.
    pub fn new(
        input: &EncoderInput<'_>,
        image_width: usize,
        context_width: usize,
    ) -> Result<Modalities> {
        let image = Modality::new(
            "the image's features",
            input.values,
            input.mask,
            image_width,
        )?;
        let Some(context) = input.context else {
            bail!(
                "a fusion wants the other data in EncoderInput's `context`, [batch, length, {context_width}]; where they are \
                 missing give any values with a `context_mask` of zeros"
            );
        };
        let context = Modality::new("the context", context, input.context_mask, context_width)?;
        if image.tokens.dim(0)? != context.tokens.dim(0)? {
            bail!(
                "the image's features {:?} and the context {:?} are of different batches",
                image.tokens.dims(),
                context.tokens.dims()
            );
        }
        let there = (&image.is_there + &context.is_there)?
            .flatten_all()?
            .to_dtype(DType::F32)?
            .to_vec1::<f32>()?;
        if let Some(row) = there.iter().position(|&there| there == 0.0) {
            bail!("row {row} has neither an image nor a context: its masks hide all of both");
        }
        Ok(Modalities { image, context })
    }
}

/// What a fusion returns: one token.
pub fn encoding(pooled: Tensor, attention: Vec<Tensor>) -> Result<Encoding> {
    Ok(Encoding {
        tokens: pooled.unsqueeze(1)?,
        pooled,
        attention,
    })
}

/// A linear layer with gelu, as every fusion here begins.
pub fn dense(layer: &nn::Linear, x: &Tensor) -> Result<Tensor> {
    ops::gelu(&layer.forward(x)?)
}

/// The sample of a fusion: two images of three tokens, with three tokens beside each, some of which do not count.
///
/// # Errors
///
/// Fails where a tensor cannot be made.
pub fn sample() -> Result<Sample> {
    let wave = |count: usize, phase: f64| {
        let values: Vec<f32> = (0..count)
            .map(|i| (i as f64 * 1.7 + phase).sin() as f32)
            .collect();
        Tensor::from_vec(values, count, &Device::Cpu)
    };
    let settings = json!({"image_width": 5, "context_width": 6, "width": 4});
    Ok(Sample::new(settings)
        .input("values", wave(45, 0.0)?.reshape((3, 3, 5))?)
        .input(
            "mask",
            Tensor::new(&[[1u8, 1, 0], [1, 1, 1], [0, 0, 0]], &Device::Cpu)?,
        )
        .input("context", wave(54, 0.9)?.reshape((3, 3, 6))?)
        .input(
            "context_mask",
            Tensor::new(&[[1u8, 1, 1], [0, 0, 0], [1, 0, 1]], &Device::Cpu)?,
        ))
}
