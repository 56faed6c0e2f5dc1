//! What the ops' kernels for NVIDIA GPUs have in common: the device, its memory, how a kernel is launched.
//!
//! A kernel's source, `.cu`, and what launches it, `cuda.rs`, are in the folder of its op. All compute in f32, f64, f16 and
//! bf16, the last two in f32 within a thread. Inputs are made contiguous first. This module and those files are all that the
//! feature `cuda` adds, with the arm of the macro that picks them.

#[cfg(feature = "cuda")]
pub mod allocation;
#[cfg(feature = "cuda")]
pub mod device;
#[cfg(feature = "cuda")]
mod indices;
#[cfg(feature = "cuda")]
pub(crate) mod kernels;
#[cfg(feature = "cuda")]
pub(crate) mod op;

use candle_core::{Result, Tensor};

/// Whether the kernels compute in this dtype.
#[cfg(feature = "cuda")]
pub(crate) fn computes_in(dtype: candle_core::DType) -> bool {
    use candle_core::DType;

    matches!(dtype, DType::F32 | DType::F64 | DType::F16 | DType::BF16)
}

/// An index of a tensor on a GPU that is neither from 0 to below `limit` nor the ignored one, if there is one; none for a tensor
/// elsewhere.
///
/// # Errors
///
/// Fails for other dtypes than i64, u32 and u8, and where the GPU does.
#[cfg(feature = "cuda")]
pub(crate) fn outside(
    op: &'static str,
    index: &Tensor,
    limit: usize,
    ignored: Option<i64>,
) -> Result<Option<i64>> {
    match index.device().is_cuda() {
        true => indices::outside(op, index, limit, ignored),
        false => Ok(None),
    }
}

/// None: without the feature no tensor is on a GPU.
///
/// # Errors
///
/// Never fails.
#[cfg(not(feature = "cuda"))]
pub(crate) fn outside(_: &str, _: &Tensor, _: usize, _: Option<i64>) -> Result<Option<i64>> {
    Ok(None)
}

/// Where tests run: the first GPU if there is one.
#[cfg(test)]
pub(crate) fn test_device() -> candle_core::Device {
    #[cfg(feature = "cuda")]
    {
        static DEVICE: std::sync::OnceLock<candle_core::Device> = std::sync::OnceLock::new();
        let first = || device::open(0).unwrap_or(candle_core::Device::Cpu);
        DEVICE.get_or_init(first).clone()
    }
    #[cfg(not(feature = "cuda"))]
    candle_core::Device::Cpu
}
