//! Layers, optimizers and what training needs around them.
//!
//! Whatever candle does without a gradient, slowly, or otherwise than PyTorch is replaced under its own name: the layers below stand
//! on [`patchbay_ops`], have PyTorch's parameter names and initialization, and follow [`seed_all`]; the optimizers update each
//! parameter in one pass. Of candle's own there are the names listed here, each of which a test compares with PyTorch, value and
//! gradient. Its kernels for inference, which cut gradients, are not among them (`moe`, `attention`, `cpu_flash_attention`, the
//! caches that write in place): `patchbay::candle_nn` has them.

mod accumulation;
mod audit;
mod checkpoint;
mod clip;
mod early_stopping;
mod ema;
mod functional;
#[doc(hidden)]
pub mod initial;
mod kept;
pub mod kv_cache;
mod layers;
mod learning_rate_finder;
pub mod loss;
mod mixed_precision;
mod network;
mod once;
pub mod ops;
pub mod optim;
#[doc(hidden)]
pub mod part;
mod patience;
mod position;
pub mod rotary_emb;
pub mod sampling;
mod schedule;
mod seed;
mod training;

pub use accumulation::Accumulator;
pub use audit::{Audit, Finding, GradientState, audit};
pub use candle_nn::{
    Func, FuncT, Init, Module, ModuleT, VarBuilder, VarMap, encoding, func, func_t, init,
    var_builder, var_map,
};
pub use checkpoint::{Checkpoint, Checkpoints, Parts, Saved, State, Stateful};
#[doc(hidden)]
pub use checkpoint::{prepare_variables, state_of_variables};
pub use clip::{clip_grad_norm, clip_grad_value, grad_norm};
pub use early_stopping::EarlyStopping;
pub use ema::Ema;
pub use functional::{
    adaptive_avg_pool2d, avg_pool2d, binary_cross_entropy, binary_cross_entropy_with_logits,
    cosine_similarity, cross_entropy, dropout, elu, gelu, huber_loss, l1_loss, leaky_relu,
    log_softmax, max_pool2d, mish, mse_loss, nll_loss, relu, relu6, selu, sigmoid, silu,
    smooth_l1_loss, softmax, tanh,
};
pub use initial::builder;
#[doc(hidden)]
pub use kept::Commit;
pub use layers::{
    Activation, BatchNorm, BatchNormConfig, Conv1d, Conv1dConfig, Conv2d, Conv2dConfig,
    ConvTranspose1d, ConvTranspose1dConfig, ConvTranspose2d, ConvTranspose2dConfig, Dropout,
    Embedding, FeedForward, GRU, GRUConfig, GroupNorm, LSTM, LSTMConfig, Layer, LayerNorm,
    LayerNormConfig, LayerT, Linear, MultiheadAttention, PReLU, PatchEmbedding, RNN, RmsNorm,
    Sequential, SequentialT, TransformerEncoder, TransformerEncoderLayer, TransformerSettings,
    activation, batch_norm, conv, conv_transpose1d, conv_transpose1d_no_bias, conv_transpose2d,
    conv_transpose2d_no_bias, conv1d, conv1d_no_bias, conv2d, conv2d_no_bias, embedding,
    group_norm, gru, layer_norm, layer_norm_no_bias, linear, linear_b, linear_no_bias, lstm,
    multi_head_attention, prelu, rms_norm, rnn, seq, seq_t, sequential, transformer_encoder,
    transformer_encoder_layer,
};
pub use learning_rate_finder::{FoundLearningRate, LearningRateFinder};
pub use mixed_precision::{LossScale, MixedPrecision};
#[doc(hidden)]
pub use network::show_network;
pub use network::{Field, Network, Part, TensorMap};
#[doc(hidden)]
pub use once::each_once;
pub use optim::{
    Adam, AdamW, IntoGroups, Optimizer, OptimizerSettings, OptimizerState, ParameterGroup,
    ParameterGroups, ParameterNames, ParamsAdam, ParamsAdamW, ParamsSgd, SGD,
};
pub use position::{
    PositionResampling, resample_position_embedding, resample_position_embedding_with,
    sin_cos_position_embedding,
};
pub use schedule::{CosineSchedule, OneCycleSchedule, Plateau};
pub use seed::{manual_seed, seed_all};
pub use training::{History, Step, Training, training};
