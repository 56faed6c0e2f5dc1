//! The kernels of the GPU.
#![cfg(feature = "cuda")]

use candle_core::{
    CudaStorage, DType, Layout, Result, Shape, Tensor,
    backend::BackendStorage,
    cuda_backend::{
        WrapErr,
        cudarc::driver::{LaunchConfig, PushKernelArg},
    },
};

use super::cpu::{Fold, Windows, plane};
use crate::{
    cuda::{
        kernels::{GRID, Number, THREADS, int, kernel, ptx, room, view},
        op::{Op, apply1},
    },
    storage::unsupported,
};

/// Values of one column that a thread computes.
const ROWS: u32 = 32;

/// Values of one row that a thread sums: `RUN` in window.cu.
const RUN: usize = 5;

/// The most shared memory that a block may have without being asked for.
const SHARED: usize = 48 << 10;

pub(super) fn windows(windows: Windows, x: &Tensor) -> Result<Tensor> {
    apply1(OnGpu(windows), x)
}

struct OnGpu(Windows);

impl Op<1> for OnGpu {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn forward(
        &self,
        [(storage, layout)]: [(&CudaStorage, &Layout); 1],
    ) -> Result<(CudaStorage, Shape)> {
        let (op, Windows { radius, fold }) = (self.name(), self.0);
        match storage.dtype() {
            DType::F32 => passes::<f32>(op, fold, radius, storage, layout),
            DType::F64 => passes::<f64>(op, fold, radius, storage, layout),
            other => Err(unsupported(other, op)),
        }
    }

    fn backward(&self, _: [&Tensor; 1], _: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; 1]> {
        if self.0.fold == Fold::Least {
            candle_core::bail!("min-filter has no gradient")
        }
        // A value is in the windows of those that are in its own.
        Ok([Some(windows(self.0, &grad.detach())?)])
    }
}

/// The rows, then the columns.
fn passes<T: Number>(
    op: &'static str,
    fold: Fold,
    radius: usize,
    storage: &CudaStorage,
    layout: &Layout,
) -> Result<(CudaStorage, Shape)> {
    let most = (SHARED / size_of::<T>() - RUN * THREADS as usize) / 2;
    if radius > most {
        candle_core::bail!("{op}: the radius is {radius}: on a GPU at most {most}")
    }
    let device = storage.device();
    let (height, width) = plane(layout.shape());
    let x = view::<T>(storage, layout)?;
    let planes = x.len().checked_div(height * width).unwrap_or(0);
    let mut rows_done = room::<T>(device, x.len())?;
    let mut y = room::<T>(device, x.len())?;
    if planes > 0 {
        let (rows_kernel, columns_kernel) = match fold {
            Fold::Sum => ("sum_rows", "sum_columns"),
            Fold::Least => ("least_rows", "least_columns"),
        };
        let load = |name| kernel::<T>(device, name, "patchbay_window", ptx::WINDOW);
        let (h, w, r) = (int(op, height)?, int(op, width)?, int(op, radius)?);
        let across = width.div_ceil(THREADS as usize) as u32;
        // As few blocks as cover a row, with about the same number of threads each.
        let (blocks, threads, values) = match fold {
            Fold::Sum => {
                let blocks = width.div_ceil(RUN * THREADS as usize);
                let threads = width.div_ceil(blocks * RUN).next_multiple_of(32);
                (blocks as u32, threads as u32, threads * RUN)
            }
            Fold::Least => (across, THREADS, THREADS as usize),
        };

        let along_rows = load(rows_kernel)?;
        for first in (0..planes * height).step_by(GRID) {
            let count = GRID.min(planes * height - first);
            let part = first * width..(first + count) * width;
            let (from, mut to) = (x.slice(part.clone()), rows_done.slice_mut(part));
            let mut launch = along_rows.builder();
            launch.arg(&w).arg(&r).arg(&from).arg(&mut to);
            let config = LaunchConfig {
                grid_dim: (blocks, count as u32, 1),
                block_dim: (threads, 1, 1),
                shared_mem_bytes: ((values + 2 * radius) * size_of::<T>()) as u32,
            };
            // SAFETY: the arguments are those of `sum_rows_*` and `least_rows_*` in window.cu: a row of `width` values
            // for each y of the grid, and shared memory for a block with its neighbors.
            unsafe { launch.launch(config) }.w()?;
        }

        let down_columns = load(columns_kernel)?;
        for first in (0..planes).step_by(GRID) {
            let count = GRID.min(planes - first);
            let part = first * height * width..(first + count) * height * width;
            let (from, mut to) = (rows_done.slice(part.clone()), y.slice_mut(part));
            let rows = ROWS as i32;
            let mut launch = down_columns.builder();
            launch
                .arg(&h)
                .arg(&w)
                .arg(&r)
                .arg(&rows)
                .arg(&from)
                .arg(&mut to);
            let config = LaunchConfig {
                grid_dim: (across, (height as u32).div_ceil(ROWS), count as u32),
                block_dim: (THREADS, 1, 1),
                shared_mem_bytes: 0,
            };
            // SAFETY: the arguments are those of `sum_columns_*` and `least_columns_*` in window.cu: a plane of `height`
            // rows of `width` values for each z of the grid.
            unsafe { launch.launch(config) }.w()?;
        }
    }
    Ok((
        CudaStorage::wrap_cuda_slice(y, device.clone()),
        layout.shape().clone(),
    ))
}
