//! Vision transformer: an image is cut into patches, and the patches are words.
//!
//! Structure, parameter names and first values are timm's `VisionTransformer` (1.0), so that its
//! state dicts fit as they are; with it, those of DeiT, MAE, ALBEF, DINOv2 and, renamed, CLIP.
//! Other than timm, `pool: mean` keeps the norm before the pooling unless `fc_norm` says otherwise,
//! and an image of another size than `image_size` is an error unless `dynamic_size` allows it.

mod attention_pool;
mod block;
pub mod config;
mod presets;

use attention_pool::AttentionPool;
use block::Block;
use patchbay::{
    nn::{
        LayerNorm, PatchEmbedding, init, layer_norm, resample_position_embedding_with,
        sin_cos_position_embedding,
    },
    plugin::prelude::*,
};

use crate::{initial::normal, stochastic_depth};
pub use config::{Activation, Pool, Position, Preset, VitConfig};

/// A vision transformer.
pub struct Vit {
    patches: PatchEmbedding,
    class_token: Option<Tensor>,
    registers: Option<Tensor>,
    /// `[1, prefix or 0 + patches, width]`; none where it is computed.
    positions: Option<Tensor>,
    pre_norm: Option<LayerNorm>,
    blocks: Vec<Block>,
    norm: Option<LayerNorm>,
    pooled_norm: Option<LayerNorm>,
    attention_pool: Option<AttentionPool>,
    width: usize,
    config: VitConfig,
}

impl Component for Vit {}

impl Define for Vit {
    type Kind = dyn Encoder;
    type Config = VitConfig;
    const ID: &'static str = "encoder/vit";
    const SUMMARY: &'static str = "Vision transformer of any size, patch and pooling";
    const DETAILS: Details = Details {
        formula: "x = [cls; registers; patches] + positions;  x += attn(norm x), x += mlp(norm x) in each block;  \
                  tokens = norm x",
        reference: "Dosovitskiy et al. 2021, An Image is Worth 16x16 Words, arXiv 2010.11929, eq. 1-4; timm's \
                    VisionTransformer; registers: Darcet et al. 2024, arXiv 2309.16588",
        shapes: "images [batch, channels, height, width]; tokens [batch, prefix + patches, width], prefix: class token \
                 and registers; pooled [batch, width]; attention [batch, heads, length, length] a block",
        trainable: true,
        example: r#"let encoder = create::<dyn Encoder>("encoder/vit", json!({"preset": "tiny", "depth": 2, "image_size": 64}))?;
let images = Tensor::rand(0f32, 1.0, (2, 3, 64, 64), &device())?;
encoder.forward(&plugin::EncoderInput::new(&images))?.pooled"#,
    };

    fn presets() -> patchbay::serde_json::Value {
        json!(presets::presets())
    }

    fn build(config: VitConfig, context: &Context) -> Result<Self> {
        let (width, depth, _) = config.size()?;
        let grid = config.grid()?;
        let vb = context.vb();
        let entries = grid * grid
            + match config.position {
                Position::Learned => config.prefix(),
                _ => 0,
            };
        let small = init::Init::Randn {
            mean: 0.0,
            stdev: 1e-6,
        };
        let make_patches = match config.patch_bias {
            true => PatchEmbedding::new,
            false => PatchEmbedding::no_bias,
        };
        let norm = |name: &str| layer_norm(width, config.eps, vb.pp(name));
        Ok(Vit {
            patches: make_patches(
                config.channels,
                width,
                config.patch_size,
                vb.pp("patch_embed.proj"),
            )?,
            class_token: config
                .class_token
                .then(|| vb.get_with_hints((1, 1, width), "cls_token", small))
                .transpose()?,
            registers: (config.registers > 0)
                .then(|| vb.get_with_hints((1, config.registers, width), "reg_token", small))
                .transpose()?,
            positions: (config.position != Position::SinCos)
                .then(|| {
                    vb.get_with_hints(
                        (1, entries, width),
                        "pos_embed",
                        normal(config.initializer_range),
                    )
                })
                .transpose()?,
            pre_norm: config.pre_norm.then(|| norm("norm_pre")).transpose()?,
            blocks: stochastic_depth::rates(config.drop_path, depth)
                .into_iter()
                .enumerate()
                .map(|(number, rate)| Block::new(&config, rate, vb.pp(format!("blocks.{number}"))))
                .collect::<Result<_>>()?,
            norm: (!config.fc_norm).then(|| norm("norm")).transpose()?,
            pooled_norm: config.fc_norm.then(|| norm("fc_norm")).transpose()?,
            attention_pool: (config.pool == Pool::Map)
                .then(|| AttentionPool::new(&config, vb.pp("attn_pool")))
                .transpose()?,
            width,
            config,
        })
    }

