//! Passes over many tensors that change or measure them, without gradients.

use candle_core::{CpuStorage, DType, InplaceOp2, Layout, Result, Tensor, backend::BackendStorage};
use rayon::prelude::*;

use super::{
    real::Real,
    rows::dot,
    simd::{GRAIN, simd_kernel},
    storage::{by_dtype, on_cpu, values},
};

/// `average = decay · average + (1 - decay) · value`, in place, for each pair: momentum encoders and model averages.
///
/// Each average is contiguous and has the shape and dtype (f32 or f64) of its value. A tensor that shares an average's
/// memory sees the new values.
///
/// # Errors
///
/// Fails where the numbers, shapes or dtypes differ.
pub fn ema_update(averages: &[Tensor], values: &[Tensor], decay: f64) -> Result<()> {
    if averages.len() != values.len() {
        candle_core::bail!(
            "ema-update: {} averages and {} values: there must be one of each",
            averages.len(),
            values.len()
        )
    }
    for (average, value) in averages.iter().zip(values) {
        if average.dims() != value.dims() || average.dtype() != value.dtype() {
            candle_core::bail!(
                "ema-update: an average is {:?} {} and its value {:?} {}: they must agree",
                average.dims(),
                average.dtype().as_str(),
                value.dims(),
                value.dtype().as_str()
            )
        }
        #[cfg(feature = "cuda")]
        if super::cuda::has_kernels_for(average) {
            super::cuda::update::ema(average, value, decay)?;
            continue;
        }
        if average.device().is_cpu() {
            average.inplace_op2(value, &EmaUpdate { decay })?;
        } else {
            let blended = ((average * decay)? + (value.detach() * (1.0 - decay))?)?;
            average.slice_set(&blended, 0, 0)?;
        }
    }
    Ok(())
}

struct EmaUpdate {
    decay: f64,
}

impl InplaceOp2 for EmaUpdate {
    fn name(&self) -> &'static str {
        "ema-update"
    }

    fn cpu_fwd(
        &self,
        average: &mut CpuStorage,
        average_layout: &Layout,
        value: &CpuStorage,
        value_layout: &Layout,
    ) -> Result<()> {
        by_dtype!(value.dtype(), self.name(), T => {
            let value = values::<T>(value, value_layout)?;
            slice_mut::<T>(average, average_layout)?
                .par_chunks_mut(GRAIN)
                .zip(value.par_chunks(GRAIN))
                .for_each(|(average, value)| blend(average, value, self.decay));
            Ok(())
        })
    }
}

simd_kernel! {
    fn blend['a, T: Real](average: &'a mut [T], value: &'a [T], decay: f64) -> () {
        let (keep, take) = (T::of(decay), T::of(1.0 - decay));
        for (average, &value) in average.iter_mut().zip(value) {
            *average = keep * *average + take * value;
        }
    }
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

/// Σ x² over all tensors, summed in f64.
///
/// From a GPU comes one number for all tensors, not one for each: every one would wait for all that is queued there.
///
/// # Errors
///
/// Fails for integer dtypes, and for tensors on several GPUs.
pub fn sum_of_squares(tensors: &[&Tensor]) -> Result<f64> {
    let mut sum = 0.0;
    #[cfg(feature = "cuda")]
    let mut on_gpu = Vec::new();
    let mut elsewhere = Vec::new();
    for &tensor in tensors {
        #[cfg(feature = "cuda")]
        if super::cuda::has_kernels_for(tensor) {
            on_gpu.push(tensor);
            continue;
        }
        if tensor.device().is_cpu() {
            sum += squares_on_cpu(tensor)?;
        } else {
            let squares = tensor.detach().to_dtype(DType::F32)?.sqr()?;
            elsewhere.push(super::sum_all(&squares)?);
        }
    }
    #[cfg(feature = "cuda")]
    {
        sum += super::cuda::squares::total("sum-of-squares", &on_gpu)?;
    }
    if !elsewhere.is_empty() {
        let total = super::sum_all(&Tensor::stack(&elsewhere, 0)?)?;
        sum += f64::from(total.to_scalar::<f32>()?);
    }
    Ok(sum)
}

/// Σ x², summed in f64, of a tensor on the CPU.
fn squares_on_cpu(x: &Tensor) -> Result<f64> {
    let x = x.detach();
    let x = if matches!(x.dtype(), DType::F16 | DType::BF16) {
        x.to_dtype(DType::F32)?
    } else {
        x
    };
    by_dtype!(x.dtype(), "sum-of-squares", T => {
        let (storage, layout) = x.storage_and_layout();
        let x = values::<T>(on_cpu(&storage, "sum-of-squares")?, layout)?;
        let sums: Vec<f64> = x.par_chunks(GRAIN).map(squares).collect();
        Ok(sums.iter().sum())
    })
}

simd_kernel! {
    fn squares['a, T: Real](x: &'a [T]) -> f64 {
        // Pieces small enough for a sum in f32 to be exact to its last digits.
        let mut sum = 0.0;
        for piece in x.chunks(1024) {
            sum += dot(piece, piece).as_f64();
        }
        sum
    }
}
