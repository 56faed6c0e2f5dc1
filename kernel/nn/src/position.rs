//! Position embeddings of image patches: for another grid, and of fixed sines and cosines.

use candle_core::{DType, Device, Result, Tensor, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use patchbay_ops::{self as ops, Interpolate, Interpolation};

/// How position embeddings become those of another grid of patches. All are bicubic; on white noise they are 0.3 to 2.3
/// standard deviations apart, growing grids included, so that a network must be used with the one that it comes with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PositionResampling {
    /// Antialiased: timm's `resample_abs_pos_embed`, OpenCLIP, DINOv2 with registers, transformers'
    /// `Dinov2WithRegistersModel`.
    #[default]
    Timm,
    /// Without a low-pass filter: transformers' `ViTModel` and `Dinov2Model`, and the `interpolate_pos_embed` of MAE and of
    /// ALBEF.
    Plain,
    /// Without a low-pass filter, and with a scale of (new side + 0.1) over the old side: DINOv2's own program, for its
    /// networks without registers.
    DinoV2,
}

impl PositionResampling {
    fn interpolation(self, from: (usize, usize), to: (usize, usize)) -> Interpolate {
        let factor = |from: usize, to: usize| (to as f64 + 0.1) / from as f64;
        Interpolate {
            how: Interpolation::Bicubic,
            antialias: self == PositionResampling::Timm,
            scale_factor: (self == PositionResampling::DinoV2)
                .then(|| (factor(from.0, to.0), factor(from.1, to.1))),
        }
    }
}

/// Position embeddings for another grid of patches, as timm's `resample_abs_pos_embed` makes them;
/// [`resample_position_embedding_with`] has the other programs' ways.
///
/// `embedding` is [1, prefix + height · width, channels] for the grid `from` (height, width); the first `prefix`
/// entries (class token, registers) are kept. The result is [1, prefix + height · width, channels] for the grid
/// `to`, and lets gradients through. For an equal grid it is the embedding itself.
///
/// # Errors
///
/// Fails where the embedding has not this many entries, or a grid is empty.
pub fn resample_position_embedding(
    embedding: &Tensor,
    prefix: usize,
    from: (usize, usize),
    to: (usize, usize),
) -> Result<Tensor> {
    resample_position_embedding_with(embedding, prefix, from, to, PositionResampling::Timm)
}

/// As [`resample_position_embedding`], in the way of another program.
///
/// # Errors
///
/// As [`resample_position_embedding`].
pub fn resample_position_embedding_with(
    embedding: &Tensor,
    prefix: usize,
    from: (usize, usize),
    to: (usize, usize),
    how: PositionResampling,
) -> Result<Tensor> {
    let (one, entries, channels) = embedding.dims3()?;
    if one != 1 || entries != prefix + from.0 * from.1 || entries == prefix {
        bail!(
            "a position embedding for {prefix} tokens and a grid of {} x {} is [1, {}, channels], not {:?}",
            from.0,
            from.1,
            prefix + from.0 * from.1,
            embedding.dims()
        )
    }
    if from == to {
        return Ok(embedding.clone());
    }
    let grid = embedding
        .narrow(1, prefix, entries - prefix)?
        .reshape((1, from.0, from.1, channels))?
        .permute((0, 3, 1, 2))?;
    let grid = ops::interpolate_with(&grid, to, &how.interpolation(from, to))?
        .flatten_from(2)?
        .transpose(1, 2)?
        .contiguous()?;
    if prefix == 0 {
        return Ok(grid);
    }
    Tensor::cat(&[&embedding.narrow(1, 0, prefix)?, &grid], 1)
}

/// Sines and cosines of the row and of the column of each patch: [1, height · width, channels], the first half of
/// the channels for the column, as in MAE (He et al., 2022, `get_2d_sincos_pos_embed`).
///
/// Positions are multiplied with `scale`; Scale-MAE (Reed et al., 2023, eq. 1) sets it to the ground sample
/// distance over the reference one.
///
/// # Errors
///
/// Fails where `channels` is not a multiple of 4.
pub fn sin_cos_position_embedding(
    (height, width): (usize, usize),
    channels: usize,
    scale: f64,
    device: &Device,
) -> Result<Tensor> {
    if channels == 0 || !channels.is_multiple_of(4) {
        bail!("sin-cos positions need a width that is a multiple of 4, not {channels}")
    }
    let quarter = channels / 4;
    let mut values = Vec::with_capacity(height * width * channels);
    for row in 0..height {
        for column in 0..width {
            for position in [column, row] {
                let angle = |index: usize| {
                    scale * position as f64 / 10_000f64.powf(index as f64 / quarter as f64)
                };
                values.extend((0..quarter).map(|index| angle(index).sin()));
                values.extend((0..quarter).map(|index| angle(index).cos()));
            }
        }
    }
    Tensor::from_vec(values, (1, height * width, channels), &Device::Cpu)?
        .to_dtype(DType::F32)?
        .to_device(device)
}
