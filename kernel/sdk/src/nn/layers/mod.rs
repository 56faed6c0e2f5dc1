//! Layers on [`crate::ops`], with PyTorch's names and initialisation.

mod attention;
mod dropout;
mod embedding;
mod linear;
mod norm;
mod patch_embedding;
mod transformer;

pub use attention::MultiheadAttention;
pub use dropout::Dropout;
pub use embedding::{Embedding, embedding};
pub use linear::{Linear, linear, linear_b, linear_no_bias};
pub use norm::{LayerNorm, RmsNorm, layer_norm, layer_norm_no_bias, rms_norm};
pub use patch_embedding::PatchEmbedding;
pub use transformer::{FeedForward, TransformerEncoderLayer, TransformerSettings};
