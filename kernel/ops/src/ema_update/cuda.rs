//! The kernels of the GPU.
#![cfg(feature = "cuda")]

use candle_core::{
    CpuStorage, CudaStorage, InplaceOp2, Layout, Result, Tensor,
    backend::BackendStorage,
    cuda_backend::{WrapErr, cudarc::driver::PushKernelArg},
};

use crate::cuda::{
    kernels::{by_number, elementwise, kernel, ptx, view, view_mut},
    op::not_on_cpu,
};

/// `average = decay · average + (1 - decay) · value`, in place; `average` is contiguous and has the shape and dtype of
/// `value`.
///
/// # Errors
///
/// Fails where the GPU does.
pub(super) fn ema(average: &Tensor, value: &Tensor, decay: f64) -> Result<()> {
    average.inplace_op2(&value.contiguous()?, &Ema { decay })
}

struct Ema {
    decay: f64,
}

impl InplaceOp2 for Ema {
    fn name(&self) -> &'static str {
        "ema-update"
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<()> {
        not_on_cpu(self.name())
    }

    fn cuda_fwd(
        &self,
        average: &mut CudaStorage,
        layout: &Layout,
        value: &CudaStorage,
        value_layout: &Layout,
    ) -> Result<()> {
        by_number!(value.dtype(), self.name(), T => {
            let device = average.device().clone();
            let value = view::<T>(value, value_layout)?;
            let mut average = view_mut::<T>(average, layout)?;
            let count = value.len();
            if average.len() != count {
                candle_core::bail!("ema-update: {} averages of {count} values: must be as many", average.len())
            }
            let kernel = kernel::<T>(&device, "ema", "patchbay_ema_update", ptx::EMA_UPDATE)?;
            let mut launch = kernel.builder();
            launch.arg(&count).arg(&self.decay).arg(&mut average).arg(&value);
            // SAFETY: the arguments are those of `ema_*` in ema_update.cu, and both arrays have `count` values.
            unsafe { launch.launch(elementwise(count)) }.w()?;
            Ok(())
        })
    }
}
