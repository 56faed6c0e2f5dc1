//! Layers on [`patchbay_ops`], with PyTorch's names and initialization.

pub mod activation;
mod attention;
pub mod batch_norm;
pub mod conv;
mod dropout;
pub mod embedding;
pub mod group_norm;
pub mod linear;
mod norm;
mod patch_embedding;
pub mod rnn;
pub mod sequential;
mod transformer;

/// Layer and root-mean-square normalization.
pub mod layer_norm {
    pub use super::norm::{LayerNorm, RmsNorm, layer_norm, layer_norm_no_bias, rms_norm};
    pub use candle_nn::LayerNormConfig;
}

pub use activation::{Activation, PReLU, prelu};
pub use attention::{MultiheadAttention, multi_head_attention};
pub use batch_norm::{BatchNorm, BatchNormConfig, batch_norm};
pub use conv::{
    Conv1d, Conv1dConfig, Conv2d, Conv2dConfig, ConvTranspose1d, ConvTranspose1dConfig,
    ConvTranspose2d, ConvTranspose2dConfig, conv_transpose1d, conv_transpose1d_no_bias,
    conv_transpose2d, conv_transpose2d_no_bias, conv1d, conv1d_no_bias, conv2d, conv2d_no_bias,
};
pub use dropout::Dropout;
pub use embedding::{Embedding, embedding};
pub use group_norm::{GroupNorm, group_norm};
pub use layer_norm::{
    LayerNorm, LayerNormConfig, RmsNorm, layer_norm, layer_norm_no_bias, rms_norm,
};
pub use linear::{Linear, linear, linear_b, linear_no_bias};
pub use patch_embedding::PatchEmbedding;
pub use rnn::{GRU, GRUConfig, LSTM, LSTMConfig, RNN, gru, lstm};
pub use sequential::{Layer, LayerT, Sequential, SequentialT, seq, seq_t};
pub use transformer::{
    FeedForward, TransformerEncoder, TransformerEncoderLayer, TransformerSettings,
    transformer_encoder, transformer_encoder_layer,
};
