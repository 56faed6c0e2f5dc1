//! From tensors to slices and back.

use std::{borrow::Cow, mem::MaybeUninit};

use candle_core::{CpuStorage, DType, Error, Layout, Result, Shape, Storage, Tensor};
use rayon::prelude::*;

use crate::{real::Real, simd::rows_of_a_piece};

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
pub(crate) fn strided<'a, T: Copy + Send + Sync>(
    all: &'a [T],
    layout: &Layout,
) -> Result<Cow<'a, [T]>> {
    if let Some((start, end)) = layout.contiguous_offsets() {
        return Ok(Cow::Borrowed(&all[start..end]));
    }
    let length = layout.shape().elem_count();
    let mut out = Vec::with_capacity(length);
    let (start, dims, strides) = (layout.start_offset(), layout.dims(), layout.stride());
    if let ([rows, dims @ ..], [stride, strides @ ..]) = (dims, strides)
        && length > 0
    {
        let width = length / rows;
        let piece = rows_of_a_piece(*rows, width);
        out.spare_capacity_mut()[..length]
            .par_chunks_mut(piece * width)
            .enumerate()
            .for_each(|(index, part)| {
                for (row, out) in part.chunks_exact_mut(width).enumerate() {
                    let start = start + (index * piece + row) * stride;
                    gather(all, start, dims, strides, out);
                }
            });
        // SAFETY: the pieces cover all values, and `gather` writes each value of its part.
        unsafe { out.set_len(length) };
    }
    Ok(Cow::Owned(out))
}

/// Writes all of `out`, which holds as many values as `dims` say.
fn gather<T: Copy>(
    all: &[T],
    start: usize,
    dims: &[usize],
    strides: &[usize],
    out: &mut [MaybeUninit<T>],
) {
    match (dims, strides) {
        ([length], [1]) => {
            out.write_copy_of_slice(&all[start..start + length]);
        }
        ([_], [stride]) => {
            for (i, out) in out.iter_mut().enumerate() {
                out.write(all[start + i * stride]);
            }
        }
        ([rows, columns], [1, stride]) => {
            for column in 0..*columns {
                let from = &all[start + column * stride..][..*rows];
                for (out, &value) in out[column..].iter_mut().step_by(*columns).zip(from) {
                    out.write(value);
                }
            }
        }
        ([length, dims @ ..], [stride, strides @ ..]) => {
            for (i, out) in out.chunks_exact_mut(out.len() / length).enumerate() {
                gather(all, start + i * stride, dims, strides, out);
            }
        }
        _ => {
            out[0].write(all[start]);
        }
    }
}

/// The CPU storage behind a tensor's storage.
pub(crate) fn cpu_storage<'a>(storage: &'a Storage, op: &'static str) -> Result<&'a CpuStorage> {
    match storage {
        Storage::Cpu(storage) => Ok(storage),
        _ => candle_core::bail!(
            "{op}: the backward pass is on the CPU only: move the model there with `to_device`"
        ),
    }
}

/// A tensor of these values on the CPU, which is where the other tensors of the op are.
pub(crate) fn tensor<T: Real>(values: Vec<T>, shape: &Shape) -> Result<Tensor> {
    Tensor::from_vec(values, shape, &candle_core::Device::Cpu)
}

/// The values of a contiguous tensor, to write.
pub(crate) fn slice_mut<'a, T: Real>(
    storage: &'a mut CpuStorage,
    layout: &Layout,
) -> Result<&'a mut [T]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        candle_core::bail!("a tensor that is changed in place must be contiguous, as variables are")
    };
    match T::of_storage(storage) {
        Some(values) => Ok(&mut values[start..end]),
        None => candle_core::bail!(
            "a tensor that is changed in place must be {}",
            T::DTYPE.as_str()
        ),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strided_values_come_in_row_major_order() {
        let all: Vec<u32> = (0..60_000).collect();
        for (dims, strides) in [
            (vec![90, 96, 6], vec![600, 1, 96]),
            (vec![200, 290], vec![1, 200]),
            (vec![4, 3, 5, 7], vec![1, 0, 700, 9]),
            (vec![19_000], vec![3]),
            (vec![1], vec![2]),
            (vec![3, 0, 2], vec![1, 2, 3]),
        ] {
            let place = |mut index: usize| {
                let axes = dims.iter().zip(&strides).rev();
                axes.fold(40, |place, (length, stride)| {
                    let along = index % length;
                    index /= length;
                    place + along * stride
                })
            };
            let length = dims.iter().product();
            let expected: Vec<u32> = (0..length).map(|index| all[place(index)]).collect();
            let layout = Layout::new(Shape::from(dims), strides, 40);
            assert_eq!(&*strided(&all, &layout).unwrap(), &expected[..]);
        }
    }
}
