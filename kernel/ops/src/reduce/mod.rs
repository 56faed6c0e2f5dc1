//! Sums, means and variances over some or all dimensions, whose error does not grow with the number of values.
//!
//! candle adds the values one after the other in their own type: the mean of 16.8 million times 0.1 is 0.1153, and 300
//! ones of type u8 add up to 44. Here at most sixteen values are added in their own type, in
//! pairs, their sums in f64, integers in i128. The gradients are those of candle's
//! functions of the same names.

mod composed;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::OnceLock;

use candle_core::{
    CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor, backend::BackendStorage,
    shape::Dims,
};

use crate::{
    dispatch::has_cpu_kernels,
    real::Real,
    reduce_kernel::{Integer, deviations, exact_sums, integer_sums, sums},
    storage::{by_dtype, output, strided, unsupported, widened},
};

/// The sum over dimensions (one, or a tuple or slice of them), which the result has no more: torch's `sum`.
///
/// Floats keep their dtype. Integers (u8 masks of comparisons, u32, i16, i32, i64) have an i64 sum, as in torch, and no
/// gradient. The sum of nothing is 0.
///
/// # Errors
///
/// Fails where a dimension does not exist or comes twice, and where a sum of integers is beyond i64.
pub fn sum<D: Dims>(x: &Tensor, dims: D) -> Result<Tensor> {
    reduce(x, dims.to_indexes(x.shape(), "sum")?, What::Sum, false)
}

/// [`sum`], with a length of 1 in the place of each dimension.
///
/// # Errors
///
/// As [`sum`].
pub fn sum_keepdim<D: Dims>(x: &Tensor, dims: D) -> Result<Tensor> {
    reduce(
        x,
        dims.to_indexes(x.shape(), "sum-keepdim")?,
        What::Sum,
        true,
    )
}

/// The [`sum`] of all values, a scalar `[]`.
///
/// # Errors
///
/// As [`sum`].
pub fn sum_all(x: &Tensor) -> Result<Tensor> {
    reduce(x, (0..x.rank()).collect(), What::Sum, false)
}

/// The mean over dimensions (one, or a tuple or slice of them), which the result has no more: torch's `mean`.
///
/// Floats keep their dtype. Integers, for which torch has no mean, have one in f32, without a gradient. The mean of nothing
/// is NaN.
///
/// # Errors
///
/// Fails where a dimension does not exist or comes twice.
pub fn mean<D: Dims>(x: &Tensor, dims: D) -> Result<Tensor> {
    reduce(x, dims.to_indexes(x.shape(), "mean")?, What::Mean, false)
}

/// [`mean`], with a length of 1 in the place of each dimension.
///
/// # Errors
///
/// As [`mean`].
pub fn mean_keepdim<D: Dims>(x: &Tensor, dims: D) -> Result<Tensor> {
    reduce(
        x,
        dims.to_indexes(x.shape(), "mean-keepdim")?,
        What::Mean,
        true,
    )
}

/// The [`mean`] of all values, a scalar `[]`.
///
/// # Errors
///
/// As [`mean`].
pub fn mean_all(x: &Tensor) -> Result<Tensor> {
    reduce(x, (0..x.rank()).collect(), What::Mean, false)
}

/// The unbiased variance over dimensions (one, or a tuple or slice of them), which the result has no more: torch's `var`.
///
/// In two passes: the squares are those of the deviations from the mean, so values that are all equal have a variance of 0.
/// Integers have one in f32. A single value's is NaN.
///
/// # Errors
///
/// As [`mean`].
pub fn var<D: Dims>(x: &Tensor, dims: D) -> Result<Tensor> {
    var_with(x, dims, 1.0, false)
}

/// [`var`], with a length of 1 in the place of each dimension.
///
/// # Errors
///
/// As [`var`].
pub fn var_keepdim<D: Dims>(x: &Tensor, dims: D) -> Result<Tensor> {
    var_with(x, dims, 1.0, true)
}

/// The [`var`] of all values, a scalar `[]`.
///
/// # Errors
///
/// As [`var`].
pub fn var_all(x: &Tensor) -> Result<Tensor> {
    variance(x, (0..x.rank()).collect(), 1.0, false)
}

