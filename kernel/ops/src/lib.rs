//! Differentiable operations that candle lacks, does slowly, or does without a gradient.
//!
//! Each is a custom op of candle's with a forward and a backward pass, so it mixes freely with candle's own
//! tensors and `backward()`. All compute in f32 and f64 (f16 and bf16 by way of f32), vectorized for the
//! processor at run time and on all threads. Inputs may have any strides; values and gradients are those of the
//! PyTorch function that each names. A gradient of a gradient is not there, as in candle.
//!
//! On NVIDIA GPUs (feature `cuda`) some have kernels of their own, and all others are composed of candle's ops, which stay on
//! the device; [`composed`] does so anywhere. None goes to the CPU by itself.
//!
//! # How to add an op
//!
//! An op is a folder, `src/NAME`, and a line of `ops!` below. The line exports what others call. In the folder are
//!
//! - `mod.rs`: the public functions. Each looks at its arguments, says in its errors what was expected, and ends in `dispatch!`,
//!   which picks one of the following.
//! - `cpu.rs`: a struct with the settings that implements `op::Op<N>` for its N inputs (one to three): `forward` makes the
//!   values, `backward` the gradients. What a backward pass needs of the forward pass is kept in a `OnceLock` of the struct.
//!   Loops over values are `simd_kernel!`s within `simd::fill`, which shares them among threads; sums go by `rows` or
//!   `reduce_kernel`, which keep their digits.
//! - `composed.rs`: the same of candle's ops, for devices without a kernel. An op that is composed of others of this crate needs
//!   neither this file nor `cpu.rs`.
//! - `cuda.rs` and `NAME.cu`, where a GPU's own kernel is worth it. `cuda.rs` begins with `#![cfg(feature = "cuda")]` and
//!   implements `cuda::op::Op<N>`; the build compiles every `.cu` below `src`, and `tests/cuda_kernels.rs` runs it on the processor.
//! - `tests.rs`: `CHECKS`, with how each case of the reference is computed, runs for empty and single inputs, and errors; and
//!   whatever else the op promises.
//! - `reference.py` and `reference.safetensors`: the cases in PyTorch, and what `python tests/write_references.py NAME` wrote of
//!   them.
//!
//! `cargo test -p patchbay-ops` then compares values and gradients with the reference's in f32, f64 and f16, for contiguous,
//! narrowed and transposed inputs, by the kernels and by the composition, and gradients with slopes. It fails where an exported
//! function has no case with a value and a gradient, and where modules import each other in a circle.

// Loops over lanes index several arrays at once; with zips of them the vectorizer gives up.
#![allow(clippy::needless_range_loop)]

mod affine;
#[doc(hidden)]
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
mod renamed;
mod rows;
mod separable;
mod simd;
mod storage;
pub mod threads;

/// Declares the modules of the ops, exports their names, and lists them for the tests.
macro_rules! ops {
    ($(pub use $op:ident::{$($name:ident),+ $(,)?};)+) => {
        $(mod $op;)+
        $(pub use $op::{$($name),+};)+

        #[cfg(test)]
        const OPS: &[reference::Listed] = &[$(reference::Listed {
            name: stringify!($op),
            exports: &[$(stringify!($name)),+],
            checks: $op::tests::CHECKS,
            source: include_str!(concat!(stringify!($op), "/tests.rs")),
        }),+];
    };
}

// The documentation index reads these as items: see kernel/completion/build.rs.
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
    pub use optimizer_step::{AdamFactors, AdamRule, OptimizerRule, optimizer_step};
    pub use pooling::{adaptive_avg_pool2d, avg_pool2d, max_pool2d};
    pub use reduce::{mean, mean_all, mean_keepdim, sum, sum_all, sum_keepdim, var, var_all, var_keepdim, var_with};
    pub use residual_mlp::{residual_mlp};
    pub use softmax::{log_softmax, log_softmax_dim, softmax, softmax_dim};
    pub use sum_of_squares::{sum_of_squares};
    pub use window::{box_filter, min_filter};
}

pub use dispatch::composed;
pub use random::{RandomState, Stream, random_state, seed, set_random_state};
pub use reduction::Reduction;
#[allow(deprecated)]
pub use renamed::{l2_normalise, largest, optimiser_step};
