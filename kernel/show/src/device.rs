//! The device that tensors live on.

use std::sync::OnceLock;

use candle_core::{Device, Result};

static DEVICE: OnceLock<Device> = OnceLock::new();

/// [`device`], if something has asked for it: a GPU is not woken only to be looked at.
pub(crate) fn device_in_use() -> Option<Device> {
    DEVICE.get().cloned()
}

/// Waits until the GPU has done what it was asked for, if [`device`] is one and has been asked for.
pub(crate) fn finish_queued() -> Result<()> {
    match device_in_use() {
        Some(device) => device.synchronize(),
        None => Ok(()),
    }
}

/// The first CUDA device where CUDA is built in and present, else the CPU. Where CUDA is built in and does not start, a line on
/// stderr says why.
///
/// Always the same handle, with one stream for the work of all threads: what one thread has asked of the GPU is done before what
/// another asks later. A second handle, or candle's `Device::new_cuda`, has streams and a random state of its own, and nothing
/// orders its work and this one's.
pub fn device() -> Device {
    DEVICE
        .get_or_init(|| {
            first_gpu().unwrap_or_else(|error| {
                eprintln!("no GPU, tensors are on the CPU: {error}");
                Device::Cpu
            })
        })
        .clone()
}

#[cfg(feature = "cuda")]
fn first_gpu() -> Result<Device> {
    patchbay_ops::cuda::device::open(0)
}

#[cfg(not(feature = "cuda"))]
fn first_gpu() -> Result<Device> {
    Ok(Device::Cpu)
}
