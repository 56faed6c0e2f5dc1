//! Functions that PyTorch has: `torch::randn((2, 3))?`, `torch::cat(&[&a, &b], 0)?`.
//!
//! New tensors are on the default device, `device()`, and f32, or i64 of integers. candle's constructors (`Tensor::zeros`)
//! take both. What torch has as a function and a method is a method here: `x.exp()?`, `x.softmax(1)?`.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use candle_core::{DType, Device, Result, Shape, Tensor, WithDType, bail, shape::ShapeWithOneHole};

use patchbay_show::device::device;

pub use crate::einsum::einsum;
pub use patchbay_ops::matmul;

use crate::{
    axis::{Axis, dimension},
    select,
};

/// A number of Rust, and the element of the tensor that it becomes: i64 of integers, f32 of floats.
pub trait Number: Copy + std::fmt::Display + Values {
    /// Returns the element.
    fn element(self) -> Self::Element;

    /// Returns the number of 1.
    fn one() -> Self;

    /// Returns `start`, `start + step`, ... before `end`; `None` where the steps do not lead from one to the other.
    fn steps(start: Self, end: Self, step: Self) -> Option<Vec<Self::Element>>;
}

fn integer_steps(start: i64, end: i64, step: i64) -> Option<Vec<i64>> {
    // The way from one i64 to another may be longer than the largest i64.
    let (start, step) = (i128::from(start), i128::from(step));
    let way = i128::from(end) - start;
    if step == 0 || way.signum() * step.signum() < 0 {
        return None;
    }
    let count = (way.abs() + step.abs() - 1) / step.abs();
    // Each lies between the two ends, which are i64.
    let values = (0..count).map(|index| (start + step * index) as i64);
    Some(values.collect())
}

/// Counted in f64, so that no step adds to the errors of those before it.
fn float_steps(start: f64, end: f64, step: f64) -> Option<Vec<f32>> {
    let count = ((end - start) / step).ceil();
    if !count.is_finite() || count < 0.0 {
        return None;
    }
    let values = (0..count as usize).map(|index| (start + step * index as f64) as f32);
    Some(values.collect())
}

macro_rules! numbers {
    ($element:ty, $steps:ident: $($number:ty),*) => {$(
        impl Number for $number {
            fn element(self) -> $element {
                self as $element
            }

            fn one() -> $number {
                1 as $number
            }

            fn steps(start: $number, end: $number, step: $number) -> Option<Vec<$element>> {
                $steps(start.into(), end.into(), step.into())
            }
        }

        impl Values for $number {
            type Element = $element;

            fn shape(&self) -> Result<Vec<usize>> {
                Ok(Vec::new())
            }

            fn push(&self, values: &mut Vec<$element>) {
                values.push(self.element());
            }
        }
    )*};
}

/// Numbers and arrays of them, as [`tensor`] takes them.
pub trait Values {
    /// The numbers of the tensor.
    type Element: WithDType;

    /// Returns the lengths, the outermost first.
    ///
    /// # Errors
    ///
    /// Fails where rows differ in length.
    fn shape(&self) -> Result<Vec<usize>>;

    /// Appends the numbers in row-major order.
    fn push(&self, values: &mut Vec<Self::Element>);
}

numbers!(i64, integer_steps: i32, i64, u32, u8);
numbers!(f32, float_steps: f32, f64);

impl<T: Values> Values for [T] {
    type Element = T::Element;

    fn shape(&self) -> Result<Vec<usize>> {
        let first = self.first().map_or(Ok(Vec::new()), Values::shape)?;
        for row in self {
            let shape = row.shape()?;
            if shape != first {
                bail!("tensor: rows of shapes {first:?} and {shape:?}: must be of one shape")
            }
        }
        Ok([vec![self.len()], first].concat())
    }

    fn push(&self, values: &mut Vec<T::Element>) {
        self.iter().for_each(|row| row.push(values));
    }
}

impl<T: Values, const N: usize> Values for [T; N] {
    type Element = T::Element;

    fn shape(&self) -> Result<Vec<usize>> {
        self.as_slice().shape()
    }

    fn push(&self, values: &mut Vec<T::Element>) {
        self.as_slice().push(values);
    }
}

impl<T: Values> Values for Vec<T> {
    type Element = T::Element;

    fn shape(&self) -> Result<Vec<usize>> {
        self.as_slice().shape()
    }

    fn push(&self, values: &mut Vec<T::Element>) {
        // A vector's own `push` is another.
        Values::push(self.as_slice(), values);
    }
}

