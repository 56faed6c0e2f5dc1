//! One seed for everything that draws.

use candle_core::{Device, Result};

/// Seeds dropout and initialization, `Tensor::randn` and `Tensor::rand`, candle's own layers and builders, and the generator of
/// [`patchbay_show::device()`] where it is a GPU.
///
/// On the CPU equal seeds give equal runs, whatever the number of threads. Each call that draws takes the next stream of the seed;
/// a checkpoint keeps how many were taken.
///
/// # Errors
///
/// Fails where the device refuses the seed.
pub fn seed_all(seed: u64) -> Result<()> {
    patchbay_ops::seed(seed);
    match patchbay_show::device() {
        Device::Cpu => Ok(()),
        device => device.set_seed(seed),
    }
}

/// Seeds all that draws, by torch's name: [`seed_all`].
///
/// # Errors
///
/// As there.
///
/// ```
/// # use patchbay::prelude::*;
/// nn::manual_seed(1)?;
/// let x = torch::randn(3)?;
/// nn::manual_seed(1)?;
/// assert!(x.equal(&torch::randn(3)?)?);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn manual_seed(seed: u64) -> Result<()> {
    seed_all(seed)
}
