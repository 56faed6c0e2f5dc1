//! Whether indices are in their range.

use candle_core::{
    DType, Result, Tensor,
    cuda_backend::{CudaDType, WrapErr, cudarc::driver::PushKernelArg},
};

use super::kernels::{elementwise, named_kernel, ptx, read};

/// An index of a tensor on the GPU that is neither from 0 to below `limit` nor the ignored one, if there is one.
///
/// candle's kernels stop the GPU at such an index, and the process with it has to start anew. This waits for the GPU, for 16
/// bytes.
///
/// # Errors
///
/// Fails for other dtypes than i64, u32 and u8, and where the GPU does.
pub fn outside(
    op: &'static str,
    index: &Tensor,
    limit: usize,
    ignored: Option<i64>,
) -> Result<Option<i64>> {
    match index.dtype() {
        DType::I64 => look::<i64>(op, "outside_i64", index, limit, ignored),
        DType::U32 => look::<u32>(op, "outside_u32", index, limit, ignored),
        DType::U8 => look::<u8>(op, "outside_u8", index, limit, ignored),
        other => candle_core::bail!(
            "{op}: the indices are {}: must be i64, u32 or u8",
            other.as_str()
        ),
    }
}

fn look<T: CudaDType>(
    op: &'static str,
    name: &str,
    index: &Tensor,
    limit: usize,
    ignored: Option<i64>,
) -> Result<Option<i64>> {
    let index = index.contiguous()?;
    let device = index.device().as_cuda_device()?;
    read!(values: T = index, op);
    let count = values.len();
    if count == 0 {
        return Ok(None);
    }
    // Whether there is one, and one.
    let mut found = device.alloc_zeros::<i64>(2)?;
    let (limit, ignores) = (limit as i64, i32::from(ignored.is_some()));
    let ignored = ignored.unwrap_or_default();
    let kernel = named_kernel(device, name, "patchbay_indices", ptx::INDICES)?;
    let mut launch = kernel.builder();
    launch.arg(&count).arg(&limit).arg(&ignores).arg(&ignored);
    launch.arg(&values).arg(&mut found);
    // SAFETY: the arguments are those of `outside_*` in indices.cu: `count` indices and two numbers for what is found.
    unsafe { launch.launch(elementwise(count)) }.w()?;
    let found = device.clone_dtoh(&found)?;
    Ok((found[0] != 0).then_some(found[1]))
}