    fn sample(_scratch: &Path) -> Result<Sample> {
        let settings =
            json!({"width": 8, "depth": 2, "heads": 2, "image_size": 8, "patch_size": 4});
        Ok(Sample::new(settings).input("images", crate::initial::wave(&[2, 3, 8, 8], 0.0)?))
    }
}

impl Encoder for Vit {
    fn forward(&self, input: &EncoderInput<'_>) -> Result<Encoding> {
        let train = input.train;
        let mut x = self.embed(input)?;
        let mut attention = Vec::new();
        for block in &self.blocks {
            let (y, map) = block.forward(&x, train, input.attention)?;
            x = y;
            attention.extend(map);
        }
        let tokens = match &self.norm {
            Some(norm) => norm.forward(&x)?,
            None => x,
        };
        let pooled = match (&self.attention_pool, self.config.pool) {
            (Some(pool), _) => pool.forward(&tokens, train)?,
            (None, Pool::Cls) => tokens.i((.., 0))?.contiguous()?,
            (None, _) => ops::mean(&tokens.i((.., self.config.prefix()..))?, 1)?,
        };
        let pooled = match &self.pooled_norm {
            Some(norm) => norm.forward(&pooled)?,
            None => pooled,
        };
        Ok(Encoding {
            tokens,
            pooled,
            attention,
        })
    }

    fn width(&self) -> usize {
        self.width
    }
}

impl Vit {
    /// Images to tokens with their positions, `[batch, prefix + patches, width]`.
    fn embed(&self, input: &EncoderInput<'_>) -> Result<Tensor> {
        let config = &self.config;
        if input.context.is_some() || input.mask.is_some() {
            bail!(
                "encoder/vit reads whole images: it takes neither mask nor context; encoder/multimodal takes both"
            );
        }
        let grid = self.grid_of(input.values)?;
        let patches = self.patches.forward(input.values)?;
        let batch = patches.dim(0)?;
        let prefix: Vec<Tensor> = [&self.class_token, &self.registers]
            .into_iter()
            .flatten()
            .map(|token| ops::broadcast_as(token, (batch, token.dim(1)?, self.width)))
            .collect::<Result<_>>()?;
        let positions = self.positions(grid)?;
        let with_prefix = |patches: &Tensor| {
            let mut all: Vec<&Tensor> = prefix.iter().collect();
            all.push(patches);
            match all.len() {
                1 => Ok(patches.clone()),
                _ => Tensor::cat(&all, 1),
            }
        };
        let x = match config.position {
            Position::Learned => ops::broadcast_add(&with_prefix(&patches)?, &positions)?,
            _ => with_prefix(&ops::broadcast_add(&patches, &positions)?)?,
        };
        let x = ops::dropout(&x, config.dropout, input.train)?;
        match &self.pre_norm {
            Some(norm) => norm.forward(&x),
            None => Ok(x),
        }
    }

    /// Rows and columns of patches, or what is wrong with the images.
    fn grid_of(&self, images: &Tensor) -> Result<(usize, usize)> {
        let VitConfig {
            channels,
            image_size,
            patch_size,
            dynamic_size,
            ..
        } = self.config;
        let &[batch, bands, height, width] = images.dims() else {
            bail!(
                "encoder/vit takes images [batch, {channels}, height, width], not {:?}",
                images.dims()
            );
        };
        if batch == 0 || bands != channels {
            bail!(
                "encoder/vit takes images [batch, {channels}, height, width] of at least one image, not {:?}: its \
                 `channels` is {channels}",
                images.dims()
            );
        }
        if !dynamic_size && (height, width) != (image_size, image_size) {
            bail!(
                "encoder/vit was made for images of {image_size} x {image_size} pixels, these are {height} x {width}: \
                 resize them, make it with that `image_size`, or with `dynamic_size`: true"
            );
        }
        if height % patch_size != 0 || width % patch_size != 0 || height * width == 0 {
            bail!(
                "images of {height} x {width} pixels are not made of patches of {patch_size} x {patch_size}: crop or \
                 pad them"
            );
        }
        Ok((height / patch_size, width / patch_size))
    }

    /// Position embeddings for this grid.
    fn positions(&self, grid: (usize, usize)) -> Result<Tensor> {
        let side = self.config.image_size / self.config.patch_size;
        match &self.positions {
            Some(positions) => {
                let prefix = positions.dim(1)? - side * side;
                let how = self.config.position_resampling;
                resample_position_embedding_with(positions, prefix, (side, side), grid, how)
            }
            None => {
                let (like, scale) = (self.patches.weight(), self.config.position_scale);
                sin_cos_position_embedding(grid, self.width, scale, like.device())?
                    .to_dtype(like.dtype())
            }
        }
    }
}
