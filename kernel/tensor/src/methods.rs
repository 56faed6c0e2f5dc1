//! The methods, a name each; what they do is in the modules beside this one.

use candle_core::{DType, Device, Result, Tensor, WithDType};

use patchbay_ops as ops;

use crate::{
    axis::{Axis, dimension},
    compare::{self, Logic},
    destination::{self, Destination},
    elementwise, order, reduce, select, shape,
    view::{self, ViewShape},
};

/// The methods that PyTorch's tensors have and candle's `Tensor` lacks; cells and plugins have them without an import.
///
/// Dimensions are integers, negative ones from the end, or candle's `D::Minus1`.
pub trait TensorMethods {
    /// Returns the tensor itself.
    #[doc(hidden)]
    fn tensor(&self) -> &Tensor;

    /// Returns the number of values: torch's `numel`, NumPy's `size`.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.numel(), 4);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn numel(&self) -> usize {
        self.tensor().elem_count()
    }

    /// Returns the number of dimensions: torch's and NumPy's `ndim`.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.ndim(), 2);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn ndim(&self) -> usize {
        self.tensor().rank()
    }

    /// Returns the length of a dimension: torch's `size(dim)`. `x.dims()` has all.
    ///
    /// # Errors
    ///
    /// Fails where there is no such dimension.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.size(-1)?, 2);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn size<A: Axis>(&self, dim: A) -> Result<usize> {
        let dim = dimension(self.tensor(), dim.axis(), "size")?;
        Ok(self.tensor().dims()[dim])
    }

    /// Returns the only value, whatever the shape and dtype: torch's `item`. `to_scalar::<T>()` keeps the dtype.
    ///
    /// # Errors
    ///
    /// Fails where there is not exactly one value.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let loss = torch::tensor([[0.5]])?;
    /// assert_eq!(loss.item()?, 0.5);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn item(&self) -> Result<f64> {
        reduce::item(self.tensor())
    }

    /// Returns all values in row-major order, converted to `T`: NumPy's `ravel().tolist()`. `to_vec2` keeps rows.
    ///
    /// # Errors
    ///
    /// Fails where there is no conversion to `T`.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.to_vec::<f32>()?, [3.0, 1.0, 2.0, 4.0]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn to_vec<T: WithDType>(&self) -> Result<Vec<T>> {
        self.tensor()
            .detach()
            .flatten_all()?
            .to_dtype(T::DTYPE)?
            .to_vec1()
    }

    /// Returns the values of a vector: torch's `tolist`.
    ///
    /// # Errors
    ///
    /// Fails for other ranks, for which `to_vec2`, `to_vec3` and `to_vec` are there.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::arange(0, 3)?.tolist()?, [0.0, 1.0, 2.0]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn tolist(&self) -> Result<Vec<f64>> {
        let x = self.tensor();
        if x.rank() != 1 {
            candle_core::bail!(
                "tolist: the input is {:?}: must be a vector; `to_vec2::<f32>()` keeps rows, `to_vec::<f32>()` takes all, `item()` one",
                x.dims()
            )
        }
        self.to_vec()
    }

    /// Converts to a dtype, or moves to a device: torch's `to`. Takes a `DType`, a `Device`, `"cpu"`, `"cuda"` or a
    /// tensor. The gradient comes back.
    ///
    /// # Errors
    ///
    /// Fails where there is no such device or conversion.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.to(DType::F64)?.to(&device())?.dtype(), DType::F64);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn to<K: Destination>(&self, to: K) -> Result<Tensor> {
        to.of(self.tensor())
    }

    /// Converts to f32: torch's `float`.
    ///
    /// # Errors
    ///
    /// Fails where there is no conversion.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::ones(3)?.float()?.dtype(), DType::F32);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn float(&self) -> Result<Tensor> {
        self.tensor().to_dtype(DType::F32)
    }

    /// Converts to f64: torch's `double`.
    ///
    /// # Errors
    ///
    /// Fails where there is no conversion.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::ones(3)?.double()?.dtype(), DType::F64);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn double(&self) -> Result<Tensor> {
        self.tensor().to_dtype(DType::F64)
    }

    /// Converts to f16: torch's `half`.
    ///
    /// # Errors
    ///
    /// Fails where there is no conversion.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::ones(3)?.half()?.dtype(), DType::F16);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn half(&self) -> Result<Tensor> {
        self.tensor().to_dtype(DType::F16)
    }

    /// Converts to bf16: torch's `bfloat16`.
    ///
    /// # Errors
    ///
    /// Fails where there is no conversion.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::ones(3)?.bfloat16()?.dtype(), DType::BF16);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn bfloat16(&self) -> Result<Tensor> {
        self.tensor().to_dtype(DType::BF16)
    }

    /// Converts to i64: torch's `long`; fractions are cut off.
    ///
    /// # Errors
    ///
    /// Fails where there is no conversion.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::ones(3)?.long()?.dtype(), DType::I64);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn long(&self) -> Result<Tensor> {
        self.tensor().to_dtype(DType::I64)
    }

    /// Converts to i32: torch's `int`; fractions are cut off.
    ///
    /// # Errors
    ///
    /// Fails where there is no conversion.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::ones(3)?.int()?.dtype(), DType::I32);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn int(&self) -> Result<Tensor> {
        self.tensor().to_dtype(DType::I32)
    }

    /// Tells of each value whether it is not 0, as a u8 mask: torch's `bool`.
    ///
    /// # Errors
    ///
    /// Fails where the dtype has no comparison.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::tensor([0.0, -2.0])?.bool()?.to_vec::<u8>()?, [0, 1]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn bool(&self) -> Result<Tensor> {
        self.tensor().ne(0.0)
    }

    /// Moves to the CPU: torch's `cpu`.
    ///
    /// # Errors
    ///
    /// Fails where the device does.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert!(!torch::ones(3)?.cpu()?.is_cuda());
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn cpu(&self) -> Result<Tensor> {
        self.tensor().to_device(&Device::Cpu)
    }

    /// Moves to the GPU: torch's `cuda`. `x.to(&device())?` goes to whichever device there is.
    ///
    /// # Errors
    ///
    /// Fails where there is no GPU.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::ones(3)?.cuda().is_ok(), device().is_cuda());
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn cuda(&self) -> Result<Tensor> {
        self.tensor().to_device(&destination::gpu()?)
    }

    /// Tells whether the tensor is on an NVIDIA GPU: torch's `is_cuda`.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::ones(3)?.is_cuda(), device().is_cuda());
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn is_cuda(&self) -> bool {
        self.tensor().device().is_cuda()
    }

    /// Returns the values in another shape, in which one length may be -1 or `()`: torch's `view` and `reshape`. Copies
    /// where it must.
    ///
    /// # Errors
    ///
    /// Fails where the values do not fill the shape.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.view(-1)?.dims(), [4]);
    /// assert_eq!(x.view((4, -1))?.dims(), [4, 1]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn view<S: ViewShape>(&self, shape: S) -> Result<Tensor> {
        view::view(self.tensor(), &shape.extents())
    }

    /// Returns the values in the shape of `other`: torch's `view_as`.
    ///
    /// # Errors
    ///
    /// Fails where the numbers of values differ.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.view_as(&torch::ones(4)?)?.dims(), [4]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn view_as(&self, other: &Tensor) -> Result<Tensor> {
        self.tensor().reshape(other.shape())
    }

    /// Repeats along dimensions of length 1 up to the shape of `other`: torch's `expand_as`.
    ///
    /// # Errors
    ///
    /// Fails where the shape does not broadcast to that of `other`.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(torch::ones(2)?.expand_as(&x)?.dims(), [2, 2]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn expand_as(&self, other: &Tensor) -> Result<Tensor> {
        ops::broadcast_as(self.tensor(), other.shape())
    }

    /// Returns all values as a vector in row-major order: torch's and NumPy's `ravel`.
    ///
    /// # Errors
    ///
    /// Fails where the device has no memory.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.ravel()?.dims(), [4]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn ravel(&self) -> Result<Tensor> {
        self.tensor().flatten_all()
    }

    /// Removes all dimensions of length 1: torch's `squeeze()` without a dimension.
    ///
    /// # Errors
    ///
    /// Fails where the device has no memory.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::ones((1, 3, 1))?.squeeze_all()?.dims(), [3]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn squeeze_all(&self) -> Result<Tensor> {
        shape::squeeze_all(self.tensor())
    }

    /// Exchanges two dimensions: torch's and NumPy's `swapaxes`, candle's `transpose` with negative dimensions.
    ///
    /// # Errors
    ///
    /// Fails where there is no such dimension.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::ones((2, 3))?.swapaxes(0, -1)?.dims(), [3, 2]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn swapaxes<A: Axis, B: Axis>(&self, a: A, b: B) -> Result<Tensor> {
        let x = self.tensor();
        x.transpose(
            dimension(x, a.axis(), "swapaxes")?,
            dimension(x, b.axis(), "swapaxes")?,
        )
    }

    /// Moves a dimension to another position: torch's `movedim`, NumPy's `moveaxis`.
    ///
    /// # Errors
    ///
    /// Fails where there is no such dimension.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::ones((2, 3, 4))?.movedim(0, -1)?.dims(), [3, 4, 2]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn movedim<A: Axis, B: Axis>(&self, source: A, destination: B) -> Result<Tensor> {
        shape::movedim(self.tensor(), source.axis(), destination.axis())
    }

    /// Returns the part at `index`, which may be negative, of a dimension, which the result has no more: torch's
    /// `select`, `x[index]` for dimension 0.
    ///
    /// # Errors
    ///
    /// Fails where there is no such dimension or index.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.select(0, -1)?.to_vec::<f32>()?, [2.0, 4.0]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn select<A: Axis, B: Axis>(&self, dim: A, index: B) -> Result<Tensor> {
        shape::select(self.tensor(), dim.axis(), index.axis())
    }

    /// Cuts a dimension into parts of `size`, the last of what is left: torch's `split`.
    ///
    /// # Errors
    ///
    /// Fails where there is no such dimension, and for a size of 0.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::ones(5)?.split(2, 0)?[2].dims(), [1]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn split<A: Axis>(&self, size: usize, dim: A) -> Result<Vec<Tensor>> {
        shape::split(self.tensor(), size, dim.axis())
    }

    /// Returns the parts of a dimension, which they have no more: torch's `unbind`, `for row in x` for dimension 0.
    ///
    /// # Errors
    ///
    /// Fails where there is no such dimension.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.unbind(0)?.len(), 2);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn unbind<A: Axis>(&self, dim: A) -> Result<Vec<Tensor>> {
        shape::unbind(self.tensor(), dim.axis())
    }

    /// Repeats each part of a dimension in place: torch's `repeat_interleave`, NumPy's `repeat`.
    ///
    /// # Errors
    ///
    /// Fails where there is no such dimension.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([1.0, 2.0])?;
    /// assert_eq!(x.repeat_interleave(2, 0)?.to_vec::<f32>()?, [1.0, 1.0, 2.0, 2.0]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn repeat_interleave<A: Axis>(&self, times: usize, dim: A) -> Result<Tensor> {
        shape::repeat_interleave(self.tensor(), times, dim.axis())
    }

    /// Multiplies matrices: [n, m] by [m, k] to [n, k], torch's `mm`.
    ///
    /// # Errors
    ///
    /// Fails where the shapes do not fit.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.mm(&torch::eye(2)?)?.to_vec::<f32>()?, x.to_vec::<f32>()?);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn mm(&self, other: &Tensor) -> Result<Tensor> {
        linear("mm", 2, self.tensor(), other)
    }

    /// Multiplies batches of matrices: [b, n, m] by [b, m, k] to [b, n, k], torch's `bmm`.
    ///
    /// # Errors
    ///
    /// Fails where the shapes do not fit.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let (a, b) = (torch::ones((5, 2, 3))?, torch::ones((5, 3, 4))?);
    /// assert_eq!(a.bmm(&b)?.dims(), [5, 2, 4]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn bmm(&self, other: &Tensor) -> Result<Tensor> {
        linear("bmm", 3, self.tensor(), other)
    }

    /// Multiplies each value of a vector by each of another: `[n]` and `[m]` to `[n, m]`, torch's and NumPy's `outer`.
    ///
    /// # Errors
    ///
    /// Fails where one is no vector.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([1.0, 2.0])?;
    /// assert_eq!(x.outer(&x)?.to_vec::<f32>()?, [1.0, 2.0, 2.0, 4.0]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn outer(&self, other: &Tensor) -> Result<Tensor> {
        let (n, m) = (self.tensor().dims1()?, other.dims1()?);
        ops::broadcast_mul(&self.tensor().reshape((n, 1))?, &other.reshape((1, m))?)
    }

    /// Returns the diagonal of a matrix: torch's and NumPy's `diagonal`, `diag` of a matrix.
    ///
    /// # Errors
    ///
    /// Fails where the rank is not 2.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.diagonal()?.to_vec::<f32>()?, [3.0, 4.0]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn diagonal(&self) -> Result<Tensor> {
        reduce::diagonal(self.tensor())
    }

    /// Returns the sum of the diagonal of a matrix, `[]`: torch's and NumPy's `trace`.
    ///
    /// # Errors
    ///
    /// Fails where the rank is not 2.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.trace()?.item()?, 7.0);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn trace(&self) -> Result<Tensor> {
        reduce::trace(self.tensor())
    }

    /// Returns exp x over its sum along a dimension: torch's `softmax(dim)`.
    ///
    /// # Errors
    ///
    /// Fails where there is no such dimension.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.softmax(-1)?.dims(), [2, 2]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn softmax<A: Axis>(&self, dim: A) -> Result<Tensor> {
        ops::softmax_dim(self.tensor(), dim.axis())
    }

    /// Returns the logarithm of the softmax along a dimension: torch's `log_softmax(dim)`.
    ///
    /// # Errors
    ///
    /// Fails where there is no such dimension.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert!(x.log_softmax(1)?.to_vec::<f32>()?[0] < 0.0);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn log_softmax<A: Axis>(&self, dim: A) -> Result<Tensor> {
        ops::log_softmax_dim(self.tensor(), dim.axis())
    }

    /// Returns the logarithm of the sum of exp x along a dimension, which the result has no more: torch's `logsumexp`.
    /// Its sums are exact; candle's `log_sum_exp` adds in the tensor's own dtype.
    ///
    /// # Errors
    ///
    /// Fails where there is no such dimension, or nothing in it.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([1000.0, 1000.0])?;
    /// assert!((x.logsumexp(0)?.item()? - 1000.6931).abs() < 1e-3);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn logsumexp<A: Axis>(&self, dim: A) -> Result<Tensor> {
        elementwise::logsumexp(self.tensor(), dim.axis())
    }

    /// Returns 1 / (1 + exp(-x)): torch's `sigmoid`.
    ///
    /// # Errors
    ///
    /// Fails for whole numbers.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::zeros(1)?.sigmoid()?.item()?, 0.5);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn sigmoid(&self) -> Result<Tensor> {
        ops::sigmoid(self.tensor())
    }

    /// Returns ln(1 + exp x): torch's `softplus`.
    ///
    /// # Errors
    ///
    /// Fails for whole numbers.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert!((torch::zeros(1)?.softplus()?.item()? - 0.6931).abs() < 1e-4);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn softplus(&self) -> Result<Tensor> {
        elementwise::softplus(self.tensor())
    }

    /// Returns x, and slope · x below zero: torch's `leaky_relu`.
    ///
    /// # Errors
    ///
    /// Fails for whole numbers.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::tensor([-2.0])?.leaky_relu(0.5)?.item()?, -1.0);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn leaky_relu(&self, slope: f64) -> Result<Tensor> {
        elementwise::leaky_relu(self.tensor(), slope)
    }

    /// Returns x²: torch's and NumPy's `square`, candle's `sqr`.
    ///
    /// # Errors
    ///
    /// Fails where the dtype has no product.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::tensor([3.0])?.square()?.item()?, 9.0);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn square(&self) -> Result<Tensor> {
        self.tensor().sqr()
    }

    /// Returns 1 / sqrt(x): torch's `rsqrt`.
    ///
    /// # Errors
    ///
    /// Fails for whole numbers.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::tensor([4.0])?.rsqrt()?.item()?, 0.5);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn rsqrt(&self) -> Result<Tensor> {
        self.tensor().sqrt()?.recip()
    }

    /// Returns 1 / x: torch's `reciprocal`, candle's `recip`.
    ///
    /// # Errors
    ///
    /// Fails for whole numbers.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::tensor([4.0])?.reciprocal()?.item()?, 0.25);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn reciprocal(&self) -> Result<Tensor> {
        self.tensor().recip()
    }

    /// Returns the logarithm to base 2: torch's and NumPy's `log2`.
    ///
    /// # Errors
    ///
    /// Fails for whole numbers.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert!((torch::tensor([8.0])?.log2()?.item()? - 3.0).abs() < 1e-6);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn log2(&self) -> Result<Tensor> {
        self.tensor().log()? * std::f64::consts::LOG2_E
    }

    /// Returns the logarithm to base 10: torch's and NumPy's `log10`.
    ///
    /// # Errors
    ///
    /// Fails for whole numbers.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert!((torch::tensor([100.0])?.log10()?.item()? - 2.0).abs() < 1e-6);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn log10(&self) -> Result<Tensor> {
        self.tensor().log()? * std::f64::consts::LOG10_E
    }

    /// Returns ln(1 + x), exact for small x: torch's and NumPy's `log1p`.
    ///
    /// # Errors
    ///
    /// Fails for whole numbers.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert!((torch::tensor([1e-10])?.log1p()?.item()? - 1e-10).abs() < 1e-16);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn log1p(&self) -> Result<Tensor> {
        elementwise::log1p(self.tensor())
    }

    /// Returns the tangent: torch's and NumPy's `tan`.
    ///
    /// # Errors
    ///
    /// Fails for whole numbers.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::zeros(1)?.tan()?.item()?, 0.0);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn tan(&self) -> Result<Tensor> {
        self.tensor().sin()? / self.tensor().cos()?
    }

    /// Cuts off fractions: torch's and NumPy's `trunc`. It has no gradient.
    ///
    /// # Errors
    ///
    /// Fails for whole numbers.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::tensor([-1.5])?.trunc()?.item()?, -1.0);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn trunc(&self) -> Result<Tensor> {
        elementwise::trunc(&self.tensor().detach())
    }

    /// Bounds the values: torch's `clamp`, NumPy's `clip`. Values at a bound have no gradient, as in torch; candle's
    /// `clamp` shares it out. NaN stays.
    ///
    /// # Errors
    ///
    /// Fails where the dtype has no order.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::tensor([-3.0, 3.0])?.clip(-1.0, 1.0)?.to_vec::<f32>()?, [-1.0, 1.0]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn clip(&self, low: f64, high: f64) -> Result<Tensor> {
        elementwise::clip(self.tensor(), low, high)
    }

    /// Tells what is not a number, as a u8 mask: torch's and NumPy's `isnan`.
    ///
    /// # Errors
    ///
    /// Fails where the dtype has no comparison.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::tensor([f64::NAN, 1.0])?.isnan()?.to_vec::<u8>()?, [1, 0]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn isnan(&self) -> Result<Tensor> {
        compare::isnan(self.tensor())
    }

    /// Tells what is infinite, as a u8 mask: torch's and NumPy's `isinf`.
    ///
    /// # Errors
    ///
    /// Fails where the dtype has no comparison.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::tensor([f64::INFINITY, 1.0])?.isinf()?.to_vec::<u8>()?, [1, 0]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn isinf(&self) -> Result<Tensor> {
        compare::isinf(self.tensor())
    }

    /// Tells what is neither infinite nor NaN, as a u8 mask: torch's and NumPy's `isfinite`.
    ///
    /// # Errors
    ///
    /// Fails where the dtype has no comparison.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::tensor([f64::NAN, 1.0])?.isfinite()?.to_vec::<u8>()?, [0, 1]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn isfinite(&self) -> Result<Tensor> {
        compare::isfinite(self.tensor())
    }

    /// Tells where |x - other| <= 1e-8 + 1e-5 |other|, as a u8 mask: torch's and NumPy's `isclose`. Shapes broadcast,
    /// dtypes may differ, NaN is near nothing.
    ///
    /// # Errors
    ///
    /// Fails where the shapes do not broadcast.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert!(x.isclose(&(&x + 1e-7)?)?.all()?);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn isclose(&self, other: &Tensor) -> Result<Tensor> {
        compare::isclose(self.tensor(), other, 1e-5, 1e-8)
    }

    /// Tells whether all values are near those of `other`: torch's and NumPy's `allclose` with their tolerances.
    ///
    /// # Errors
    ///
    /// Fails where the shapes do not broadcast.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert!(x.allclose(&(&x + 1e-7)?)?);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn allclose(&self, other: &Tensor) -> Result<bool> {
        compare::all(&compare::isclose(self.tensor(), other, 1e-5, 1e-8)?)
    }

    /// Tells whether |x - other| <= atol + rtol |other| for all values: torch's `allclose(other, rtol, atol)`.
    ///
    /// # Errors
    ///
    /// Fails where the shapes do not broadcast.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert!(x.allclose_with(&(&x + 0.1)?, 0.0, 0.2)?);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn allclose_with(&self, other: &Tensor, rtol: f64, atol: f64) -> Result<bool> {
        compare::all(&compare::isclose(self.tensor(), other, rtol, atol)?)
    }

    /// Tells whether shapes and all values are equal: torch's `equal`. Dtypes may differ.
    ///
    /// # Errors
    ///
    /// Fails where the dtype has no comparison.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert!(x.equal(&x)?);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn equal(&self, other: &Tensor) -> Result<bool> {
        compare::equal(self.tensor(), other)
    }

    /// Tells whether a value is not 0: torch's `any`.
    ///
    /// # Errors
    ///
    /// Fails where the dtype has no comparison.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert!(!torch::zeros(3)?.any()?);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn any(&self) -> Result<bool> {
        Ok(compare::count_nonzero(self.tensor())? > 0)
    }

    /// Tells whether no value is 0: torch's `all`.
    ///
    /// # Errors
    ///
    /// Fails where the dtype has no comparison.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert!(torch::ones(3)?.all()?);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn all(&self) -> Result<bool> {
        compare::all(self.tensor())
    }

    /// Counts the values that are not 0: torch's and NumPy's `count_nonzero`. Masks of any length are counted exactly.
    ///
    /// # Errors
    ///
    /// Fails where the dtype has no comparison.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::ones(300)?.gt(0.5)?.count_nonzero()?, 300);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn count_nonzero(&self) -> Result<usize> {
        compare::count_nonzero(self.tensor())
    }

    /// Tells where x is 0, as a u8 mask: torch's `logical_not`, `~mask`.
    ///
    /// # Errors
    ///
    /// Fails where the dtype has no comparison.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::tensor([0.0, 2.0])?.logical_not()?.to_vec::<u8>()?, [1, 0]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn logical_not(&self) -> Result<Tensor> {
        self.tensor().eq(0.0)
    }

    /// Tells where both are not 0, as a u8 mask: torch's `logical_and`, `a & b` of masks. Shapes broadcast.
    ///
    /// # Errors
    ///
    /// Fails where the shapes do not broadcast.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let (a, b) = (torch::tensor([0.0, 0.0, 1.0])?, torch::tensor([0.0, 1.0, 1.0])?);
    /// assert_eq!(a.logical_and(&b)?.to_vec::<u8>()?, [0, 0, 1]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn logical_and(&self, other: &Tensor) -> Result<Tensor> {
        compare::logic(self.tensor(), other, Logic::And)
    }

    /// Tells where one is not 0, as a u8 mask: torch's `logical_or`, `a | b` of masks. Shapes broadcast.
    ///
    /// # Errors
    ///
    /// Fails where the shapes do not broadcast.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let (a, b) = (torch::tensor([0.0, 0.0, 1.0])?, torch::tensor([0.0, 1.0, 1.0])?);
    /// assert_eq!(a.logical_or(&b)?.to_vec::<u8>()?, [0, 1, 1]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn logical_or(&self, other: &Tensor) -> Result<Tensor> {
        compare::logic(self.tensor(), other, Logic::Or)
    }

    /// Tells where exactly one is not 0, as a u8 mask: torch's `logical_xor`, `a ^ b` of masks. Shapes broadcast.
    ///
    /// # Errors
    ///
    /// Fails where the shapes do not broadcast.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let (a, b) = (torch::tensor([0.0, 0.0, 1.0])?, torch::tensor([0.0, 1.0, 1.0])?);
    /// assert_eq!(a.logical_xor(&b)?.to_vec::<u8>()?, [0, 1, 0]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn logical_xor(&self, other: &Tensor) -> Result<Tensor> {
        compare::logic(self.tensor(), other, Logic::Xor)
    }

    /// Returns the unbiased standard deviation along a dimension, which the result has no more: torch's `std(dim)`.
    /// Exact as `var`; NaN for a single value; its gradient is 0 where it is 0.
    ///
    /// # Errors
    ///
    /// Fails where there is no such dimension.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.std(1)?.to_vec::<f32>()?, [2f32.sqrt(), 2f32.sqrt()]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn std<A: Axis>(&self, dim: A) -> Result<Tensor> {
        reduce::std(self.tensor(), dim.axis(), false)
    }

    /// Returns [`std`](TensorMethods::std) with a length of 1 as the dimension: torch's `std(dim,
    /// keepdim=True)`.
    ///
    /// # Errors
    ///
    /// Fails where there is no such dimension.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.std_keepdim(1)?.dims(), [2, 1]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn std_keepdim<A: Axis>(&self, dim: A) -> Result<Tensor> {
        reduce::std(self.tensor(), dim.axis(), true)
    }

    /// Returns the unbiased standard deviation of all values, `[]`: torch's `std()`.
    ///
    /// # Errors
    ///
    /// Fails where the dtype has no variance.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert!((x.std_all()?.item()? - 1.2910).abs() < 1e-4);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn std_all(&self) -> Result<Tensor> {
        reduce::root(&ops::var_all(self.tensor())?)
    }

    /// Returns the product along a dimension, which the result has no more: torch's `prod(dim)`. Integers have an i64
    /// product; that of nothing is 1. Gradients are right where values are 0.
    ///
    /// # Errors
    ///
    /// Fails where there is no such dimension.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.prod(1)?.to_vec::<f32>()?, [3.0, 8.0]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn prod<A: Axis>(&self, dim: A) -> Result<Tensor> {
        reduce::prod(self.tensor(), dim.axis())
    }

    /// Returns the product of all values, `[]`: torch's `prod()`.
    ///
    /// # Errors
    ///
    /// Fails where the dtype has no product.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.prod_all()?.item()?, 24.0);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn prod_all(&self) -> Result<Tensor> {
        reduce::prod(&self.tensor().flatten_all()?, 0)
    }

    /// Returns the products of the values up to each along a dimension: torch's `cumprod`. Integers have i64 products.
    ///
    /// # Errors
    ///
    /// Fails where there is no such dimension.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([1.0, 2.0, 3.0])?;
    /// assert_eq!(x.cumprod(0)?.to_vec::<f32>()?, [1.0, 2.0, 6.0]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn cumprod<A: Axis>(&self, dim: A) -> Result<Tensor> {
        reduce::cumprod(self.tensor(), dim.axis())
    }

    /// Returns the root of the sum of squares along a dimension, which the result has no more: torch's `norm(dim=dim)`.
    /// Its gradient is 0 where it is 0. candle's `norm()` is that of all values.
    ///
    /// # Errors
    ///
    /// Fails where there is no such dimension.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::tensor([[3.0, 4.0]])?.norm_dim(1)?.item()?, 5.0);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn norm_dim<A: Axis>(&self, dim: A) -> Result<Tensor> {
        reduce::norm_dim(self.tensor(), dim.axis())
    }

    /// Returns the median along a dimension, which the result has no more; of two in the middle the lower: the values
    /// of torch's `median(dim)`. NaN where any is; the value has the gradient.
    ///
    /// # Errors
    ///
    /// Fails where there is no such dimension, or nothing in it.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::tensor([3.0, 1.0, 2.0, 9.0])?.median(0)?.item()?, 2.0);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn median<A: Axis>(&self, dim: A) -> Result<Tensor> {
        order::median(self.tensor(), dim.axis())
    }

    /// Returns the median of all values, `[]`: torch's `median()`.
    ///
    /// # Errors
    ///
    /// Fails where there is no value.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.median_all()?.item()?, 2.0);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn median_all(&self) -> Result<Tensor> {
        order::median_all(self.tensor())
    }

    /// Returns the quantile `q` along a dimension, which the result has no more, linear between values: torch's
    /// `quantile(q, dim)`. NaN where any is.
    ///
    /// # Errors
    ///
    /// Fails where there is no such dimension or nothing in it, for a `q` outside of 0 to 1, and for integers.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::tensor([0.0, 10.0])?.quantile(0.25, 0)?.item()?, 2.5);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn quantile<A: Axis>(&self, q: f64, dim: A) -> Result<Tensor> {
        order::quantile(self.tensor(), q, dim.axis())
    }

    /// Returns the order of the values along a dimension as u32 indices: torch's `argsort(dim, descending)`. Of equal
    /// values the first comes first, NaN is the largest; on GPUs both are the kernel's.
    ///
    /// # Errors
    ///
    /// Fails where there is no such dimension.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([3.0, 1.0, 2.0])?;
    /// assert_eq!(x.argsort(-1, false)?.to_vec::<u32>()?, [1, 2, 0]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn argsort<A: Axis>(&self, dim: A, descending: bool) -> Result<Tensor> {
        order::argsort(self.tensor(), dim.axis(), descending)
    }

    /// Returns the values in order along a dimension, and their u32 indices: torch's `sort(dim, descending)`, ties and
    /// NaN as in [`argsort`](TensorMethods::argsort). The gradient goes where the values come from.
    ///
    /// # Errors
    ///
    /// Fails where there is no such dimension.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let (values, indices) = torch::tensor([3.0, 1.0, 2.0])?.sort(0, true)?;
    /// assert_eq!(values.to_vec::<f32>()?, [3.0, 2.0, 1.0]);
    /// assert_eq!(indices.to_vec::<u32>()?, [0, 2, 1]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn sort<A: Axis>(&self, dim: A, descending: bool) -> Result<(Tensor, Tensor)> {
        order::sort(self.tensor(), dim.axis(), descending)
    }

    /// Returns the `k` largest values along a dimension, the largest first, and their u32 indices: torch's `topk(k,
    /// dim)`.
    ///
    /// # Errors
    ///
    /// Fails where there is no such dimension, or not `k` values in it.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let (values, indices) = torch::tensor([3.0, 1.0, 2.0])?.topk(2, 0)?;
    /// assert_eq!(values.to_vec::<f32>()?, [3.0, 2.0]);
    /// assert_eq!(indices.to_vec::<u32>()?, [0, 2]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn topk<A: Axis>(&self, k: usize, dim: A) -> Result<(Tensor, Tensor)> {
        order::topk(self.tensor(), k, dim.axis())
    }

    /// Returns the index of the largest of all values in row-major order: torch's and NumPy's `argmax()` without a
    /// dimension.
    ///
    /// # Errors
    ///
    /// Fails where there is no value.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.argmax_all()?, 3);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn argmax_all(&self) -> Result<usize> {
        order::extreme(self.tensor(), true)
    }

    /// Returns the index of the smallest of all values in row-major order: torch's and NumPy's `argmin()` without a
    /// dimension.
    ///
    /// # Errors
    ///
    /// Fails where there is no value.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.argmin_all()?, 1);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn argmin_all(&self) -> Result<usize> {
        order::extreme(self.tensor(), false)
    }

    /// Returns the different values in order, a vector: torch's and NumPy's `unique`. NaN differs from itself. It has
    /// no gradient, and waits for a GPU.
    ///
    /// # Errors
    ///
    /// Fails where the dtype has no order.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::tensor([2, 1, 2])?.unique()?.to_vec::<i64>()?, [1, 2]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn unique(&self) -> Result<Tensor> {
        order::unique(self.tensor())
    }

    /// Counts how often each of 0, 1, 2, ... occurs in a vector of integers, as i64, at least `minlength` of them:
    /// torch's and NumPy's `bincount`. It waits for a GPU.
    ///
    /// # Errors
    ///
    /// Fails where the input is no vector of integers, or one is negative.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::tensor([2, 0, 2])?.bincount(0)?.to_vec::<i64>()?, [1, 0, 2]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn bincount(&self, minlength: usize) -> Result<Tensor> {
        order::bincount(self.tensor(), minlength)
    }

    /// Returns i64 vectors with a 1 at each class: [...] to [..., classes], torch's `one_hot`. `.float()?` makes them
    /// targets.
    ///
    /// # Errors
    ///
    /// Fails where the classes are no integers, or one is not below `classes`.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::tensor([1, 0])?.one_hot(2)?.to_vec::<i64>()?, [0, 1, 1, 0]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn one_hot(&self, classes: usize) -> Result<Tensor> {
        select::one_hot(self.tensor(), classes)
    }

    /// Returns `value` in the shape and dtype and on the device of this tensor: torch's and NumPy's `full_like`.
    ///
    /// # Errors
    ///
    /// Fails where there is no conversion to the dtype.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::ones(2)?.full_like(7.0)?.to_vec::<f32>()?, [7.0, 7.0]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn full_like(&self, value: f64) -> Result<Tensor> {
        let x = self.tensor();
        Tensor::full(value, x.shape(), x.device())?.to_dtype(x.dtype())
    }

    /// Replaces the values where `mask`, which broadcasts, is not 0: torch's `masked_fill`. What is replaced gets no
    /// gradient.
    ///
    /// # Errors
    ///
    /// Fails where the mask does not broadcast.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.masked_fill(&x.gt(2.5)?, 0.0)?.to_vec::<f32>()?, [0.0, 1.0, 2.0, 0.0]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn masked_fill(&self, mask: &Tensor, value: f64) -> Result<Tensor> {
        select::masked_fill(self.tensor(), mask, value)
    }

    /// Keeps the values where `condition` is not 0, and takes those of `other` elsewhere: torch's `x.where(condition,
    /// other)`. All three broadcast. `torch::where_` has the order of `torch.where`.
    ///
    /// # Errors
    ///
    /// Fails where the shapes do not broadcast, or the dtypes differ.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.where_(&x.gt(2.5)?, &x.zeros_like()?)?.to_vec::<f32>()?, [3.0, 0.0, 0.0, 4.0]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn where_(&self, condition: &Tensor, other: &Tensor) -> Result<Tensor> {
        select::where_(condition, self.tensor(), other)
    }

    /// Returns the values where `mask` is not 0, a vector: torch's `masked_select`, `x[mask]`. It waits for a GPU.
    ///
    /// # Errors
    ///
    /// Fails where the shapes do not broadcast.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.masked_select(&x.gt(2.5)?)?.to_vec::<f32>()?, [3.0, 4.0]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn masked_select(&self, mask: &Tensor) -> Result<Tensor> {
        select::masked_select(self.tensor(), mask)
    }

    /// Returns the indices of the values that are not 0, i64 [count, rank]: torch's `nonzero`, NumPy's `argwhere`. It
    /// waits for a GPU.
    ///
    /// # Errors
    ///
    /// Fails where the dtype has no comparison.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// assert_eq!(torch::eye(2)?.nonzero()?.to_vec::<i64>()?, [0, 0, 1, 1]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn nonzero(&self) -> Result<Tensor> {
        select::nonzero(self.tensor())
    }

    /// Keeps what lies on and below a diagonal (0 the main one, 1 that above it) of the last two dimensions, 0
    /// elsewhere: torch's and NumPy's `tril`.
    ///
    /// # Errors
    ///
    /// Fails where there are fewer than two dimensions.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.tril(0)?.to_vec::<f32>()?, [3.0, 0.0, 2.0, 4.0]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn tril(&self, diagonal: i64) -> Result<Tensor> {
        select::triangle(self.tensor(), diagonal, true)
    }

    /// Keeps what lies on and above a diagonal (0 the main one, 1 that above it) of the last two dimensions, 0
    /// elsewhere: torch's and NumPy's `triu`.
    ///
    /// # Errors
    ///
    /// Fails where there are fewer than two dimensions.
    ///
    /// ```
    /// # use patchbay::prelude::*;
    /// let x = torch::tensor([[3.0, 1.0], [2.0, 4.0]])?;
    /// assert_eq!(x.triu(0)?.to_vec::<f32>()?, [3.0, 1.0, 0.0, 4.0]);
    /// # Ok::<(), candle::Error>(())
    /// ```
    fn triu(&self, diagonal: i64) -> Result<Tensor> {
        select::triangle(self.tensor(), diagonal, false)
    }
}

impl TensorMethods for Tensor {
    fn tensor(&self) -> &Tensor {
        self
    }
}

fn linear(op: &str, rank: usize, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.rank() != rank || b.rank() != rank {
        candle_core::bail!(
            "{op}: the inputs are {:?} and {:?}: must have {rank} dimensions; `matmul` takes more",
            a.dims(),
            b.dims()
        )
    }
    ops::matmul(a, b)
}
