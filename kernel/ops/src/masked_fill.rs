//! Values that a mask replaces.

use candle_core::{
    CpuStorage, CustomOp2, DType, Layout, Result, Shape, Tensor, backend::BackendStorage,
};

use super::{
    composed,
    real::Real,
    storage::{by_dtype, on_cpu, output, read, strided, tensor, values, widened},
};

/// `value` where `mask` is not 0, else `x`: torch's `masked_fill`.
///
/// `mask` is u8, of a shape that broadcasts to that of `x`. Replaced values get no gradient.
///
/// # Errors
///
/// Fails where the mask is not u8 or does not broadcast.
pub fn masked_fill(x: &Tensor, mask: &Tensor, value: f64) -> Result<Tensor> {
    if mask.dtype() != DType::U8 {
        candle_core::bail!(
            "masked-fill: the mask is {}: must be u8; comparisons such as `x.eq(y)` give one",
            mask.dtype().as_str()
        )
    }
    let mask = mask.broadcast_as(x.shape())?;
    if !x.device().is_cpu() {
        return composed::masked_fill(x, &mask.contiguous()?, value);
    }
    widened(x, |x| x.apply_op2(&mask, MaskedFill { value }))
}

struct MaskedFill {
    value: f64,
}

fn replaced<T: Real>(x: &[T], mask: &[u8], value: T) -> Vec<T> {
    x.iter()
        .zip(mask)
        .map(|(&x, &mask)| if mask == 0 { x } else { value })
        .collect()
}

impl CustomOp2 for MaskedFill {
    fn name(&self) -> &'static str {
        "masked-fill"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        mask: &CpuStorage,
        mask_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!(x.dtype(), self.name(), T => {
            let x = values::<T>(x, x_layout)?;
            let mask = strided(mask.as_slice::<u8>()?, mask_layout)?;
            Ok(output(replaced(&x, &mask, T::of(self.value)), x_layout.shape()))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        mask: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        by_dtype!(x.dtype(), self.name(), T => {
            read!(grad: T = grad, self.name());
            let (storage, layout) = mask.storage_and_layout();
            let mask = strided(on_cpu(&storage, self.name())?.as_slice::<u8>()?, layout)?;
            Ok((Some(tensor(replaced(&grad, &mask, <T as Real>::ZERO), x.shape())?), None))
        })
    }
}
