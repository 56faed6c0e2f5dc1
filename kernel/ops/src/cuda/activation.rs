//! Activation functions; `kind` is the number of one in `activation.cu`.

use candle_core::{
    CudaStorage, Layout, Result, Shape, Tensor,
    backend::BackendStorage,
    cuda_backend::{WrapErr, cudarc::driver::PushKernelArg},
};

use super::{by_number, elementwise, kernel, ptx, read, room, tensor, view};

/// The function of each value.
///
/// # Errors
///
/// Fails where the GPU does.
pub fn forward(
    op: &'static str,
    kind: i32,
    storage: &CudaStorage,
    layout: &Layout,
) -> Result<(CudaStorage, Shape)> {
    by_number!(storage.dtype(), op, T => {
        let device = storage.device();
        let x = view::<T>(storage, layout)?;
        let count = x.len();
        let mut y = room::<T>(device, count)?;
        let kernel = kernel::<T>(device, "activation", "patchbay_activation", ptx::ACTIVATION)?;
        let mut launch = kernel.builder();
        launch.arg(&kind).arg(&count).arg(&x).arg(&mut y);
        // SAFETY: the arguments are those of `activation_*` in activation.cu, and both arrays have `count` values.
        unsafe { launch.launch(elementwise(count)) }.w()?;
        Ok((CudaStorage::wrap_cuda_slice(y, device.clone()), layout.shape().clone()))
    })
}

/// The gradient of `x`, from that of the result.
///
/// # Errors
///
/// Fails where the GPU does.
pub fn backward(op: &'static str, kind: i32, x: &Tensor, grad: &Tensor) -> Result<Tensor> {
    let (shape, grad) = (x.shape(), grad.contiguous()?);
    let device = x.device().as_cuda_device()?;
    by_number!(x.dtype(), op, T => {
        read!(x: T = x, op);
        read!(grad: T = grad, op);
        let count = x.len();
        let mut out = room::<T>(device, count)?;
        let kernel = kernel::<T>(device, "activation_backward", "patchbay_activation", ptx::ACTIVATION)?;
        let mut launch = kernel.builder();
        launch.arg(&kind).arg(&count).arg(&x).arg(&grad).arg(&mut out);
        // SAFETY: the arguments are those of `activation_backward_*` in activation.cu; a gradient has the shape of its
        // tensor, so all arrays have `count` values.
        unsafe { launch.launch(elementwise(count)) }.w()?;
        Ok(tensor(out, device, shape))
    })
}
