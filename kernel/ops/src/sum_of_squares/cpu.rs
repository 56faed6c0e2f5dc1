//! The kernels of the CPU.

use candle_core::{DType, Result, Tensor};
use rayon::prelude::*;

use crate::{
    real::Real,
    rows::dot,
    simd::{GRAIN, simd_kernel},
    storage::{by_dtype, cpu_storage, values},
};

/// Σ x², summed in f64, of a tensor on the CPU.
pub(super) fn squares(x: &Tensor) -> Result<f64> {
    let x = x.detach();
    let x = if matches!(x.dtype(), DType::F16 | DType::BF16) {
        x.to_dtype(DType::F32)?
    } else {
        x
    };
    by_dtype!(x.dtype(), "sum-of-squares", T => {
        let (storage, layout) = x.storage_and_layout();
        let x = values::<T>(cpu_storage(&storage, "sum-of-squares")?, layout)?;
        let sums: Vec<f64> = x.par_chunks(GRAIN).map(of_piece).collect();
        Ok(sums.iter().sum())
    })
}

simd_kernel! {
    fn of_piece['a, T: Real](x: &'a [T]) -> f64 {
        // Pieces small enough for a sum in f32 to be exact to its last digits.
        let mut sum = 0.0;
        for piece in x.chunks(1024) {
            sum += dot(piece, piece).as_f64();
        }
        sum
    }
}
