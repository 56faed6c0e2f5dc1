//! Numbers that can be plotted: slices, vectors and arrays of them, and tensors.

use candle_core::{DType, Tensor};

use crate::Result;

/// A list of numbers. Tensors are taken flat, whatever their shape.
pub trait Numbers {
    /// The numbers as `f64`.
    ///
    /// # Errors
    ///
    /// Fails where a tensor's values cannot be read.
    fn numbers(&self) -> Result<Vec<f64>>;
}

macro_rules! plain_numbers {
    ($($number:ty),*) => {$(
        impl Numbers for [$number] {
            fn numbers(&self) -> Result<Vec<f64>> {
                Ok(self.iter().map(|&value| value as f64).collect())
            }
        }

        impl<const N: usize> Numbers for [$number; N] {
            fn numbers(&self) -> Result<Vec<f64>> {
                self.as_slice().numbers()
            }
        }

        impl Numbers for Vec<$number> {
            fn numbers(&self) -> Result<Vec<f64>> {
                self.as_slice().numbers()
            }
        }
    )*};
}

plain_numbers!(f64, f32, i64, i32, i16, u64, u32, u16, u8, usize, isize);

impl Numbers for Tensor {
    fn numbers(&self) -> Result<Vec<f64>> {
        self.detach().flatten_all()?.to_dtype(DType::F64)?.to_vec1()
    }
}

impl<T: Numbers + ?Sized> Numbers for &T {
    fn numbers(&self) -> Result<Vec<f64>> {
        (**self).numbers()
    }
}