impl<T: Values + ?Sized> Values for &T {
    type Element = T::Element;

    fn shape(&self) -> Result<Vec<usize>> {
        (**self).shape()
    }

    fn push(&self, values: &mut Vec<T::Element>) {
        (**self).push(values);
    }
}

/// Returns a tensor of a number or of arrays of any depth, f32 of floats and i64 of integers: torch's `tensor`,
/// NumPy's `array`. `Tensor::new` keeps the numbers' own type.
///
/// # Errors
///
/// Fails where rows differ in length.
///
/// ```
/// # use patchbay::prelude::*;
/// let x = torch::tensor([[1.0, 2.0], [3.0, 4.0]])?;
/// assert_eq!((x.dims(), x.dtype()), (&[2, 2][..], DType::F32));
/// # Ok::<(), candle::Error>(())
/// ```
pub fn tensor<A: Values>(values: A) -> Result<Tensor> {
    let shape = values.shape()?;
    let mut flat = Vec::with_capacity(shape.iter().product());
    values.push(&mut flat);
    Tensor::from_vec(flat, shape, &device())
}

/// Returns zeros: torch's and NumPy's `zeros`. The shape is a number or a tuple.
///
/// # Errors
///
/// Fails where the device has no memory.
///
/// ```
/// # use patchbay::prelude::*;
/// assert_eq!(torch::zeros((2, 3))?.dims(), [2, 3]);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn zeros<S: Into<Shape>>(shape: S) -> Result<Tensor> {
    Tensor::zeros(shape, DType::F32, &device())
}

/// Returns ones: torch's and NumPy's `ones`.
///
/// # Errors
///
/// Fails where the device has no memory.
///
/// ```
/// # use patchbay::prelude::*;
/// assert_eq!(torch::ones(2)?.to_vec::<f32>()?, [1.0, 1.0]);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn ones<S: Into<Shape>>(shape: S) -> Result<Tensor> {
    Tensor::ones(shape, DType::F32, &device())
}

/// Returns `value` everywhere: torch's and NumPy's `full`; i64 of an integer, f32 of a float.
///
/// # Errors
///
/// Fails where the device has no memory.
///
/// ```
/// # use patchbay::prelude::*;
/// assert_eq!(torch::full((1, 2), 0.5)?.to_vec::<f32>()?, [0.5, 0.5]);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn full<S: Into<Shape>, T: Number>(shape: S, value: T) -> Result<Tensor> {
    Tensor::full(value.element(), shape, &device())
}

/// Draws from the standard normal distribution: torch's `randn`. It follows `nn::manual_seed`.
///
/// # Errors
///
/// Fails where the device has no memory.
///
/// ```
/// # use patchbay::prelude::*;
/// assert_eq!(torch::randn((2, 3))?.dims(), [2, 3]);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn randn<S: Into<Shape>>(shape: S) -> Result<Tensor> {
    Tensor::randn(0f32, 1f32, shape, &device())
}

/// Draws uniformly from 0 to below 1: torch's `rand`. It follows `nn::manual_seed`.
///
/// # Errors
///
/// Fails where the device has no memory.
///
/// ```
/// # use patchbay::prelude::*;
/// assert!(torch::rand(8)?.to_vec::<f32>()?.iter().all(|x| (0.0..1.0).contains(x)));
/// # Ok::<(), candle::Error>(())
/// ```
pub fn rand<S: Into<Shape>>(shape: S) -> Result<Tensor> {
    Tensor::rand(0f32, 1f32, shape, &device())
}

/// Draws integers from `low` to below `high`, as i64: torch's `randint`. It follows `nn::manual_seed`.
///
/// # Errors
///
/// Fails where `high` is not above `low`, or the two lie further apart than 2^53.
///
/// ```
/// # use patchbay::prelude::*;
/// assert!(torch::randint(3, 5, 8)?.to_vec::<i64>()?.iter().all(|x| *x == 3 || *x == 4));
/// # Ok::<(), candle::Error>(())
/// ```
pub fn randint<S: Into<Shape>>(low: i64, high: i64, shape: S) -> Result<Tensor> {
    let width = high
        .checked_sub(low)
        .filter(|width| (1..=1 << 53).contains(width));
    let Some(width) = width else {
        bail!(
            "randint: from {low} to below {high}: must be a range of at least one and at most 2^53 integers"
        )
    };
    let drawn = Tensor::rand(0f64, width as f64, shape, &device())?.floor()?;
    // A draw may round up to the end.
    let drawn = drawn.minimum((width - 1) as f64)?.to_dtype(DType::I64)?;
    drawn.broadcast_add(&Tensor::new(low, drawn.device())?)
}