/// [`var`] with any `correction`: the sum of squares is divided by the number of values less this. 1 is the unbiased variance,
/// 0 that of the values themselves, as in norms.
///
/// # Errors
///
/// As [`var`].
pub fn var_with<D: Dims>(x: &Tensor, dims: D, correction: f64, keep_dims: bool) -> Result<Tensor> {
    let dims = dims.to_indexes(x.shape(), "var")?;
    variance(x, dims, correction, keep_dims)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Sum,
    Mean,
}

fn reduce(x: &Tensor, dims: Vec<usize>, what: What, keep: bool) -> Result<Tensor> {
    let over = Over::new(x.shape(), dims, keep);
    if x.dtype().is_int() {
        return integers(x, &over, what);
    }
    if !has_cpu_kernels(x) {
        let sum = composed::sum(x, &over.dims)?.reshape(over.shape.clone())?;
        return match what {
            What::Sum => Ok(sum),
            What::Mean => sum / over.count as f64,
        };
    }
    widened(x, |x| x.apply_op1(Reduce { over, what }))
}

fn variance(x: &Tensor, dims: Vec<usize>, correction: f64, keep: bool) -> Result<Tensor> {
    let over = Over::new(x.shape(), dims, keep);
    if x.dtype().is_int() {
        let dims = over.dims.clone();
        return variance(&x.to_dtype(DType::F64)?, dims, correction, keep)?.to_dtype(DType::F32);
    }
    if !has_cpu_kernels(x) {
        return composed::var(x, &over.dims, correction)?.reshape(over.shape);
    }
    widened(x, |x| {
        x.apply_op1(Variance {
            over,
            correction,
            means: OnceLock::new(),
        })
    })
}

/// The dimensions that a reduction is over, and what comes out.
#[derive(Clone)]
struct Over {
    dims: Vec<usize>,
    /// How many values each result has.
    count: usize,
    /// With a length of 1 for each of `dims`.
    kept: Shape,
    shape: Shape,
}

impl Over {
    fn new(of: &Shape, mut dims: Vec<usize>, keep: bool) -> Over {
        dims.sort_unstable();
        let mut kept = of.dims().to_vec();
        for &dim in &dims {
            kept[dim] = 1;
        }
        let mut shape = kept.clone();
        if !keep {
            for &dim in dims.iter().rev() {
                shape.remove(dim);
            }
        }
        Over {
            count: dims.iter().map(|&dim| of.dims()[dim]).product(),
            dims,
            kept: Shape::from(kept),
            shape: Shape::from(shape),
        }
    }

    /// The gradient of a sum: that of the result at each value.
    fn spread(&self, grad: &Tensor, x: &Tensor) -> Result<Tensor> {
        grad.reshape(self.kept.clone())?.broadcast_as(x.shape())
    }
}

struct Reduce {
    over: Over,
    what: What,
}

impl CustomOp1 for Reduce {
    fn name(&self) -> &'static str {
        match self.what {
            What::Sum => "sum",
            What::Mean => "mean",
        }
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(storage.dtype(), self.name(), T => {
            let x = storage.as_slice::<T>()?;
            let divisor = match self.what {
                What::Sum => 1.0,
                What::Mean => self.over.count as f64,
            };
            let totals = Ordered::new(layout, &self.over.dims).sums(x)?;
            let out: Vec<T> = totals.iter().map(|total| T::of(total / divisor)).collect();
            Ok(output(out, self.over.shape.clone()))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = match self.what {
            What::Sum => grad.clone(),
            What::Mean => (grad / self.over.count as f64)?,
        };
        self.over.spread(&grad, x).map(Some)
    }
}

struct Variance {
    over: Over,
    correction: f64,
    /// For the backward pass, in row-major order.
    means: OnceLock<Vec<f64>>,
}

impl CustomOp1 for Variance {
    fn name(&self) -> &'static str {
        "var"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(storage.dtype(), self.name(), T => {
            let x = storage.as_slice::<T>()?;
            let (means, squares) = Ordered::new(layout, &self.over.dims).deviations(x)?;
            // The pass runs once for each op, so the cell is empty.
            let _ = self.means.set(means);
            let divisor = (self.over.count as f64 - self.correction).max(0.0);
            let out: Vec<T> = squares.iter().map(|square| T::of(square / divisor)).collect();
            Ok(output(out, self.over.shape.clone()))
        })
    }

