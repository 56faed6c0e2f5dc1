//! The kernels of the CPU.

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, backend::BackendStorage};
use rayon::prelude::*;

use crate::{
    real::Real,
    simd::{GRAIN, simd_kernel},
    storage::{by_dtype, slice_mut, values},
};

pub(super) struct EmaUpdate {
    pub(super) decay: f64,
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