/// Returns the numbers from 0 to below `count` in random order, as i64: torch's `randperm`. It follows `nn::manual_seed`.
///
/// # Errors
///
/// Fails where the device has no memory.
///
/// ```
/// # use patchbay::prelude::*;
/// let (sorted, _) = torch::randperm(4)?.sort(0, false)?;
/// assert_eq!(sorted.to_vec::<i64>()?, [0, 1, 2, 3]);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn randperm(count: usize) -> Result<Tensor> {
    let draws = Tensor::rand(0f64, 1f64, count, &Device::Cpu)?;
    crate::order::argsort(&draws, 0, false)?
        .to_dtype(DType::I64)?
        .to_device(&device())
}

/// Returns `start`, `start + 1`, ... below `end`: torch's and NumPy's `arange`; i64 of integers, f32 of floats.
///
/// # Errors
///
/// Fails where the device has no memory.
///
/// ```
/// # use patchbay::prelude::*;
/// assert_eq!(torch::arange(1, 4)?.to_vec::<i64>()?, [1, 2, 3]);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn arange<T: Number>(start: T, end: T) -> Result<Tensor> {
    steps(start, end, T::one())
}

/// Returns `start`, `start + step`, ... before `end`: torch's and NumPy's `arange(start, end, step)`.
///
/// # Errors
///
/// Fails for a step of 0, or of the wrong sign.
///
/// ```
/// # use patchbay::prelude::*;
/// assert_eq!(torch::arange_step(4, 0, -2)?.to_vec::<i64>()?, [4, 2]);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn arange_step<T: Number>(start: T, end: T, step: T) -> Result<Tensor> {
    steps(start, end, step)
}

fn steps<T: Number>(start: T, end: T, step: T) -> Result<Tensor> {
    let Some(values) = T::steps(start, end, step) else {
        bail!(
            "arange: from {start} to {end} in steps of {step}: the steps must lead from one to the other"
        )
    };
    let length = values.len();
    Tensor::from_vec(values, length, &device())
}

/// Returns `steps` numbers at equal distances from `start` to `end`, both among them: torch's and NumPy's `linspace`.
///
/// # Errors
///
/// Fails where the device has no memory.
///
/// ```
/// # use patchbay::prelude::*;
/// assert_eq!(torch::linspace(0.0, 1.0, 3)?.to_vec::<f32>()?, [0.0, 0.5, 1.0]);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn linspace(start: f64, end: f64, steps: usize) -> Result<Tensor> {
    let last = steps.saturating_sub(1).max(1) as f64;
    let values: Vec<f32> = (0..steps)
        // The second half counts from the end, so that it is met exactly.
        .map(|index| {
            let share = index as f64 / last;
            let value = if share < 0.5 {
                start + (end - start) * share
            } else {
                end - (end - start) * (1.0 - share)
            };
            value as f32
        })
        .collect();
    Tensor::from_vec(values, steps, &device())
}

/// Returns the identity matrix `[n, n]`: torch's and NumPy's `eye`.
///
/// # Errors
///
/// Fails where the device has no memory.
///
/// ```
/// # use patchbay::prelude::*;
/// assert_eq!(torch::eye(2)?.to_vec::<f32>()?, [1.0, 0.0, 0.0, 1.0]);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn eye(n: usize) -> Result<Tensor> {
    Tensor::eye(n, DType::F32, &device())
}

