//! Logits and targets of classification, brought to one form.

use patchbay::{
    candle_core::{CpuStorage, Error, Storage},
    ops,
    plugin::prelude::*,
    serde_json::Value,
};

/// Logits in `f32` or `f64`, the classes on axis 1, with their targets.
pub struct Classes {
    /// `[batch, classes, ...]`.
    pub logits: Tensor,
    /// Class of each position, or a probability for each class.
    pub target: Target,
    /// How many classes there are.
    pub count: usize,
}

/// Targets of the logits.
pub enum Target {
    /// One class for each position.
    Index(Indices),
    /// A probability for each class: `[batch, classes, ...]` in the logits' type.
    Probabilities(Tensor),
}

/// One class for each position, `[batch, ...]`.
pub struct Indices {
    /// As it was given.
    pub tensor: Tensor,
    /// The class of each position in row-major order; [`IGNORED`] where it does not count.
    pub classes: Vec<u32>,
    /// How many classes there are.
    pub count: usize,
    /// How many targets count.
    pub counted: usize,
    /// Class that the config says to ignore, or a number that no target has.
    ignore: i64,
}

/// Stands for the class of targets that do not count.
pub const IGNORED: u32 = u32::MAX;

impl Indices {
    /// How many targets there are of each class.
    pub fn histogram(&self) -> Vec<usize> {
        histogram(&self.classes, self.count)
    }

    /// The logits with 0 where the target is ignored: NaN there, times 0, would still be NaN.
    ///
    /// # Errors
    ///
    /// Fails where the logits are not those of these targets.
    pub fn without_ignored(&self, logits: &Tensor) -> Result<Tensor> {
        if self.counted == self.classes.len() {
            return Ok(logits.clone());
        }
        let kept: Vec<u8> = self
            .classes
            .iter()
            .map(|&class| u8::from(class != IGNORED))
            .collect();
        let kept = Tensor::from_vec(kept, self.tensor.shape(), logits.device())?;
        keep(logits, &kept.unsqueeze(1)?.broadcast_as(logits.shape())?)
    }

    /// One number for each position, from its class, in `dtype`: `[batch, ...]`, 0 where it is ignored.
    pub fn map(&self, value: impl Fn(usize) -> f64, dtype: DType) -> Result<Tensor> {
        let by_class: Vec<f32> = (0..self.count).map(|class| value(class) as f32).collect();
        // What is ignored is beyond the end.
        let values: Vec<f32> = self
            .classes
            .iter()
            .map(|&class| by_class.get(class as usize).copied().unwrap_or(0.0))
            .collect();
        Tensor::from_vec(values, self.tensor.shape(), self.tensor.device())?.to_dtype(dtype)
    }
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
        let logits = floats("logits", logits)?;
        let target = if target.dtype().is_float() {
            if target.dims() != dims {
                bail!(
                    "a target of floats is probabilities with the logits' shape {dims:?}; got {:?}. A target \
                     of class indices has an integer type",
                    target.dims()
                );
            }
            let target = target.to_dtype(logits.dtype())?;
            check_probabilities(&target)?;
            Target::Probabilities(target)
        } else {
            let positions = positions(dims);
            if target.dims() != positions {
                bail!(
                    "logits {dims:?} need a target of class indices {positions:?}, got {:?}",
                    target.dims()
                );
            }
            Target::Index(indices(&logits, target, count, ignore_index)?)
        };
        Ok(Classes {
            logits,
            target,
            count,
        })
    }

    /// As [`Classes::new`], of a loss that knows class indices only.
    ///
    /// # Errors
    ///
    /// As [`Classes::new`], and where the target is probabilities.
    pub fn of_indices(
        logits: &Tensor,
        target: &Tensor,
        ignore_index: Option<i64>,
    ) -> Result<(Tensor, Indices)> {
        let classes = Self::new(logits, target, ignore_index)?;
        match classes.target {
            Target::Index(indices) => Ok((classes.logits, indices)),
            Target::Probabilities(target) => bail!(
                "this loss takes a target of class indices {:?} of an integer type; got {} {:?}. \
                 `target.argmax(1)?` makes class indices of probabilities",
                positions(logits.dims()),
                target.dtype().as_str(),
                target.dims()
            ),
        }
    }

    /// Cross entropy of each position, `[batch, ...]`, 0 where it is ignored. `weights` is empty or has one
    /// weight for each class.
    ///
    /// # Errors
    ///
    /// Fails where there is not one weight for each class.
    pub fn cross_entropy(&self, weights: &[f64], label_smoothing: f64) -> Result<Tensor> {
        let weight = self.weights(weights)?;
        let (target, ignore_index) = match &self.target {
            Target::Index(indices) => (&indices.tensor, indices.ignore),
            Target::Probabilities(target) => (target, i64::MIN),
        };
        let settings = ops::CrossEntropy {
            weight,
            ignore_index,
            label_smoothing,
            reduction: ops::Reduction::None,
        };
        ops::cross_entropy_with(&self.logits, target, &settings)
    }

    /// The weights of the classes as `[classes]`, or `None` where none are given.
    ///
    /// # Errors
    ///
    /// Fails where there is not one weight for each class.
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
        let weights = Tensor::from_slice(given, given.len(), self.logits.device())?;
        Ok(Some(weights.to_dtype(self.logits.dtype())?))
    }

    /// Numbers `[classes]` as `[1, classes, 1, ...]`, to be broadcast over the logits.
    pub fn along_classes(&self, values: &Tensor) -> Result<Tensor> {
        let mut shape = vec![1; self.logits.rank()];
        shape[1] = self.count;
        values.reshape(shape)
    }
}

