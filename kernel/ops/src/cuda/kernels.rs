//! What the ops' `cuda.rs` launch their kernels with.

use std::sync::Arc;

use candle_core::{
    CudaDevice, CudaStorage, Error, Layout, Result, Shape, Storage, Tensor, WithDType,
    cuda_backend::{
        CudaDType,
        cudarc::driver::{
            CudaFunction, CudaSlice, CudaStream, CudaView, CudaViewMut, DeviceRepr, LaunchArgs,
            LaunchConfig,
        },
    },
    op::BackpropOp,
};

pub(crate) mod ptx {
    include!(concat!(env!("OUT_DIR"), "/ptx.rs"));
}

/// The threads of a block.
pub(crate) const THREADS: u32 = 256;

/// The most blocks in the second and third dimension of a grid.
pub(crate) const GRID: usize = 65_535;

/// A type that the kernels compute in.
pub(crate) trait Number: CudaDType + DeviceRepr + WithDType {
    /// What the names of its kernels end with.
    const NAME: &'static str;
    /// What is computed in.
    type Wide: CudaDType + DeviceRepr;
}

macro_rules! number {
    ($($number:ty, $name:literal, $wide:ty;)*) => {
        $(impl Number for $number {
            const NAME: &'static str = $name;
            type Wide = $wide;
        })*
    };
}

number! {
    f32, "f32", f32;
    f64, "f64", f64;
    half::f16, "f16", f32;
    half::bf16, "bf16", f32;
}

/// Runs an expression with `$number` standing for the Rust type of a dtype.
macro_rules! by_number {
    ($dtype:expr, $op:expr, $number:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $number = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $number = f64;
                $body
            }
            candle_core::DType::F16 => {
                type $number = half::f16;
                $body
            }
            candle_core::DType::BF16 => {
                type $number = half::bf16;
                $body
            }
            other => Err($crate::storage::unsupported(other, $op)),
        }
    };
}

pub(crate) use by_number;

/// A kernel, and where it is queued.
pub(crate) struct Kernel {
    function: CudaFunction,
    stream: Arc<CudaStream>,
}

impl Kernel {
    pub(crate) fn builder(&self) -> LaunchArgs<'_> {
        self.stream.launch_builder(&self.function)
    }
}

/// The kernel of this name for `T`; its module is loaded once for each device.
pub(crate) fn kernel<T: Number>(
    device: &CudaDevice,
    name: &str,
    module: &str,
    ptx: &str,
) -> Result<Kernel> {
    named_kernel(device, &format!("{name}_{}", T::NAME), module, ptx)
}

/// The kernel of exactly this name.
pub(crate) fn named_kernel(
    device: &CudaDevice,
    name: &str,
    module: &str,
    ptx: &str,
) -> Result<Kernel> {
    Ok(Kernel {
        function: device
            .get_or_load_custom_func(name, module, ptx)?
            .into_cuda_function(),
        stream: device.cuda_stream(),
    })
}

/// The values of a contiguous tensor.
pub(crate) fn view<'a, T: CudaDType>(
    storage: &'a CudaStorage,
    layout: &Layout,
) -> Result<CudaView<'a, T>> {
    let (start, end) = contiguous(layout)?;
    Ok(storage.as_cuda_slice::<T>()?.slice(start..end))
}

/// [`view`] for a kernel that writes there.
pub(crate) fn view_mut<'a, T: Number>(
    storage: &'a mut CudaStorage,
    layout: &Layout,
) -> Result<CudaViewMut<'a, T>> {
    let (start, end) = contiguous(layout)?;
    Ok(storage.as_cuda_slice_mut::<T>()?.slice_mut(start..end))
}

pub(crate) fn contiguous(layout: &Layout) -> Result<(usize, usize)> {
    layout.contiguous_offsets().ok_or_else(|| {
        Error::Msg("a kernel got a tensor that is not contiguous: call `contiguous()` on it".into())
            .bt()
    })
}

/// Memory for the values that a kernel is about to write, all of them, before anything reads one.
pub(crate) fn room<T: DeviceRepr>(device: &CudaDevice, count: usize) -> Result<CudaSlice<T>> {
    // A GPU gives no memory of no bytes.
    // SAFETY: what is there before the kernel has written is not read, by the promise of the function's callers.
    unsafe { device.alloc::<T>(count.max(1)) }
}

/// The CUDA storage behind a tensor's storage.
pub(crate) fn on_gpu<'a>(storage: &'a Storage, op: &str) -> Result<&'a CudaStorage> {
    match storage {
        Storage::Cuda(storage) => Ok(storage),
        _ => candle_core::bail!(
            "{op}: one of the tensors is not on the GPU: move it with `to_device`"
        ),
    }
}

/// Binds `$name` to the values of a contiguous tensor on the GPU, for the rest of the block.
macro_rules! read {
    ($name:ident: $number:ty = $tensor:expr, $op:expr) => {
        let (storage, layout) = $tensor.storage_and_layout();
        let $name = $crate::cuda::kernels::view::<$number>(
            $crate::cuda::kernels::on_gpu(&storage, $op)?,
            layout,
        )?;
    };
}

pub(crate) use read;

/// A tensor of what a kernel has written, without a gradient.
pub(crate) fn tensor<T: CudaDType>(
    values: CudaSlice<T>,
    device: &CudaDevice,
    shape: &Shape,
) -> Tensor {
    let storage = Storage::Cuda(CudaStorage::wrap_cuda_slice(values, device.clone()));
    Tensor::from_storage(storage, shape, BackpropOp::none(), false)
}

/// A thread for each of `count` values, until the GPU is full; the kernels' loops do the rest.
pub(crate) fn elementwise(count: usize) -> LaunchConfig {
    let blocks = count.div_ceil(THREADS as usize).clamp(1, 1 << 16);
    LaunchConfig {
        grid_dim: (blocks as u32, 1, 1),
        block_dim: (THREADS, 1, 1),
        shared_mem_bytes: 0,
    }
}

/// A block for each row of `n` values.
pub(crate) fn rowwise(rows: usize, n: usize) -> LaunchConfig {
    let threads = n.next_power_of_two().clamp(32, THREADS as usize);
    LaunchConfig {
        grid_dim: (rows as u32, 1, 1),
        block_dim: (threads as u32, 1, 1),
        shared_mem_bytes: 0,
    }
}

/// A number as the kernels take lengths of rows.
pub(crate) fn int(op: &'static str, number: usize) -> Result<i32> {
    i32::try_from(number).map_err(|_| {
        Error::Msg(format!(
            "{op}: {number} values are too many for a GPU kernel"
        ))
        .bt()
    })
}