macro_rules! like {
    ($($(#[$doc:meta])* $name:ident = $method:path, $example:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        ///
        /// Fails where the device has no memory.
        ///
        /// ```
        /// # use patchbay::prelude::*;
        /// let x = torch::ones((2, 3))?;
        #[doc = $example]
        /// # Ok::<(), candle::Error>(())
        /// ```
        pub fn $name(x: &Tensor) -> Result<Tensor> {
            $method(x)
        }
    )*};
}

like!(
    /// Returns zeros of the tensor's shape, dtype and device.
    zeros_like = Tensor::zeros_like, "assert_eq!(torch::zeros_like(&x)?.dims(), [2, 3]);";
    /// Returns ones of the tensor's shape, dtype and device.
    ones_like = Tensor::ones_like, "assert_eq!(torch::ones_like(&x)?.dims(), [2, 3]);";
    /// Returns numbers that are equally likely between 0 and 1, of the tensor's shape, dtype and device.
    rand_like = uniform, "assert_eq!(torch::rand_like(&x)?.dims(), [2, 3]);";
    /// Returns normally distributed numbers of the tensor's shape, dtype and device.
    randn_like = normal, "assert_eq!(torch::randn_like(&x)?.dims(), [2, 3]);";
);

fn uniform(x: &Tensor) -> Result<Tensor> {
    x.rand_like(0.0, 1.0)
}

fn normal(x: &Tensor) -> Result<Tensor> {
    x.randn_like(0.0, 1.0)
}

/// Returns 1 at the place of each index and 0 elsewhere, in one more dimension of `classes`: `x.one_hot(classes)?`.
///
/// # Errors
///
/// Fails for floats and for an index that is none of a class.
///
/// ```
/// # use patchbay::prelude::*;
/// assert_eq!(torch::one_hot(&torch::tensor([0, 2])?, 3)?.dims(), [2, 3]);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn one_hot(indices: &Tensor, classes: usize) -> Result<Tensor> {
    crate::TensorMethods::one_hot(indices, classes)
}

/// Keeps what lies on and below a diagonal of the last two dimensions: `x.tril(diagonal)?`.
///
/// # Errors
///
/// Fails for fewer than two dimensions.
///
/// ```
/// # use patchbay::prelude::*;
/// assert_eq!(torch::tril(&torch::ones((2, 2))?, 0)?.sum_all()?.item()?, 3.0);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn tril(x: &Tensor, diagonal: i64) -> Result<Tensor> {
    crate::TensorMethods::tril(x, diagonal)
}

/// Keeps what lies on and above a diagonal of the last two dimensions: `x.triu(diagonal)?`.
///
/// # Errors
///
/// Fails for fewer than two dimensions.
///
/// ```
/// # use patchbay::prelude::*;
/// assert_eq!(torch::triu(&torch::ones((2, 2))?, 1)?.sum_all()?.item()?, 1.0);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn triu(x: &Tensor, diagonal: i64) -> Result<Tensor> {
    crate::TensorMethods::triu(x, diagonal)
}

/// Tells whether two tensors have one shape and equal elements: `a.equal(&b)?`.
///
/// # Errors
///
/// Fails for other dtypes than those of one another.
///
/// ```
/// # use patchbay::prelude::*;
/// let x = torch::ones((2, 3))?;
/// assert!(torch::equal(&x, &x)?);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn equal(a: &Tensor, b: &Tensor) -> Result<bool> {
    crate::TensorMethods::equal(a, b)
}

/// Tells whether all elements are near one another, as `a.allclose(&b)?` does.
///
/// # Errors
///
/// Fails where the shapes cannot be broadcast.
///
/// ```
/// # use patchbay::prelude::*;
/// let x = torch::ones((2, 3))?;
/// assert!(torch::allclose(&x, &(&x + 1e-9)?)?);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn allclose(a: &Tensor, b: &Tensor) -> Result<bool> {
    crate::TensorMethods::allclose(a, b)
}

/// Joins tensors along a dimension that they have: torch's `cat`, NumPy's `concatenate`.
///
/// # Errors
///
/// Fails for no tensor, and where the other dimensions or the dtypes differ.
///
/// ```
/// # use patchbay::prelude::*;
/// let x = torch::ones((1, 2))?;
/// assert_eq!(torch::cat(&[&x, &x], -1)?.dims(), [1, 4]);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn cat<T: AsRef<Tensor>, A: Axis>(tensors: &[T], dim: A) -> Result<Tensor> {
    let Some(first) = tensors.first() else {
        bail!("cat: there is no tensor: must be at least one")
    };
    Tensor::cat(tensors, dimension(first.as_ref(), dim.axis(), "cat")?)
}

/// Joins tensors of one shape along a new dimension: torch's and NumPy's `stack`.
///
/// # Errors
///
/// Fails for no tensor, and where shapes or dtypes differ.
///
/// ```
/// # use patchbay::prelude::*;
/// let x = torch::ones(2)?;
/// assert_eq!(torch::stack(&[&x, &x, &x], 0)?.dims(), [3, 2]);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn stack<T: AsRef<Tensor>, A: Axis>(tensors: &[T], dim: A) -> Result<Tensor> {
    let Some(first) = tensors.first() else {
        bail!("stack: there is no tensor: must be at least one")
    };
    let rank = first.as_ref().rank() as i64;
    let given = dim.axis();
    let dim = if given < 0 {
        given.saturating_add(rank + 1)
    } else {
        given
    };
    if !(0..=rank).contains(&dim) {
        bail!(
            "stack: dimension {given}: must be from {} to {rank}",
            -rank - 1
        )
    }
    Tensor::stack(tensors, dim as usize)
}

