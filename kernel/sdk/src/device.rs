//! The device that tensors live on.

use std::sync::OnceLock;

use candle_core::Device;

/// The first CUDA device where CUDA is built in and present, else the CPU.
///
/// Always the same handle: two handles of one GPU have streams and random states of their own.
pub fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE
        .get_or_init(|| {
            if candle_core::utils::cuda_is_available() {
                Device::new_cuda(0).unwrap_or(Device::Cpu)
            } else {
                Device::Cpu
            }
        })
        .clone()
}
