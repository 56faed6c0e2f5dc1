//! The kernels of the GPU.
#![cfg(feature = "cuda")]

use candle_core::{
    CudaStorage, Layout, Result, Shape, Tensor,
    backend::BackendStorage,
    cuda_backend::{WrapErr, cudarc::driver::PushKernelArg},
};

use super::cpu::Softmax;
use crate::cuda::{
    kernels::{by_number, int, kernel, ptx, read, room, rowwise, tensor, view},
    op::{Op, apply1},
};

/// Over the last dimension.
pub(super) fn softmax(softmax: Softmax, x: &Tensor) -> Result<Tensor> {
    apply1(OnGpu(softmax), x)
}

struct OnGpu(Softmax);

impl Op<1> for OnGpu {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn forward(
        &self,
        [(storage, layout)]: [(&CudaStorage, &Layout); 1],
    ) -> Result<(CudaStorage, Shape)> {
        let (op, log) = (self.name(), self.0.log);
        by_number!(storage.dtype(), op, T => {
            let device = storage.device();
            let x = view::<T>(storage, layout)?;
            let (rows, n) = rows(layout.shape());
            let mut y = room::<T>(device, x.len())?;
            if rows > 0 {
                let kernel = kernel::<T>(device, "softmax", "patchbay_softmax", ptx::SOFTMAX)?;
                let (length, log) = (int(op, n)?, i32::from(log));
                let mut launch = kernel.builder();
                launch.arg(&length).arg(&log).arg(&x).arg(&mut y);
                // SAFETY: the arguments are those of `softmax_*` in softmax.cu; both arrays have a row of `n` values for each
                // block.
                unsafe { launch.launch(rowwise(rows, n)) }.w()?;
            }
            Ok((CudaStorage::wrap_cuda_slice(y, device.clone()), layout.shape().clone()))
        })
    }

    fn backward(&self, _: [&Tensor; 1], y: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; 1]> {
        let (op, log) = (self.name(), self.0.log);
        let (shape, grad) = (y.shape(), grad.contiguous()?);
        let device = y.device().as_cuda_device()?;
        by_number!(y.dtype(), op, T => {
            read!(y: T = y, op);
            read!(grad: T = grad, op);
            let (rows, n) = rows(shape);
            let mut out = room::<T>(device, y.len())?;
            if rows > 0 {
                let kernel = kernel::<T>(device, "softmax_backward", "patchbay_softmax", ptx::SOFTMAX)?;
                let (length, log) = (int(op, n)?, i32::from(log));
                let mut launch = kernel.builder();
                launch.arg(&length).arg(&log).arg(&y).arg(&grad).arg(&mut out);
                // SAFETY: the arguments are those of `softmax_backward_*` in softmax.cu; the arrays have a row of `n` values
                // for each block.
                unsafe { launch.launch(rowwise(rows, n)) }.w()?;
            }
            Ok([Some(tensor(out, device, shape))])
        })
    }
}

/// How many rows there are, and how many values in each.
fn rows(shape: &Shape) -> (usize, usize) {
    let n = shape.dims().last().copied().unwrap_or(1);
    (shape.elem_count().checked_div(n).unwrap_or(0), n)
}
