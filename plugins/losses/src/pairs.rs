//! Predictions and targets of regression: two tensors of one shape.

use patchbay::plugin::prelude::*;

use crate::{classes::floats, reduction::Reduction};

/// A prediction with its target, both in the prediction's type.
pub struct Pairs {
    /// Any shape.
    pub prediction: Tensor,
    /// The prediction's shape; 0 where it is missing.
    pub target: Tensor,
    /// 1 where there is a target, 0 where it is missing; `None` where all are there.
    mask: Option<Tensor>,
    counted: usize,
}

impl Pairs {
    /// Checks shapes. Where `skip_missing`, targets that are NaN do not count.
    ///
    /// # Errors
    ///
    /// Names the shapes where they differ.
    pub fn new(prediction: &Tensor, target: &Tensor, skip_missing: bool) -> Result<Self> {
        let prediction = floats("a prediction", prediction)?;
        if prediction.dims() != target.dims() {
            bail!(
                "prediction and target have one shape; got a prediction {:?} and a target {:?}",
                prediction.dims(),
                target.dims()
            );
        }
        let target = target.to_dtype(prediction.dtype())?;
        let counted = target.elem_count();
        if !skip_missing {
            return Ok(Pairs {
                prediction,
                target,
                mask: None,
                counted,
            });
        }
        // NaN is the only value that differs from itself.
        let there = target.eq(&target)?;
        let mask = there.to_dtype(prediction.dtype())?;
        let counted = there.to_dtype(DType::F64)?.sum_all()?.to_scalar::<f64>()? as usize;
        Ok(Pairs {
            target: there.where_cond(&target, &target.zeros_like()?)?,
            prediction,
            mask: Some(mask),
            counted,
        })
    }

    /// Reduces one value for each pair; missing ones give 0. The mean is over the pairs that are there.
    pub fn reduce(&self, values: Tensor, reduction: Reduction) -> Result<Tensor> {
        let values = match &self.mask {
            Some(mask) => (values * mask)?,
            None => values,
        };
        reduction.apply(&values, self.counted as f64)
    }
}
