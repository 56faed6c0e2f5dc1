//! Matrix products and the affine map, with gradients for tracked operands only.
//!
//! candle's own matmul computes the gradient of both operands whether or not anything needs them, and keeps
//! those of untracked ones until the store is dropped: for a queue of 65,536 vectors that is most of the memory
//! of a contrastive step. Here an operand that no variable leads to gets none.

use candle_core::{
    CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, backend::BackendStorage,
};

use super::{
    composed,
    gemm::{Matrix, gemm_batched, product},
    real::Real,
    reduce_kernel::sums,
    simd::zeros,
    storage::{by_dtype, output, read, same_dtype, tensor, values, widened},
};

/// The product over the last two dimensions: [..., m, k] · [..., k, n] = [..., m, n].
///
/// Leading dimensions broadcast. Neither operand is copied, whatever its strides.
///
/// # Errors
///
/// Fails where ranks are below 2, inner dimensions differ, leading ones do not broadcast, or dtypes differ.
pub fn matmul(left: &Tensor, right: &Tensor) -> Result<Tensor> {
    let op = "matmul";
    same_dtype(op, left, "the right operand", right)?;
    let (l, r) = (left.rank(), right.rank());
    if l < 2 || r < 2 || left.dims()[l - 1] != right.dims()[r - 2] {
        candle_core::bail!(
            "{op}: the operands are {:?} and {:?}: must be [..., m, k] and [..., k, n]",
            left.dims(),
            right.dims()
        )
    }
    if !left.device().is_cpu() {
        return left.broadcast_matmul(right);
    }
    if r == 2 && l > 2 && left.is_contiguous() {
        // One product of all rows instead of one for each leading index.
        let (k, n) = right.dims2()?;
        let mut shape = left.dims().to_vec();
        shape[l - 1] = n;
        return matmul(&left.reshape(((), k))?, right)?.reshape(shape);
    }
    let batch = Shape::from(&left.dims()[..l - 2])
        .broadcast_shape_binary_op(&Shape::from(&right.dims()[..r - 2]), "matmul")?;
    let full = |x: &Tensor| {
        let mut shape = batch.dims().to_vec();
        shape.extend_from_slice(&x.dims()[x.rank() - 2..]);
        if shape == x.dims() {
            Ok(x.clone())
        } else {
            x.broadcast_as(shape)
        }
    };
    let (left, right) = (full(left)?, full(right)?);
    widened(&left, |left| {
        left.apply_op2(&right.to_dtype(left.dtype())?, MatMul)
    })
}

/// x · weightᵀ + bias: torch's `linear`. `x` is [..., in], `weight` [out, in], `bias` [out].
///
/// # Errors
///
/// Fails where shapes or dtypes do not fit.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let op = "linear";
    let width = x.dims().last().copied();
    if weight.rank() != 2 || width != weight.dims().last().copied() {
        candle_core::bail!(
            "{op}: the input is {:?} and the weight {:?}: must be [..., in] and [out, in]",
            x.dims(),
            weight.dims()
        )
    }
    same_dtype(op, x, "the weight", weight)?;
    if let Some(bias) = bias {
        same_dtype(op, x, "the bias", bias)?;
        if bias.dims() != [weight.dims()[0]] {
            candle_core::bail!(
                "{op}: the bias is {:?} and the weight {:?}: must be [out] and [out, in]",
                bias.dims(),
                weight.dims()
            )
        }
    }
    if !x.device().is_cpu() {
        return composed::linear(x, weight, bias);
    }
    widened(x, |x| {
        let weight = weight.to_dtype(x.dtype())?;
        match bias {
            Some(bias) => x.apply_op3(&weight, &bias.to_dtype(x.dtype())?, Linear),
            None => x.apply_op2(&weight, Linear),
        }
    })
}

struct MatMul;

/// The matrices of a batch.
fn matrices<'a, T>(values: &'a [T], layout: &Layout) -> Vec<Matrix<'a, T>> {
    let (dims, strides) = (layout.dims(), layout.stride());
    let rank = dims.len();
    let mut starts = vec![layout.start_offset()];
    for (&length, &stride) in dims[..rank - 2].iter().zip(strides) {
        starts = starts
            .iter()
            .flat_map(|start| (0..length).map(move |i| start + i * stride))
            .collect();
    }
    starts
        .into_iter()
        .map(|start| Matrix {
            values: values.get(start..).unwrap_or(&[]),
            row: strides[rank - 2],
            column: strides[rank - 1],
        })
        .collect()
}

impl CustomOp2 for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn cpu_fwd(
        &self,
        left: &CpuStorage,
        left_layout: &Layout,
        right: &CpuStorage,
        right_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!(left.dtype(), self.name(), T => {
            let mut shape = left_layout.dims().to_vec();
            let rank = shape.len();
            let (m, k, n) = (shape[rank - 2], shape[rank - 1], right_layout.dims()[rank - 1]);
            shape[rank - 1] = n;
            let shape = Shape::from(shape);
            let pairs: Vec<_> = matrices(left.as_slice::<T>()?, left_layout)
                .into_iter()
                .zip(matrices(right.as_slice::<T>()?, right_layout))
                .collect();
            let out = match pairs[..] {
                [(left, right)] => product((m, k, n), left, right, None),
                _ => {
                    let mut out = zeros::<T>(shape.elem_count());
                    gemm_batched((m, k, n), &pairs, &mut out);
                    out
                }
            };
            Ok(output(out, shape))
        })
    }

    fn bwd(
        &self,
        left: &Tensor,
        right: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let left_grad = left
            .track_op()
            .then(|| grad.apply_op2_no_bwd(&right.detach().t()?, &MatMul))
            .transpose()?;
        let right_grad = right
            .track_op()
            .then(|| left.detach().t()?.apply_op2_no_bwd(grad, &MatMul))
            .transpose()?;
        Ok((left_grad, right_grad))
    }
}

