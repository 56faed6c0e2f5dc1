//! The dtypes and devices that a tensor is brought to.

use candle_core::{DType, Device, Result, Tensor, bail};

/// Argument of `to`: a dtype, a device, `"cpu"`, `"cuda"`, or a tensor whose dtype and device are taken.
pub trait Destination {
    /// Returns `x` in this dtype or on this device.
    ///
    /// # Errors
    ///
    /// Fails where there is no such device, or no conversion.
    fn of(&self, x: &Tensor) -> Result<Tensor>;
}

impl<K: Destination + ?Sized> Destination for &K {
    fn of(&self, x: &Tensor) -> Result<Tensor> {
        (**self).of(x)
    }
}

impl Destination for DType {
    fn of(&self, x: &Tensor) -> Result<Tensor> {
        x.to_dtype(*self)
    }
}

impl Destination for Device {
    fn of(&self, x: &Tensor) -> Result<Tensor> {
        x.to_device(self)
    }
}

impl Destination for Tensor {
    fn of(&self, x: &Tensor) -> Result<Tensor> {
        x.to_device(self.device())?.to_dtype(self.dtype())
    }
}

impl Destination for str {
    fn of(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            "cpu" => x.to_device(&Device::Cpu),
            "cuda" | "cuda:0" | "gpu" => x.to_device(&gpu()?),
            other => bail!(
                "to: there is no device {other:?}: must be \"cpu\", \"cuda\", `device()` or a dtype such as `DType::F32`"
            ),
        }
    }
}

/// Returns the GPU that tensors live on.
pub(crate) fn gpu() -> Result<Device> {
    let device = patchbay_show::device::device();
    if !device.is_cuda() {
        bail!(
            "cuda: there is no GPU here, `device()` is the CPU; `x.to(&device())?` goes to whichever there is"
        )
    }
    Ok(device)
}
