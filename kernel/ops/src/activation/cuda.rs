//! The kernels of the GPU.
#![cfg(feature = "cuda")]

use candle_core::{
    CudaStorage, Layout, Result, Shape, Tensor,
    backend::BackendStorage,
    cuda_backend::{WrapErr, cudarc::driver::PushKernelArg},
};

use super::cpu::Activation;
use crate::cuda::{
    kernels::{by_number, elementwise, kernel, ptx, read, room, tensor, view},
    op::{Op, apply1},
};

pub(super) fn activation(kind: Activation, x: &Tensor) -> Result<Tensor> {
    apply1(OnGpu(kind), x)
}

struct OnGpu(Activation);

impl Op<1> for OnGpu {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn forward(
        &self,
        [(storage, layout)]: [(&CudaStorage, &Layout); 1],
    ) -> Result<(CudaStorage, Shape)> {
        let (op, kind) = (self.name(), self.0 as i32);
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

    fn backward(
        &self,
        [x]: [&Tensor; 1],
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<[Option<Tensor>; 1]> {
        let (op, kind) = (self.name(), self.0 as i32);
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
            Ok([Some(tensor(out, device, shape))])
        })
    }
}
