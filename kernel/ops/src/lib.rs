//! Differentiable operations that candle lacks, does slowly, or does without a gradient.
//!
//! Each is a custom op of candle's with a forward and a backward pass, so it mixes freely with candle's own
//! tensors and `backward()`. All compute in f32 and f64 (f16 and bf16 by way of f32), vectorised for the
//! processor at run time and on all threads. Inputs may have any strides; values and gradients are those of the
//! PyTorch function that each names. A gradient of a gradient is not there, as in candle.
//!
//! On NVIDIA GPUs (feature `cuda`) some have kernels of their own, and all others are [`composed`] of candle's ops, which
//! stay on the device. None goes to the CPU by itself.

// Loops over lanes index several arrays at once; with zips of them the vectoriser gives up.
#![allow(clippy::needless_range_loop)]
mod activation;
mod attention;
mod attention_kernel;
mod binary_cross_entropy;
mod broadcast;
pub mod composed;
mod conv2d;
mod conv_transpose2d;
mod cross_entropy;
#[cfg(feature = "cuda")]
#[doc(hidden)]
pub mod cuda;
mod dropout;
mod focal;
mod gelu_linear;
mod gemm;
mod in_place;
mod index;
mod interpolate;
mod l2_normalise;
#[doc(hidden)]
pub mod largest;
mod layer_norm;
mod linear_gelu;
mod masked_fill;
mod matmul;
#[doc(hidden)]
pub mod optimiser_step;
mod pooling;
mod random;
mod real;
mod reduce;
mod reduce_kernel;
mod reduction;
mod residual_mlp;
mod residual_mlp_kernel;
mod rows;
mod simd;
mod softmax;
pub(crate) mod storage;
pub mod threads;
mod window;

pub use activation::{gelu, gelu_tanh, relu, sigmoid, silu};
pub use attention::{Attention, attention, attention_with, self_attention};
pub use binary_cross_entropy::{
    BinaryCrossEntropy, binary_cross_entropy_with_logits, binary_cross_entropy_with_logits_with,
};
pub use broadcast::{broadcast_add, broadcast_as, broadcast_div, broadcast_mul, broadcast_sub};
pub use conv_transpose2d::{
    Conv1d, ConvTranspose1d, ConvTranspose2d, conv_transpose1d, conv_transpose2d, conv1d,
};
pub use conv2d::{Conv2d, conv2d};
pub use cross_entropy::{
    CrossEntropy, IGNORE_INDEX, cross_entropy, cross_entropy_with, ignored_value,
};
pub use dropout::dropout;
pub use focal::focal;
pub use gelu_linear::gelu_linear;
pub use in_place::ema_update;
#[doc(hidden)]
pub use in_place::sum_of_squares;
pub use index::{embedding, gather, index_select, scatter, scatter_add};
pub use interpolate::{Interpolate, Interpolation, interpolate, interpolate_with};
pub use l2_normalise::l2_normalise;
pub use layer_norm::{layer_norm, rms_norm};
pub use linear_gelu::linear_gelu;
pub use masked_fill::masked_fill;
pub use matmul::{linear, matmul};
pub use pooling::{adaptive_avg_pool2d, avg_pool2d, max_pool2d};
#[doc(hidden)]
pub use random::Stream;
pub use random::{RandomState, random_state, seed, set_random_state};
pub use reduce::{
    mean, mean_all, mean_keepdim, sum, sum_all, sum_keepdim, var, var_all, var_keepdim, var_with,
};
pub use reduction::Reduction;
pub use residual_mlp::residual_mlp;
pub use softmax::{log_softmax, log_softmax_dim, softmax, softmax_dim};
pub use window::{box_filter, min_filter};