/// Cross entropy `[batch, ...]` of logits against their indices, 0 where they are ignored.
pub fn cross_entropy_of(
    logits: &Tensor,
    target: &Indices,
    weight: Option<Tensor>,
) -> Result<Tensor> {
    let settings = ops::CrossEntropy {
        weight,
        ignore_index: target.ignore,
        label_smoothing: 0.0,
        reduction: ops::Reduction::None,
    };
    ops::cross_entropy_with(logits, &target.tensor, &settings)
}

/// `values` where `kept` is not 0, else 0 without a gradient; of one shape.
///
/// # Errors
///
/// Fails where the shapes differ.
pub fn keep(values: &Tensor, kept: &Tensor) -> Result<Tensor> {
    kept.contiguous()?.where_cond(values, &values.zeros_like()?)
}

/// 1 at each position's class, 0 elsewhere and where it is ignored: the logits' shape and type.
pub fn one_hot(logits: &Tensor, target: &Indices) -> Result<Tensor> {
    let count = logits.dim(1)?;
    let inner: usize = logits.dims()[2..].iter().product();
    let mut values = vec![0f32; logits.elem_count()];
    for (position, &class) in target.classes.iter().enumerate() {
        if class != IGNORED {
            let (batch, at) = (position / inner.max(1), position % inner.max(1));
            values[(batch * count + class as usize) * inner + at] = 1.0;
        }
    }
    Tensor::from_vec(values, logits.shape(), logits.device())?.to_dtype(logits.dtype())
}

/// The shape of the positions: that of the logits without their classes.
pub fn positions(logits: &[usize]) -> Vec<usize> {
    let mut positions = logits.to_vec();
    if positions.len() > 1 {
        positions.remove(1);
    }
    positions
}

/// A tensor to compute with: half precision becomes single.
///
/// # Errors
///
/// Fails where the type is not a float.
pub fn floats(name: &str, tensor: &Tensor) -> Result<Tensor> {
    match tensor.dtype() {
        DType::F32 | DType::F64 => Ok(tensor.clone()),
        dtype if dtype.is_float() => tensor.to_dtype(DType::F32),
        dtype => bail!("expected {name} of a float type, got {}", dtype.as_str()),
    }
}

/// Checks that a target's values are from 0 to 1.
///
/// # Errors
///
/// Names a value that is not.
pub fn check_probabilities(target: &Tensor) -> Result<()> {
    const ROUNDING: f64 = 1e-4;
    if target.elem_count() == 0 {
        return Ok(());
    }
    let flat = target.flatten_all()?;
    let least = flat.min(0)?.to_dtype(DType::F64)?.to_scalar::<f64>()?;
    let most = flat.max(0)?.to_dtype(DType::F64)?.to_scalar::<f64>()?;
    for value in [least, most] {
        if !(-ROUNDING..=1.0 + ROUNDING).contains(&value) {
            bail!(
                "a target of floats is probabilities from 0 to 1; this one {:?} contains {value}",
                target.dims()
            );
        }
    }
    Ok(())
}

