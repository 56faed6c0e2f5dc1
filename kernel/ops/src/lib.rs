//! Differentiable operations that candle lacks, does slowly, or does without a gradient.

#![allow(clippy::needless_range_loop)]

mod affine;
pub mod cuda;
mod dims;
mod dispatch;
mod drop_mask;
mod functions;
mod gemm;
mod indices;
mod op;
mod patches;
mod random;
mod real;
mod reduce_kernel;
mod reduction;
#[cfg(test)]
mod reference;
mod rows;
mod separable;
mod simd;
mod storage;
pub mod threads;

macro_rules! ops {
    ($(pub use $op:ident::{$($name:ident),+ $(,)?};)+) => {
        $(mod $op; pub use $op::{$($name),+};)+

        #[cfg(test)]
        const OPS: &[reference::Listed] = &[$(reference::Listed {
            name: stringify!($op),
            exports: &[$(stringify!($name)),+],
            checks: $op::tests::CHECKS,
            source: include_str!(concat!(stringify!($op), "/tests.rs")),
        }),+];
    };
}

ops! {
    pub use activation::{gelu, gelu_tanh, relu, sigmoid, silu};
    pub use attention::{Attention, attention, attention_with, self_attention};
    pub use binary_cross_entropy::{BinaryCrossEntropy, binary_cross_entropy_with_logits, binary_cross_entropy_with_logits_with};
    pub use broadcast::{broadcast_add, broadcast_as, broadcast_div, broadcast_mul, broadcast_sub};
    pub use conv::{Conv1d, Conv2d, conv1d, conv2d};
    pub use conv_transpose::{ConvTranspose1d, ConvTranspose2d, conv_transpose1d, conv_transpose2d};
    pub use cross_entropy::{CrossEntropy, IGNORE_INDEX, cross_entropy, cross_entropy_with, ignored_value};
    pub use dropout::{dropout};
    pub use ema_update::{ema_update};
    pub use focal::{focal};
    pub use gelu_linear::{gelu_linear};
    pub use index::{embedding, gather, index_select, scatter, scatter_add};
    pub use interpolate::{Interpolate, Interpolation, interpolate, interpolate_with};
    pub use kth_largest::{kth_largest};
    pub use l2_normalize::{l2_normalize};
    pub use layer_norm::{layer_norm, rms_norm};
    pub use linear_gelu::{linear_gelu};
    pub use masked_fill::{masked_fill};
    pub use matmul::{linear, matmul};
    pub use optimizer_step::{Adam, Factors, Rule, optimizer_step};
    pub use pooling::{adaptive_avg_pool2d, avg_pool2d, max_pool2d};
    pub use reduce::{mean, mean_all, mean_keepdim, sum, sum_all, sum_keepdim, var, var_all, var_keepdim, var_with};
    pub use residual_mlp::{residual_mlp};
    pub use softmax::{log_softmax, log_softmax_dim, softmax, softmax_dim};
    pub use sum_of_squares::{sum_of_squares};
    pub use window::{box_filter, min_filter};
}

pub use dispatch::composed;
#[allow(deprecated)]
pub use l2_normalize::l2_normalise;
pub use random::{RandomState, Stream, random_state, seed, set_random_state};
pub use reduction::Reduction;
