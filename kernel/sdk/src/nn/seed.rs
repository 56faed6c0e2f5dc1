//! One seed for everything that draws.

use candle_core::{Device, Result};

/// Seeds dropout and initialisation, and the generator of [`crate::device`] where it is a GPU.
///
/// On the CPU equal seeds give equal runs, whatever the number of threads. candle's own `Tensor::rand` on the CPU
/// has no seed and stays as it is.
///
/// # Errors
///
/// Fails where the device refuses the seed.
pub fn seed_all(seed: u64) -> Result<()> {
    crate::ops::seed(seed);
    match crate::device() {
        Device::Cpu => Ok(()),
        device => device.set_seed(seed),
    }
}
