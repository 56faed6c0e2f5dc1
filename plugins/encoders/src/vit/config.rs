//! Settings of the vision transformer, and the sizes that have names.

use patchbay::{nn::PositionResampling, plugin::prelude::*};

/// Width, depth and heads of Dosovitskiy et al. 2021 (table 1), tiny and small of DeiT (Touvron et
/// al. 2021).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "patchbay::serde", rename_all = "snake_case")]
#[schemars(crate = "patchbay::schemars")]
pub enum Preset {
    /// 192 wide, 12 blocks, 3 heads.
    Tiny,
    /// 384 wide, 12 blocks, 6 heads.
    Small,
    /// 768 wide, 12 blocks, 12 heads.
    Base,
    /// 1024 wide, 24 blocks, 16 heads.
    Large,
    /// 1280 wide, 32 blocks, 16 heads.
    Huge,
}

impl Preset {
    /// Width, depth, heads.
    pub fn size(self) -> (usize, usize, usize) {
        match self {
            Preset::Tiny => (192, 12, 3),
            Preset::Small => (384, 12, 6),
            Preset::Base => (768, 12, 12),
            Preset::Large => (1024, 24, 16),
            Preset::Huge => (1280, 32, 16),
        }
    }
}

/// What stands for the whole image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "patchbay::serde", rename_all = "snake_case")]
#[schemars(crate = "patchbay::schemars")]
pub enum Pool {
    /// The class token.
    Cls,
    /// The mean of the patches.
    Mean,
    /// Attention of one learned query to all tokens (Zhai et al. 2022).
    Map,
}

/// How patches know where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "patchbay::serde", rename_all = "snake_case")]
#[schemars(crate = "patchbay::schemars")]
pub enum Position {
    /// Learned, for patches, class token and registers.
    Learned,
    /// Learned, for patches only (timm's `no_embed_class`).
    LearnedPatches,
    /// Fixed sines and cosines, for patches only; scaled by `position_scale`.
    SinCos,
}

/// Between the two linear maps of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "patchbay::serde", rename_all = "snake_case")]
#[schemars(crate = "patchbay::schemars")]
pub enum Activation {
    /// By the error function.
    Gelu,
    /// `x sigmoid(1.702 x)`, of OpenAI's CLIP.
    QuickGelu,
}

patchbay::config! {
    /// Settings of [`Vit`](super::Vit).
    pub struct VitConfig {
        /// Width, depth and heads where they are not given one by one.
        preset: Preset = Preset::Base,
        /// Width of the tokens; null: the preset's.
        #[schemars(range(min = 1))]
        width: Option<usize> = None,
        /// Number of blocks; null: the preset's.
        #[schemars(range(min = 1))]
        depth: Option<usize> = None,
        /// Attention heads; null: the preset's.
        #[schemars(range(min = 1))]
        heads: Option<usize> = None,
        /// Width inside the blocks' feed-forward parts, as a multiple of the width.
        #[schemars(range(min = 0.1))]
        mlp_ratio: f64 = 4.0,
        /// Height and width of the images in pixels.
        #[schemars(range(min = 1))]
        image_size: usize = 224,
        /// Side of a patch in pixels.
        #[schemars(range(min = 1))]
        patch_size: usize = 16,
        /// Bands of the images.
        #[schemars(range(min = 1))]
        channels: usize = 3,
        /// Take images of other sizes, too, by interpolating the position embeddings; sides are multiples of the patch.
        dynamic_size: bool = false,
        /// How the position embeddings become those of another size: as in the program that the weights come from.
        position_resampling: PositionResampling = PositionResampling::Timm,
        /// Whether there is a class token.
        class_token: bool = true,
        /// Register tokens between class token and patches.
        registers: usize = 0,
        /// What stands for the whole image.
        pool: Pool = Pool::Cls,
        /// The last norm stands after a pooling by the mean, under the name `fc_norm`; tokens are then not normalized.
        fc_norm: bool = false,
        /// A norm before the first block (CLIP).
        pre_norm: bool = false,
        /// Kind of the position embeddings.
        position: Position = Position::Learned,
        /// Factor of the positions of sin_cos: ground sample distance over the reference one (Scale-MAE).
        #[schemars(range(min = 0.0))]
        position_scale: f64 = 1.0,
        /// Whether the map of patches has a bias (CLIP: not).
        patch_bias: bool = true,
        /// Whether queries, keys and values have a bias.
        qkv_bias: bool = true,
        /// First value of each block's layer scale; null: no layer scale.
        layer_scale: Option<f64> = None,
        /// Activation of the feed-forward parts.
        activation: Activation = Activation::Gelu,
        /// Epsilon of the norms.
        #[schemars(range(min = 0.0))]
        eps: f64 = 1e-6,
        /// Dropout after the positions, the projections and the feed-forward parts, in training.
        #[schemars(range(min = 0.0, max = 1.0))]
        dropout: f64 = 0.0,
        /// Dropout of attention weights, in training.
        #[schemars(range(min = 0.0, max = 1.0))]
        attention_dropout: f64 = 0.0,
        /// Stochastic depth: probability of leaving out the last block's branches; rises from 0 over the depth.
        #[schemars(range(min = 0.0, max = 1.0))]
        drop_path: f64 = 0.0,
        /// Standard deviation of the first weights; small widths (under 200) learn faster from 0.1.
        #[schemars(range(min = 0.0))]
        initializer_range: f64 = 0.02,
    }
}

impl VitConfig {
    /// Width, depth, heads.
    ///
    /// # Errors
    ///
    /// Fails where the width is not a multiple of the heads.
    pub fn size(&self) -> Result<(usize, usize, usize)> {
        let (width, depth, heads) = self.preset.size();
        let width = self.width.unwrap_or(width);
        let heads = self.heads.unwrap_or(heads);
        if !width.is_multiple_of(heads) {
            bail!("a width of {width} does not divide into {heads} heads: give another `heads`");
        }
        Ok((width, self.depth.unwrap_or(depth), heads))
    }

    /// Tokens in front of the patches.
    pub fn prefix(&self) -> usize {
        usize::from(self.class_token) + self.registers
    }

    /// Rows and columns of patches.
    ///
    /// # Errors
    ///
    /// Fails where the settings contradict each other.
    pub fn grid(&self) -> Result<usize> {
        if !self.image_size.is_multiple_of(self.patch_size) {
            bail!(
                "image_size {} is not a multiple of patch_size {}",
                self.image_size,
                self.patch_size
            );
        }
        if self.pool == Pool::Cls && !self.class_token {
            bail!("pool \"cls\" needs the class token: set pool to \"mean\" or \"map\"");
        }
        if self.fc_norm && self.pool != Pool::Mean {
            bail!("fc_norm is the norm after a pooling by the mean: set pool to \"mean\"");
        }
        Ok(self.image_size / self.patch_size)
    }
}