/// Takes the values of `a` where `condition` is not 0, and those of `b` elsewhere: torch's and NumPy's `where`. All three
/// broadcast.
///
/// # Errors
///
/// Fails where the shapes do not broadcast, or the dtypes of the values differ.
///
/// ```
/// # use patchbay::prelude::*;
/// let x = torch::tensor([-1.0, 2.0])?;
/// assert_eq!(torch::where_(&x.gt(0.0)?, &x, &x.zeros_like()?)?.to_vec::<f32>()?, [0.0, 2.0]);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn where_(condition: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    select::where_(condition, a, b)
}

/// Returns a tensor of values in row-major order: torch's `tensor(values).reshape(shape)`.
///
/// # Errors
///
/// Fails where the values do not fill the shape.
///
/// ```
/// # use patchbay::prelude::*;
/// assert_eq!(torch::from_vec(vec![1.0, 2.0], (2, 1))?.dims(), [2, 1]);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn from_vec<T: Number, S: ShapeWithOneHole>(values: Vec<T>, shape: S) -> Result<Tensor> {
    let length = values.len();
    let values: Vec<T::Element> = values.into_iter().map(Number::element).collect();
    Tensor::from_vec(values, length, &device())?.reshape(shape)
}

/// Writes tensors by name to a safetensors file: torch's `save` of a `state_dict`.
///
/// # Errors
///
/// Fails where the file cannot be written, and for a name that does not end in `.safetensors`.
///
/// ```
/// # use patchbay::prelude::*;
/// # let path = std::env::temp_dir().join("patchbay-torch-save.safetensors");
/// let layer = nn::linear(2, 3, nn::builder(&VarMap::new(), DType::F32, &device()))?;
/// torch::save(&layer.state_dict()?, &path)?;
/// layer.load_state_dict(&torch::load(&path)?)?;
/// # Ok::<(), candle::Error>(())
/// ```
pub fn save<'a>(
    tensors: impl IntoIterator<Item = (&'a String, &'a Tensor)>,
    path: impl AsRef<Path>,
) -> Result<()> {
    let path = path.as_ref();
    if path
        .extension()
        .is_none_or(|extension| extension != "safetensors")
    {
        bail!(
            "save: tensors are written as safetensors: torch::save(&tensors, {:?})?",
            path.with_extension("safetensors")
        )
    }
    let tensors: HashMap<&str, Tensor> = tensors
        .into_iter()
        .map(|(name, tensor)| (name.as_str(), tensor.clone()))
        .collect();
    candle_core::safetensors::save(&tensors, path)
}

/// Reads the tensors of a safetensors file, by name, to the default device: torch's `load`.
///
/// # Errors
///
/// Fails where there is no such file, or it is of another format; `weights::read` reads PyTorch's and ONNX files.
///
/// ```
/// # use patchbay::prelude::*;
/// # let path = std::env::temp_dir().join("patchbay-torch-load.safetensors");
/// torch::save(&std::collections::BTreeMap::from([("x".to_owned(), torch::ones(2)?)]), &path)?;
/// assert_eq!(torch::load(&path)?["x"].dims(), [2]);
/// # Ok::<(), candle::Error>(())
/// ```
pub fn load(path: impl AsRef<Path>) -> Result<BTreeMap<String, Tensor>> {
    let path = path.as_ref();
    if path
        .extension()
        .is_none_or(|extension| extension != "safetensors")
    {
        bail!(
            "load: {path:?} is no safetensors file; weights::read({path:?})? reads PyTorch's and ONNX files"
        )
    }
    let tensors = candle_core::safetensors::load(path, &device())
        .map_err(|error| error.context(format!("load: {}", path.display())))?;
    Ok(tensors.into_iter().collect())
}

/// Whether tensors live on an NVIDIA GPU.
pub mod cuda {
    /// Tells whether there is a GPU, which `device()` then is: torch's `cuda.is_available`.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::cuda::is_available(), device().is_cuda());
    /// ```
    pub fn is_available() -> bool {
        patchbay_show::device::device().is_cuda()
    }
}
