//! The kernels of the GPU.
#![cfg(feature = "cuda")]

use candle_core::{
    Result, Tensor,
    cuda_backend::{
        WrapErr,
        cudarc::driver::{LaunchConfig, PushKernelArg},
    },
};

use crate::cuda::kernels::{THREADS, by_number, kernel, ptx, read, room};

/// Values that a block adds up, at least.
const PIECE: usize = 16 * THREADS as usize;

/// The most blocks for a tensor.
const BLOCKS: usize = 256;

/// The sum of the squares of all values of all tensors, in f64.
///
/// Each block writes its sum to a place of its own and one block adds those up, so equal tensors have equal sums. One number
/// comes from the GPU, which is waited for.
///
/// # Errors
///
/// Fails for tensors on several devices, for integer dtypes, and where the GPU does.
pub(super) fn total(op: &'static str, tensors: &[&Tensor]) -> Result<f64> {
    let Some(first) = tensors.first() else {
        return Ok(0.0);
    };
    let device = first.device().as_cuda_device()?;
    let blocks = |tensor: &Tensor| tensor.elem_count().div_ceil(PIECE).clamp(1, BLOCKS);
    let places: usize = tensors.iter().map(|tensor| blocks(tensor)).sum();
    let mut partial = room::<f64>(device, places)?;
    let config = |blocks: usize| LaunchConfig {
        grid_dim: (blocks as u32, 1, 1),
        block_dim: (THREADS, 1, 1),
        shared_mem_bytes: 0,
    };
    let mut done = 0;
    for tensor in tensors {
        if !tensor.device().same_device(first.device()) {
            candle_core::bail!(
                "{op}: the tensors are on {:?} and {:?}: must be on one device",
                first.device().location(),
                tensor.device().location()
            )
        }
        let tensor = tensor.contiguous()?;
        let blocks = blocks(&tensor);
        let mut place = partial.slice_mut(done..done + blocks);
        done += blocks;
        by_number!(tensor.dtype(), op, T => {
            read!(x: T = tensor, op);
            let count = x.len();
            let kernel = kernel::<T>(device, "squares", "patchbay_sum_of_squares", ptx::SUM_OF_SQUARES)?;
            let mut launch = kernel.builder();
            launch.arg(&count).arg(&x).arg(&mut place);
            // SAFETY: the arguments are those of `squares_*` in sum_of_squares.cu: `count` values, and a place for each block.
            unsafe { launch.launch(config(blocks)) }.w()?;
            Ok(())
        })?;
    }
    let mut sum = room::<f64>(device, 1)?;
    let kernel = kernel::<f64>(
        device,
        "total",
        "patchbay_sum_of_squares",
        ptx::SUM_OF_SQUARES,
    )?;
    let mut launch = kernel.builder();
    launch.arg(&places).arg(&partial).arg(&mut sum);
    // SAFETY: the arguments are those of `total_f64` in sum_of_squares.cu: `places` sums, all of them written above, and a place for
    // one number.
    unsafe { launch.launch(config(1)) }.w()?;
    Ok(device.clone_dtoh(&sum)?.iter().sum())
}
