//! The kernels of the GPU.
#![cfg(feature = "cuda")]

use std::sync::OnceLock;

use candle_core::{
    CudaStorage, Layout, Result, Shape, Tensor,
    backend::BackendStorage,
    cuda_backend::{
        WrapErr,
        cudarc::driver::{LaunchConfig, PushKernelArg},
    },
};

use crate::cuda::{
    kernels::{
        GRID, Number, THREADS, by_number, int, kernel, ptx, read, room, rowwise, tensor, view,
    },
    op::{Op, apply3},
};

/// Rows that one thread adds up, at least, for the gradients of the parameters.
const PIECE: usize = 64;

/// Over as many last dimensions as `weight` has.
pub(super) fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let norm = LayerNorm {
        n: weight.elem_count(),
        eps,
        statistics: OnceLock::new(),
    };
    apply3(norm, [x, weight, bias])
}

struct LayerNorm {
    n: usize,
    eps: f64,
    /// Mean and reciprocal standard deviation of each row, [rows, 2], for the backward pass.
    statistics: OnceLock<Tensor>,
}

impl LayerNorm {
    fn rows(&self, layout: &Layout) -> usize {
        layout.shape().elem_count().checked_div(self.n).unwrap_or(0)
    }
}

impl Op<3> for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn forward(
        &self,
        [(x, x_layout), (weight, weight_layout), (bias, bias_layout)]: [(&CudaStorage, &Layout); 3],
    ) -> Result<(CudaStorage, Shape)> {
        by_number!(x.dtype(), self.name(), T => {
            let device = x.device();
            let rows = self.rows(x_layout);
            let x = view::<T>(x, x_layout)?;
            let (weight, bias) = (view::<T>(weight, weight_layout)?, view::<T>(bias, bias_layout)?);
            let mut y = room::<T>(device, x.len())?;
            let mut statistics = room::<<T as Number>::Wide>(device, 2 * rows)?;
            if rows > 0 {
                let kernel = kernel::<T>(device, "layer_norm", "patchbay_layer_norm", ptx::LAYER_NORM)?;
                let n = int(self.name(), self.n)?;
                let mut launch = kernel.builder();
                launch.arg(&n).arg(&self.eps).arg(&x).arg(&weight).arg(&bias).arg(&mut y).arg(&mut statistics);
                // SAFETY: the arguments are those of `layer_norm_*` in layer_norm.cu: a row of `n` values and a pair of
                // statistics for each block, and `n` values of either parameter.
                unsafe { launch.launch(rowwise(rows, self.n)) }.w()?;
            }
            let statistics = tensor(statistics, device, &Shape::from((rows, 2)));
            // The pass runs once for each op, so the cell is empty.
            let _ = self.statistics.set(statistics);
            Ok((CudaStorage::wrap_cuda_slice(y, device.clone()), x_layout.shape().clone()))
        })
    }

    fn backward(
        &self,
        [x, weight, bias]: [&Tensor; 3],
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<[Option<Tensor>; 3]> {
        let Some(statistics) = self.statistics.get() else {
            candle_core::bail!("layer-norm: the backward pass came before the forward pass")
        };
        let op = self.name();
        let grad = grad.contiguous()?;
        let input = input_gradient(op, x, weight, &grad, statistics)?;
        if statistics.dim(0)? == 0 {
            // An empty batch.
            return Ok([
                Some(input),
                Some(weight.zeros_like()?),
                Some(bias.zeros_like()?),
            ]);
        }
        let sums = parameter_sums(op, x, weight.elem_count(), &grad, statistics)?;
        let sums = crate::sum(&sums, 0)?.to_dtype(x.dtype())?;
        Ok([
            Some(input),
            Some(sums.get(0)?.reshape(weight.shape())?),
            Some(sums.get(1)?.reshape(bias.shape())?),
        ])
    }
}

fn input_gradient(
    op: &'static str,
    x: &Tensor,
    weight: &Tensor,
    grad: &Tensor,
    statistics: &Tensor,
) -> Result<Tensor> {
    let shape = x.shape();
    let (rows, n) = (statistics.dim(0)?, weight.elem_count());
    let device = x.device().as_cuda_device()?;
    by_number!(x.dtype(), op, T => {
        read!(x: T = x, op);
        read!(weight: T = weight, op);
        read!(grad: T = grad, op);
        read!(statistics: <T as Number>::Wide = statistics, op);
        let mut out = room::<T>(device, x.len())?;
        if rows > 0 {
            let kernel = kernel::<T>(device, "layer_norm_backward", "patchbay_layer_norm", ptx::LAYER_NORM)?;
            let length = int(op, n)?;
            let mut launch = kernel.builder();
            launch.arg(&length).arg(&x).arg(&weight).arg(&grad).arg(&statistics).arg(&mut out);
            // SAFETY: the arguments are those of `layer_norm_backward_*` in layer_norm.cu: rows of `n` values and a pair of
            // statistics for each block, and `n` values of the weight.
            unsafe { launch.launch(rowwise(rows, n)) }.w()?;
        }
        Ok(tensor(out, device, shape))
    })
}

/// Sums over pieces of the rows, [pieces, 2, n] in the type that is computed in, for the gradients of weight and bias; there is
/// at least one row.
fn parameter_sums(
    op: &'static str,
    x: &Tensor,
    n: usize,
    grad: &Tensor,
    statistics: &Tensor,
) -> Result<Tensor> {
    let rows = statistics.dim(0)?;
    let device = x.device().as_cuda_device()?;
    by_number!(x.dtype(), op, T => {
        type Wide = <T as Number>::Wide;
        read!(x: T = x, op);
        read!(grad: T = grad, op);
        read!(statistics: Wide = statistics, op);
        let length = PIECE.max(rows.div_ceil(GRID));
        let pieces = rows.div_ceil(length);
        let mut partial = room::<Wide>(device, 2 * pieces * n)?;
        let kernel = kernel::<T>(device, "layer_norm_parameters", "patchbay_layer_norm", ptx::LAYER_NORM)?;
        let (count, columns, piece) = (int(op, rows)?, int(op, n)?, int(op, length)?);
        let mut launch = kernel.builder();
        launch.arg(&count).arg(&columns).arg(&piece).arg(&x).arg(&grad).arg(&statistics).arg(&mut partial);
        let config = LaunchConfig {
            grid_dim: (n.div_ceil(THREADS as usize) as u32, pieces as u32, 1),
            block_dim: (THREADS, 1, 1),
            shared_mem_bytes: 0,
        };
        // SAFETY: the arguments are those of `layer_norm_parameters_*` in layer_norm.cu: `rows` rows of `n` values with
        // a pair of statistics each, and 2 n sums for each piece.
        unsafe { launch.launch(config) }.w()?;
        Ok(tensor(partial, device, &Shape::from((pieces, 2, n))))
    })
}