    /// 2 (x - mean) / (n - correction).
    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let means = self.means.get().map_or(&[][..], Vec::as_slice);
        let divisor = (self.over.count as f64 - self.correction).max(0.0);
        let scale = (grad * (2.0 / divisor))?.reshape(self.over.kept.clone())?;
        // The mean in two parts: rounded to f32 it would be a deviation of its own.
        let part = |of: &dyn Fn(f64) -> f64| {
            let values: Vec<f64> = means.iter().map(|&mean| of(mean)).collect();
            Tensor::from_vec(values, self.over.kept.clone(), x.device())?.to_dtype(x.dtype())
        };
        let single = x.dtype() == DType::F32;
        let near = |mean: f64| if single { f64::from(mean as f32) } else { mean };
        let rest = |mean: f64| {
            let rest = mean - near(mean);
            if rest.is_finite() { rest } else { 0.0 }
        };
        let mut deviation = x.detach().broadcast_sub(&part(&near)?)?;
        if single {
            deviation = deviation.broadcast_sub(&part(&rest)?)?;
        }
        deviation.broadcast_mul(&scale).map(Some)
    }
}

/// A dimension of a tensor: its length, its stride, and whether it is reduced.
#[derive(Clone, Copy)]
struct Axis {
    length: usize,
    stride: usize,
    reduced: bool,
    /// Which dimension it is.
    dim: usize,
}

/// A tensor's dimensions in the order of its memory, so that a transposed or broadcast tensor is read as it lies.
struct Ordered<'a> {
    layout: &'a Layout,
    dims: &'a [usize],
    axes: Vec<Axis>,
    /// How often each value counts: the lengths of the reduced dimensions along which one value is repeated.
    repeated: f64,
}

impl<'a> Ordered<'a> {
    fn new(layout: &'a Layout, dims: &'a [usize]) -> Ordered<'a> {
        let mut axes = Vec::with_capacity(layout.dims().len());
        let mut repeated = 1.0;
        for (dim, (&length, &stride)) in layout.dims().iter().zip(layout.stride()).enumerate() {
            let reduced = dims.contains(&dim);
            if length != 1 && stride == 0 && length > 0 {
                if reduced {
                    repeated *= length as f64;
                }
            } else if length != 1 {
                axes.push(Axis {
                    length,
                    stride,
                    reduced,
                    dim,
                });
            }
        }
        axes.sort_by_key(|axis| std::cmp::Reverse(axis.stride));
        Ordered {
            layout,
            dims,
            axes,
            repeated,
        }
    }

    /// The values in the order of `axes`.
    fn values<'x, T: Real>(
        &self,
        all: &'x [T],
        axes: &[Axis],
    ) -> Result<std::borrow::Cow<'x, [T]>> {
        let lengths: Vec<usize> = axes.iter().map(|axis| axis.length).collect();
        let strides = axes.iter().map(|axis| axis.stride).collect();
        let layout = Layout::new(Shape::from(lengths), strides, self.layout.start_offset());
        strided(all, &layout)
    }

    /// Results that come in the order of the kept ones of `axes`, in row-major order.
    fn in_order(&self, results: Vec<f64>, axes: &[Axis]) -> Result<Vec<f64>> {
        let mut strides = vec![0; self.layout.dims().len()];
        let mut stride = 1;
        for axis in axes.iter().rev().filter(|axis| !axis.reduced) {
            strides[axis.dim] = stride;
            stride *= axis.length;
        }
        let mut lengths = self.layout.dims().to_vec();
        for &dim in self.dims {
            lengths[dim] = 1;
        }
        let layout = Layout::new(Shape::from(lengths), strides, 0);
        if layout.is_contiguous() {
            return Ok(results);
        }
        Ok(strided(&results, &layout)?.into_owned())
    }

    fn sums<T: Real>(&self, all: &[T]) -> Result<Vec<f64>> {
        let values = self.values(all, &self.axes)?;
        let mut groups = grouped(&self.axes);
        // The innermost group first: what is left for the next is as many times fewer.
        let mut results = match last_reduced(&groups) {
            Some(at) => {
                let results = sums(&values, of_group(&groups, at));
                groups.remove(at);
                results
            }
            None => values.iter().map(|value| value.as_f64()).collect(),
        };
        while let Some(at) = last_reduced(&groups) {
            results = sums(&results, of_group(&groups, at));
            groups.remove(at);
        }
        if self.repeated != 1.0 {
            results.iter_mut().for_each(|sum| *sum *= self.repeated);
        }
        self.in_order(results, &self.axes)
    }

    /// The means, and the sums of the squares of the deviations from them.
    fn deviations<T: Real>(&self, all: &[T]) -> Result<(Vec<f64>, Vec<f64>)> {
        let mut axes = self.axes.clone();
        let reduced = grouped(&axes).iter().filter(|group| group.1).count();
        if reduced > 1 {
            // Several groups become one at the end.
            axes.sort_by_key(|axis| axis.reduced);
        }
        let values = self.values(all, &axes)?;
        let groups = grouped(&axes);
        let at = match last_reduced(&groups) {
            Some(at) => of_group(&groups, at),
            None => [values.len(), 1, 1],
        };
        let means: Vec<f64> = exact_sums(&values, at)
            .iter()
            .map(|sum| sum / at[1] as f64)
            .collect();
        let mut squares = deviations(&values, at, &means);
        if self.repeated != 1.0 {
            squares
                .iter_mut()
                .for_each(|square| *square *= self.repeated);
        }
        Ok((self.in_order(means, &axes)?, self.in_order(squares, &axes)?))
    }
}