pub(super) struct Linear;

impl Linear {
    pub(super) fn forward<T: Real>(
        &self,
        x: &[T],
        weight: &[T],
        bias: Option<&[T]>,
        (rows, inputs, outputs): (usize, usize, usize),
    ) -> Vec<T> {
        let size = (rows, inputs, outputs);
        let (x, weight) = (
            Matrix::new(x, inputs),
            Matrix::new(weight, inputs).transposed(),
        );
        product(size, x, weight, bias)
    }

    /// The gradients of what is tracked, from that of the result.
    pub(super) fn backward<T: Real>(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        grad: &[T],
    ) -> Result<[Option<Tensor>; 3]> {
        let (outputs, _) = weight.dims2()?;
        let tracked = [
            x.track_op(),
            weight.track_op(),
            bias.is_some_and(Tensor::track_op),
        ];
        let (x_shape, weight_shape) = (x.shape(), weight.shape());
        read!(x: T = x, "linear");
        read!(weight: T = weight, "linear");
        let [x, weight, bias] = self.gradients(&x, &weight, outputs, tracked, grad);
        let shaped = |values: Option<Vec<T>>, shape: &Shape| {
            values.map(|values| tensor(values, shape)).transpose()
        };
        Ok([
            shaped(x, x_shape)?,
            shaped(weight, weight_shape)?,
            shaped(bias, &Shape::from(outputs))?,
        ])
    }

    /// The gradients of input, weight and bias, those that are `tracked`, from that of the result.
    pub(super) fn gradients<T: Real>(
        &self,
        x: &[T],
        weight: &[T],
        outputs: usize,
        [x_tracked, weight_tracked, bias_tracked]: [bool; 3],
        grad: &[T],
    ) -> [Option<Vec<T>>; 3] {
        let inputs = weight.len().checked_div(outputs).unwrap_or(0);
        let rows = x.len().checked_div(inputs).unwrap_or(0);
        let g = Matrix::new(grad, outputs);
        let x_grad = x_tracked.then(|| {
            let weight = Matrix::new(weight, inputs);
            product((rows, outputs, inputs), g, weight, None)
        });
        let weight_grad = weight_tracked.then(|| {
            let x = Matrix::new(x, inputs);
            product((outputs, rows, inputs), g.transposed(), x, None)
        });
        let bias_grad = bias_tracked.then(|| column_sums(grad, outputs));
        [x_grad, weight_grad, bias_grad]
    }
}

/// The sum over the rows of a row-major matrix.
fn column_sums<T: Real>(values: &[T], width: usize) -> Vec<T> {
    let rows = values.len().checked_div(width).unwrap_or(0);
    let sums = sums(values, [1, rows, width]);
    sums.into_iter().map(T::of).collect()
}

/// Whether an affine map can be one op with what is around it: on the CPU, where shapes and dtypes fit. Half precision
/// goes by way of f32, and what does not fit has its error in [`linear`].
pub(super) fn fits_one_op(x: &Tensor, weight: &Tensor, bias: &Tensor) -> bool {
    let fits = x.rank() > 0
        && weight.rank() == 2
        && x.dims().last() == weight.dims().last()
        && bias.dims() == [weight.dims()[0]];
    let fused = matches!(x.dtype(), candle_core::DType::F32 | candle_core::DType::F64)
        && x.dtype() == weight.dtype()
        && x.dtype() == bias.dtype();
    fits && fused && x.device().is_cpu()
}

/// Rows, inputs and outputs, and the shape of the result.
pub(super) fn linear_shape(x: &Layout, weight: &Layout) -> ((usize, usize, usize), Vec<usize>) {
    let (inputs, outputs) = (weight.dims()[1], weight.dims()[0]);
    let mut shape = x.dims().to_vec();
    shape.pop();
    let rows = shape.iter().product();
    shape.push(outputs);
    ((rows, inputs, outputs), shape)
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!(x.dtype(), "linear", T => {
            let (size, shape) = linear_shape(x_layout, weight_layout);
            let (x, weight) = (values::<T>(x, x_layout)?, values::<T>(weight, weight_layout)?);
            Ok(output(self.forward::<T>(&x, &weight, None, size), shape))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        by_dtype!(x.dtype(), "linear", T => {
            read!(grad: T = grad, "linear");
            let [x, weight, _] = self.backward::<T>(x, weight, None, &grad)?;
            Ok((x, weight))
        })
    }
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!(x.dtype(), "linear", T => {
            let (size, shape) = linear_shape(x_layout, weight_layout);
            let (x, weight) = (values::<T>(x, x_layout)?, values::<T>(weight, weight_layout)?);
            let bias = values::<T>(bias, bias_layout)?;
            Ok(output(self.forward::<T>(&x, &weight, Some(&bias), size), shape))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        by_dtype!(x.dtype(), "linear", T => {
            read!(grad: T = grad, "linear");
            let [x, weight, bias] = self.backward::<T>(x, weight, Some(bias), &grad)?;
            Ok((x, weight, bias))
        })
    }
}
