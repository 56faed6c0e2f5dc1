//! The kernels of the GPU.
#![cfg(feature = "cuda")]

use candle_core::{
    CudaStorage, Layout, Result, Shape, Tensor,
    backend::BackendStorage,
    cuda_backend::{
        WrapErr,
        cudarc::driver::{LaunchConfig, PushKernelArg},
    },
};

use super::cpu::Kth;
use crate::cuda::{
    kernels::{GRID, THREADS, named_kernel, ptx, room, view},
    op::{Op, apply1},
};

/// Values of a digit: `BINS` in kth_largest.cu.
const BINS: usize = 2048;

/// The most blocks for a row.
const BLOCKS: usize = 512;

/// Fails for other dtypes than f32, and for more rows than a grid has.
pub(super) fn kth_largest(kth: Kth, x: &Tensor) -> Result<Tensor> {
    apply1(OnGpu(kth), x)
}

struct OnGpu(Kth);

impl Op<1> for OnGpu {
    fn name(&self) -> &'static str {
        "kth-largest"
    }

    fn forward(
        &self,
        [(storage, layout)]: [(&CudaStorage, &Layout); 1],
    ) -> Result<(CudaStorage, Shape)> {
        let Kth { k, n } = self.0;
        let device = storage.device();
        let x = view::<f32>(storage, layout)?;
        let rows = x.len() / n;
        if rows > GRID {
            candle_core::bail!("kth-largest: {rows} rows: at most {GRID} on a GPU")
        }
        let mut out = room::<f32>(device, rows)?;
        let mut counts = device.alloc_zeros::<u32>((rows * BINS).max(1))?;
        let mut state = device.alloc_zeros::<u32>((2 * rows).max(1))?;
        let config = |grid_dim| LaunchConfig {
            grid_dim,
            block_dim: (THREADS, 1, 1),
            shared_mem_bytes: 0,
        };
        let blocks = n.div_ceil(8 * THREADS as usize).clamp(1, BLOCKS) as u32;
        let count = named_kernel(
            device,
            "kth_largest_count",
            "patchbay_kth_largest",
            ptx::KTH_LARGEST,
        )?;
        let pick = named_kernel(
            device,
            "kth_largest_pick",
            "patchbay_kth_largest",
            ptx::KTH_LARGEST,
        )?;
        let k = k as u32;
        // An empty grid is an error.
        let passes = if rows > 0 { 3i32 } else { 0 };
        for pass in 0..passes {
            let mut launch = count.builder();
            launch
                .arg(&n)
                .arg(&pass)
                .arg(&x)
                .arg(&state)
                .arg(&mut counts);
            // SAFETY: the arguments are those of `kth_largest_count` in kth_largest.cu: a row of `n` values, a state of two numbers and
            // BINS counts for each y of the grid.
            unsafe { launch.launch(config((blocks, rows as u32, 1))) }.w()?;
            let mut launch = pick.builder();
            launch
                .arg(&k)
                .arg(&pass)
                .arg(&mut state)
                .arg(&mut counts)
                .arg(&mut out);
            // SAFETY: the arguments are those of `kth_largest_pick` in kth_largest.cu: a state of two numbers, BINS counts and a place
            // for the result for each block, whose threads divide BINS.
            unsafe { launch.launch(config((rows as u32, 1, 1))) }.w()?;
        }
        let shape = self.0.shape(layout.dims());
        Ok((CudaStorage::wrap_cuda_slice(out, device.clone()), shape))
    }
}