/// Neighboring dimensions of one sort together: how many values, and whether they are reduced.
fn grouped(axes: &[Axis]) -> Vec<(usize, bool)> {
    let mut groups: Vec<(usize, bool)> = Vec::new();
    for axis in axes {
        match groups.last_mut() {
            Some(last) if last.1 == axis.reduced => last.0 *= axis.length,
            _ => groups.push((axis.length, axis.reduced)),
        }
    }
    groups
}

fn last_reduced(groups: &[(usize, bool)]) -> Option<usize> {
    groups.iter().rposition(|&(_, reduced)| reduced)
}

/// How many values are outside of, in, and inside of a group.
fn of_group(groups: &[(usize, bool)], at: usize) -> [usize; 3] {
    let product = |groups: &[(usize, bool)]| groups.iter().map(|group| group.0).product();
    [
        product(&groups[..at]),
        groups[at].0,
        product(&groups[at + 1..]),
    ]
}

/// Sums of integers in i64, means of them in f32.
fn integers(x: &Tensor, over: &Over, what: What) -> Result<Tensor> {
    if !has_cpu_kernels(x) {
        return match what {
            // candle's sum: of i64, which is exact.
            What::Sum => x.to_dtype(DType::I64)?.sum_keepdim(over.dims.clone())?,
            What::Mean => (composed::sum(&x.to_dtype(DType::F64)?, &over.dims)?
                / over.count as f64)?
                .to_dtype(DType::F32)?,
        }
        .reshape(over.shape.clone());
    }
    // Reduced dimensions last.
    let mut order: Vec<usize> = (0..x.rank())
        .filter(|dim| !over.dims.contains(dim))
        .collect();
    order.extend(&over.dims);
    let rows = x.permute(order)?;
    let (storage, layout) = rows.storage_and_layout();
    let candle_core::Storage::Cpu(storage) = &*storage else {
        candle_core::bail!("sum: the tensor is not on the CPU")
    };
    let (outer, n) = (over.shape.elem_count(), over.count);
    fn of<I: Integer>(all: &[I], layout: &Layout, outer: usize, n: usize) -> Result<Vec<i128>> {
        Ok(integer_sums(&strided(all, layout)?, outer, n))
    }
    let totals = match storage {
        CpuStorage::U8(all) => of(all, layout, outer, n),
        CpuStorage::U32(all) => of(all, layout, outer, n),
        CpuStorage::I16(all) => of(all, layout, outer, n),
        CpuStorage::I32(all) => of(all, layout, outer, n),
        CpuStorage::I64(all) => of(all, layout, outer, n),
        other => Err(unsupported(other.dtype(), "sum")),
    }?;
    match what {
        What::Sum => {
            let totals: std::result::Result<Vec<i64>, _> =
                totals.into_iter().map(i64::try_from).collect();
            match totals {
                Ok(totals) => Tensor::from_vec(totals, over.shape.clone(), x.device()),
                Err(_) => candle_core::bail!(
                    "sum: a sum of {} is beyond i64: convert the tensor with `to_dtype(DType::F64)`",
                    x.dtype().as_str()
                ),
            }
        }
        What::Mean => {
            let means: Vec<f32> = totals
                .into_iter()
                .map(|total| (total as f64 / n as f64) as f32)
                .collect();
            Tensor::from_vec(means, over.shape.clone(), x.device())
        }
    }
}