/// How often each class occurs.
pub fn histogram(classes: &[u32], count: usize) -> Vec<usize> {
    // Two of them, so that equal neighbors do not wait for each other.
    let mut even = vec![0; count];
    let mut odd = vec![0; count];
    for pair in classes.chunks(2) {
        for (histogram, &class) in [&mut even, &mut odd].into_iter().zip(pair) {
            if let Some(seen) = histogram.get_mut(class as usize) {
                *seen += 1;
            }
        }
    }
    even.iter().zip(odd).map(|(even, odd)| even + odd).collect()
}

/// Reads the indices once on the host: they are checked and counted in the same pass.
fn indices(logits: &Tensor, target: &Tensor, count: usize, ignore: Option<i64>) -> Result<Indices> {
    let on_host = target.to_device(&Device::Cpu)?.contiguous()?;
    let (storage, layout) = on_host.storage_and_layout();
    let range = layout
        .contiguous_offsets()
        .map_or(0..0, |(start, end)| start..end);
    let ignored = ignore.map(|ignore| ops::ignored_value(target.dtype(), ignore));
    let read = match &*storage {
        Storage::Cpu(CpuStorage::I64(all)) => read(&all[range], count, ignored),
        Storage::Cpu(CpuStorage::U32(all)) => read(&all[range], count, ignored),
        Storage::Cpu(CpuStorage::U8(all)) => read(&all[range], count, ignored),
        Storage::Cpu(CpuStorage::I32(all)) => read(&all[range], count, ignored),
        Storage::Cpu(CpuStorage::I16(all)) => read(&all[range], count, ignored),
        _ => bail!(
            "expected a target of an integer type, got {}",
            target.dtype().as_str()
        ),
    };
    let (classes, counted) = read.map_err(|(position, class)| {
        Error::Msg(format!(
            "the target at position {position} of {:?} is class {class}; the logits {:?} have classes 0 to {}, and \
             ignore_index is {}",
            target.dims(),
            logits.dims(),
            count - 1,
            ignore.map_or_else(|| "not set".to_owned(), |ignore| ignore.to_string())
        ))
    })?;
    Ok(Indices {
        tensor: target.clone(),
        classes,
        count,
        counted,
        ignore: ignore.unwrap_or(i64::MIN),
    })
}

/// The classes and how many count, or the first that is none, with its position.
fn read<I: Copy + Into<i64>>(
    given: &[I],
    count: usize,
    ignore: Option<i64>,
) -> std::result::Result<(Vec<u32>, usize), (usize, i64)> {
    let (count, ignore) = (count as i64, ignore.unwrap_or(i64::MIN));
    let is_class = |value: i64| (value >= 0) & (value < count);
    let (mut wrong, mut counted) = (false, 0);
    let classes = given
        .iter()
        .map(|&value| {
            let value: i64 = value.into();
            let ignored = value == ignore;
            wrong |= !ignored & !is_class(value);
            counted += usize::from(!ignored);
            if ignored { IGNORED } else { value as u32 }
        })
        .collect();
    if wrong {
        for (position, &value) in given.iter().enumerate() {
            let value: i64 = value.into();
            if value != ignore && !is_class(value) {
                return Err((position, value));
            }
        }
    }
    Ok((classes, counted))
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

/// The sample of a loss of logits and class indices.
///
/// # Errors
///
/// Fails where a tensor cannot be made.
pub fn sample(settings: Value) -> Result<Sample> {
    let logits = [
        [0.3f32, -1.2, 0.5],
        [2.0, 0.1, -0.4],
        [-0.7, 0.9, 1.1],
        [0.2, 1.4, -2.0],
    ];
    Ok(Sample::new(settings)
        .dtypes(&[DType::F32, DType::F64, DType::BF16])
        .input("logits", Tensor::new(&logits, &Device::Cpu)?)
        .input("target", Tensor::new(&[0i64, 2, 1, 2], &Device::Cpu)?))
}
