//! Former names, for one release.

use candle_core::{Result, Tensor};

/// The former name of [`crate::l2_normalize`].
///
/// # Errors
///
/// As there.
#[deprecated(since = "0.2.0", note = "its name is `ops::l2_normalize`")]
pub fn l2_normalise(x: &Tensor, dim: i64, eps: f64) -> Result<Tensor> {
    crate::l2_normalize(x, dim, eps)
}

/// The former place of [`crate::kth_largest`].
#[deprecated(since = "0.2.0", note = "its name is `ops::kth_largest`")]
pub mod largest {
    pub use crate::kth_largest;
}

/// The former place of [`crate::optimizer_step`] and its rules.
#[deprecated(
    since = "0.2.0",
    note = "its names are `ops::{optimizer_step, AdamRule, AdamFactors, OptimizerRule}`"
)]
pub mod optimiser_step {
    pub use crate::{
        AdamFactors as Factors, AdamRule as Adam, OptimizerRule as Rule, optimizer_step as update,
    };
}

#[cfg(test)]
mod tests {
    #![allow(deprecated)]

    use candle_core::Device;

    use super::*;

    #[test]
    fn a_former_name_is_the_function() {
        let x = Tensor::new(&[[3f32, 4.0]], &Device::Cpu).unwrap();
        let y = l2_normalise(&x, -1, 1e-12).unwrap();
        assert_eq!(y.to_vec2::<f32>().unwrap(), [[0.6, 0.8]]);
        let least = largest::kth_largest(&x, 2).unwrap();
        assert_eq!(least.to_vec2::<f32>().unwrap(), [[3.0]]);
    }
}
