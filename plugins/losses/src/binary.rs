//! Logits and targets of yes-or-no questions, brought to one form: a sigmoid for each logit.

use patchbay::{ops, plugin::prelude::*};

use crate::classes::{Classes, Target, check_probabilities, floats, keep, one_hot, positions};

/// Logits with a target for each.
pub struct Binary {
    /// `[batch, ...]` in `f32` or `f64`; 0 where the target is ignored.
    pub logits: Tensor,
    /// The logits' shape and type, from 0 to 1; 0 where it is ignored.
    pub target: Tensor,
    /// The logits' shape and type: 1 where the target counts, 0 where it is ignored; `None` where all count.
    pub mask: Option<Tensor>,
    /// How many logits count.
    pub counted: usize,
    /// Whether all targets are 0 or 1.
    pub labels: bool,
}

impl Binary {
    /// Takes, for logits `[batch, classes, ...]`, a target of
    ///
    /// - the logits' shape: probabilities (floats), or 0, 1 and `ignore_index` (integers);
    /// - `[batch, ...]` (integers) with one logit for each position: 0, 1 and `ignore_index`;
    /// - `[batch, ...]` (integers) with several classes: class indices, of which each is yes for one class.
    ///
    /// # Errors
    ///
    /// Names the shape or the value that does not fit.
    pub fn new(logits: &Tensor, target: &Tensor, ignore_index: Option<i64>) -> Result<Self> {
        let dims = logits.dims();
        if dims.is_empty() {
            bail!(
                "expected logits [batch, classes] or [batch, classes, height, width], got a scalar []"
            );
        }
        if target.dtype().is_float() {
            let logits = floats("logits", logits)?;
            if target.dims() != dims {
                bail!(
                    "a target of floats is probabilities with the logits' shape {dims:?}; got {:?}. A target \
                     of class indices has an integer type",
                    target.dims()
                );
            }
            let target = target.to_dtype(logits.dtype())?;
            check_probabilities(&target)?;
            let counted = target.elem_count();
            let between = (&target * target.affine(-1.0, 1.0)?)?.abs()?;
            let between = ops::sum_all(&between)?;
            return Ok(Binary {
                logits,
                target,
                mask: None,
                counted,
                labels: between.to_dtype(DType::F64)?.to_scalar::<f64>()? == 0.0,
            });
        }
        let one_logit = dims.len() > 1 && dims[1] == 1 && target.dims() == positions(dims);
        if target.dims() == dims || one_logit {
            return Self::labels(logits, &target.reshape(dims)?, ignore_index);
        }
        let classes = Classes::new(logits, target, ignore_index)?;
        let Target::Index(indices) = classes.target else {
            bail!("a target of an integer type is class indices");
        };
        let counted = indices.counted * classes.count;
        let mask = if counted < classes.logits.elem_count() {
            let counts = indices.map(|_| 1.0, classes.logits.dtype())?;
            Some(counts.unsqueeze(1)?.broadcast_as(dims)?.contiguous()?)
        } else {
            None
        };
        Ok(Binary {
            target: one_hot(&classes.logits, &indices)?,
            logits: indices.without_ignored(&classes.logits)?,
            mask,
            counted,
            labels: true,
        })
    }

    /// The target 0, 1 or `ignore` for each logit.
    fn labels(logits: &Tensor, target: &Tensor, ignore: Option<i64>) -> Result<Self> {
        let logits = floats("logits", logits)?;
        let given = target
            .to_dtype(DType::I64)?
            .flatten_all()?
            .to_vec1::<i64>()?;
        let mut values = Vec::with_capacity(given.len());
        let mut counts = Vec::with_capacity(given.len());
        let ignored_value = ignore.map(|ignore| ops::ignored_value(target.dtype(), ignore));
        for (position, &label) in given.iter().enumerate() {
            let ignored = Some(label) == ignored_value;
            if !ignored && label != 0 && label != 1 {
                bail!(
                    "the target at position {position} of {:?} is {label}; with one logit for each target it \
                     is 0 or 1, and ignore_index is {}",
                    target.dims(),
                    ignore.map_or_else(|| "not set".to_owned(), |ignore| ignore.to_string())
                );
            }
            values.push(if ignored { 0.0 } else { label as f32 });
            counts.push(if ignored { 0f32 } else { 1.0 });
        }
        let counted = counts.iter().filter(|&&count| count > 0.0).count();
        let tensor = |values: Vec<f32>| {
            Tensor::from_vec(values, logits.shape(), logits.device())?.to_dtype(logits.dtype())
        };
        let target = tensor(values)?;
        let (kept, mask) = if counted < counts.len() {
            let mask = tensor(counts)?;
            (keep(&logits, &mask.to_dtype(DType::U8)?)?, Some(mask))
        } else {
            (logits.clone(), None)
        };
        Ok(Binary {
            target,
            mask,
            counted,
            logits: kept,
            labels: true,
        })
    }

    /// `values` of the logits' shape with 0 where the target is ignored.
    pub fn masked(&self, values: Tensor) -> Result<Tensor> {
        match &self.mask {
            Some(mask) => values * mask,
            None => Ok(values),
        }
    }
}
