//! Layers, optimisers and what training needs around them.
//!
//! Everything of candle's `nn` is here under its own name. What candle does without a gradient, slowly, or
//! otherwise than PyTorch is replaced: the layers below stand on [`crate::ops`], have PyTorch's parameter names
//! and initialisation, and follow [`seed_all`]; the optimisers update each parameter in one pass.

pub use candle_nn::*;

mod accumulation;
mod audit;
mod checkpoint;
mod clip;
mod early_stopping;
mod ema;
pub(crate) mod initial;
mod layers;
pub mod loss;
mod mixed_precision;
pub mod ops;
pub mod optim;
mod position;
mod schedule;
mod seed;
mod training;

pub use accumulation::Accumulator;
pub use audit::{Audit, Finding, GradientState, audit};
pub use checkpoint::Checkpoint;
pub use clip::{clip_grad_norm, clip_grad_value, grad_norm};
pub use early_stopping::EarlyStopping;
pub use ema::Ema;
pub use initial::builder;
pub use layers::{
    Dropout, Embedding, FeedForward, LayerNorm, Linear, MultiheadAttention, PatchEmbedding,
    RmsNorm, TransformerEncoderLayer, TransformerSettings, embedding, layer_norm,
    layer_norm_no_bias, linear, linear_b, linear_no_bias, rms_norm,
};
pub use mixed_precision::{LossScale, MixedPrecision};
pub use optim::{
    Adam, AdamW, Optimizer, OptimizerState, ParameterGroup, ParamsAdam, ParamsAdamW, ParamsSgd, SGD,
};
pub use position::{
    PositionResampling, resample_position_embedding, resample_position_embedding_with,
    sin_cos_position_embedding,
};
pub use schedule::{CosineSchedule, OneCycleSchedule, Plateau};
pub use seed::seed_all;
pub use training::{History, Step, Training, training};
