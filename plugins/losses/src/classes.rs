//! Logits and targets of classification, brought to one form.

use patchbay::plugin::prelude::*;

/// Logits in `f32` or `f64`, the classes on axis 1, with their targets.
pub struct Classes {
    /// `[batch, classes, ...]`.
    pub logits: Tensor,
    pub target: Target,
    /// How many classes there are.
    pub count: usize,
}

/// What the logits should be.
pub enum Target {
    /// One class for each position.
    Index {
        /// `[batch, 1, ...]` (`u32`), 0 where the target is ignored.
        class: Tensor,
        /// `[batch, 1, ...]` in the logits' type: 1 where the target counts, 0 where it is ignored.
        /// `None` where all count.
        counts: Option<Tensor>,
        /// How many targets there are of each class.
        histogram: Vec<usize>,
    },
    /// A probability for each class: `[batch, classes, ...]` in the logits' type.
    Probabilities(Tensor),
}

impl Classes {
    /// Checks shapes and values. `ignore_index` is the class index of targets that do not count.
    ///
    /// # Errors
    ///
    /// Names the shape or the value that does not fit.
    pub fn new(logits: &Tensor, target: &Tensor, ignore_index: Option<i64>) -> Result<Self> {
        let dims = logits.dims();
        if dims.len() < 2 || dims[1] == 0 {
            bail!(
                "expected logits [batch, classes] or [batch, classes, height, width], got {dims:?}"
            );
        }
        let count = dims[1];
        let logits = match logits.dtype() {
            DType::F32 | DType::F64 => logits.clone(),
            dtype if dtype.is_float() => logits.to_dtype(DType::F32)?,
            dtype => bail!("expected logits of a float type, got {}", dtype.as_str()),
        };
        let positions: Vec<usize> = dims
            .iter()
            .enumerate()
            .filter(|(axis, _)| *axis != 1)
            .map(|(_, &n)| n)
            .collect();
        let target = if target.dtype().is_float() {
            if target.dims() != dims {
                bail!(
                    "a target of floats is probabilities with the logits' shape {dims:?}; got {:?}. A target \
                     of class indices has an integer type",
                    target.dims()
                );
            }
            Target::Probabilities(target.to_dtype(logits.dtype())?)
        } else {
            if target.dims() != positions {
                bail!(
                    "logits {dims:?} need a target of class indices {positions:?}, got {:?}",
                    target.dims()
                );
            }
            Self::indices(&logits, target, count, ignore_index)?
        };
        Ok(Classes {
            logits,
            target,
            count,
        })
    }

    /// Reads the indices once on the host: they are checked and counted in the same pass.
    fn indices(
        logits: &Tensor,
        target: &Tensor,
        count: usize,
        ignore: Option<i64>,
    ) -> Result<Target> {
        let shape = target.unsqueeze(1)?.shape().clone();
        let given = target
            .to_dtype(DType::I64)?
            .flatten_all()?
            .to_vec1::<i64>()?;
        let mut histogram = vec![0; count];
        let mut classes = Vec::with_capacity(given.len());
        let mut any_ignored = false;
        for (position, &class) in given.iter().enumerate() {
            if Some(class) == ignore {
                any_ignored = true;
                classes.push(0);
            } else if let Some(seen) = usize::try_from(class)
                .ok()
                .and_then(|class| histogram.get_mut(class))
            {
                *seen += 1;
                classes.push(class as u32);
            } else {
                bail!(
                    "the target at position {position} of {:?} is class {class}; the logits {:?} have classes \
                     0 to {}, and ignore_index is {}",
                    target.dims(),
                    logits.dims(),
                    count - 1,
                    ignore.map_or_else(|| "not set".to_owned(), |ignore| ignore.to_string())
                );
            }
        }
        let counts = if any_ignored {
            let counts: Vec<f32> = given
                .iter()
                .map(|&class| if Some(class) == ignore { 0.0 } else { 1.0 })
                .collect();
            Some(Tensor::from_vec(counts, &shape, logits.device())?.to_dtype(logits.dtype())?)
        } else {
            None
        };
        let class = Tensor::from_vec(classes, &shape, logits.device())?;
        Ok(Target::Index {
            class,
            counts,
            histogram,
        })
    }

    /// `log softmax` over the classes, `[batch, classes, ...]`.
    ///
    /// The maximum is taken as a constant: its gradient is 0 in exact arithmetic, and candle would
    /// give the full gradient to each of several equal maxima.
    pub fn log_probabilities(&self) -> Result<Tensor> {
        let shifted = self
            .logits
            .broadcast_sub(&self.logits.max_keepdim(1)?.detach())?;
        shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(1)?.log()?)
    }

    /// The weights of the classes as `[1, classes, 1, ...]`, or `None` where none are given.
    ///
    /// # Errors
    ///
    /// Fails where there is not one finite weight, not below 0, for each class.
    pub fn weights(&self, given: &[f64]) -> Result<Option<Tensor>> {
        if given.is_empty() {
            return Ok(None);
        }
        if given.len() != self.count {
            bail!(
                "the config gives {} weights, the logits {:?} have {} classes",
                given.len(),
                self.logits.dims(),
                self.count
            );
        }
        let mut shape = vec![1; self.logits.rank()];
        shape[1] = self.count;
        Ok(Some(
            Tensor::from_slice(given, shape, self.logits.device())?
                .to_dtype(self.logits.dtype())?,
        ))
    }
}

/// Checks weights that come from a config.
///
/// # Errors
///
/// Fails where a weight is below 0 or not finite.
pub fn check_weights(weights: &[f64]) -> Result<()> {
    match weights
        .iter()
        .position(|weight| !(weight.is_finite() && *weight >= 0.0))
    {
        Some(index) => bail!(
            "weights[{index}] is {}; a weight is finite and at least 0",
            weights[index]
        ),
        None => Ok(()),
    }
}

/// Picks the value of each position's class: `values` `[batch, classes, ...]`, `class`
/// `[batch, 1, ...]`, result `[batch, 1, ...]`.
pub fn pick(values: &Tensor, class: &Tensor) -> Result<Tensor> {
    values.contiguous()?.gather(&class.contiguous()?, 1)
}

/// The weight of each position's class: `weights` `[1, classes, 1, ...]`, result `[batch, 1, ...]`.
pub fn pick_weight(weights: &Tensor, class: &Tensor) -> Result<Tensor> {
    weights
        .flatten_all()?
        .index_select(&class.flatten_all()?, 0)?
        .reshape(class.shape())
}
