//! From tensors to slices and back.

use std::borrow::Cow;

use candle_core::{CpuStorage, DType, Error, Layout, Result, Shape, Storage, Tensor};

use super::real::Real;

/// Runs an expression with `$real` standing for the Rust type of a dtype: f32 or f64.
macro_rules! by_dtype {
    ($dtype:expr, $op:expr, $real:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $real = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $real = f64;
                $body
            }
            other => Err($crate::storage::unsupported(other, $op)),
        }
    };
}
pub(crate) use by_dtype;

/// The error for a dtype that an op does not compute in.
pub(crate) fn unsupported(dtype: DType, op: &'static str) -> Error {
    Error::Msg(format!(
        "{op}: the dtype is {} and must be f32, f64, f16 or bf16: convert the tensor with `to_dtype`",
        dtype.as_str()
    ))
    .bt()
}

/// The values in row-major order; copied only where the layout is not contiguous.
pub(crate) fn values<'a, T: Real>(
    storage: &'a CpuStorage,
    layout: &Layout,
) -> Result<Cow<'a, [T]>> {
    strided(T::cpu_storage_as_slice(storage)?, layout)
}

/// [`values`] for any element type.
pub(crate) fn strided<'a, T: Copy>(all: &'a [T], layout: &Layout) -> Result<Cow<'a, [T]>> {
    Ok(match layout.contiguous_offsets() {
        Some((start, end)) => Cow::Borrowed(&all[start..end]),
        None => {
            let mut out = Vec::with_capacity(layout.shape().elem_count());
            gather(
                all,
                layout.start_offset(),
                layout.dims(),
                layout.stride(),
                &mut out,
            );
            Cow::Owned(out)
        }
    })
}

fn gather<T: Copy>(all: &[T], start: usize, dims: &[usize], strides: &[usize], out: &mut Vec<T>) {
    match (dims, strides) {
        ([length], [1]) => out.extend_from_slice(&all[start..start + length]),
        ([length], [stride]) => out.extend((0..*length).map(|i| all[start + i * stride])),
        ([length, dims @ ..], [stride, strides @ ..]) => {
            for i in 0..*length {
                gather(all, start + i * stride, dims, strides, out);
            }
        }
        _ => out.push(all[start]),
    }
}

/// The CPU storage behind a tensor's storage.
pub(crate) fn on_cpu<'a>(storage: &'a Storage, op: &'static str) -> Result<&'a CpuStorage> {
    match storage {
        Storage::Cpu(storage) => Ok(storage),
        _ => candle_core::bail!(
            "{op}: the backward pass is on the CPU only: move the model there with `to_device`"
        ),
    }
}

/// Binds `$name` to the row-major values of a tensor on the CPU, for the rest of the block.
macro_rules! read {
    ($name:ident: $real:ty = $tensor:expr, $op:expr) => {
        let (storage, layout) = $tensor.storage_and_layout();
        let $name =
            $crate::storage::values::<$real>($crate::storage::on_cpu(&storage, $op)?, layout)?;
    };
}
pub(crate) use read;

/// A tensor of these values on the CPU, which is where the other tensors of the op are.
pub(crate) fn tensor<T: Real>(values: Vec<T>, shape: &Shape) -> Result<Tensor> {
    Tensor::from_vec(values, shape, &candle_core::Device::Cpu)
}

/// What a custom op's forward pass returns.
pub(crate) fn output<T: Real>(values: Vec<T>, shape: impl Into<Shape>) -> (CpuStorage, Shape) {
    (T::to_cpu_storage_owned(values), shape.into())
}

/// Computes in f32 what comes in half precision; the result has the dtype of `x` again.
pub(crate) fn widened(x: &Tensor, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    match x.dtype() {
        half @ (DType::F16 | DType::BF16) => f(&x.to_dtype(DType::F32)?)?.to_dtype(half),
        _ => f(x),
    }
}

/// Where two tensors of one op must agree in dtype.
pub(crate) fn same_dtype(op: &'static str, x: &Tensor, name: &str, other: &Tensor) -> Result<()> {
    if x.dtype() != other.dtype() {
        candle_core::bail!(
            "{op}: the dtype of {name} is {} and that of the input {}: convert one with `to_dtype`",
            other.dtype().as_str(),
            x.dtype().as_str()
        )
    }
    Ok(())
}
