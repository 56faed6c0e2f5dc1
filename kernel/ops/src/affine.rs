//! The affine map, by itself and within other ops.

use candle_core::{DType, Layout, Result, Shape, Tensor};

use crate::{
    dispatch::has_cpu_kernels,
    gemm::{Matrix, product},
    op::Operand,
    real::Real,
    reduce_kernel::sums,
};

/// x · weightᵀ + bias, and its shape.
pub(crate) fn forward<T: Real>(
    x: Operand<'_>,
    weight: Operand<'_>,
    bias: Option<Operand<'_>>,
) -> Result<(Vec<T>, Shape)> {
    let (size, shape) = linear_shape(x.layout(), weight.layout());
    let bias = bias.map(|bias| bias.values::<T>()).transpose()?;
    let y = of_values(&x.values()?, &weight.values()?, bias.as_deref(), size);
    Ok((y, Shape::from(shape)))
}

/// The same of rows of values, of so many rows, inputs and outputs.
pub(crate) fn of_values<T: Real>(
    x: &[T],
    weight: &[T],
    bias: Option<&[T]>,
    (rows, inputs, outputs): (usize, usize, usize),
) -> Vec<T> {
    let (x, weight) = (
        Matrix::new(x, inputs),
        Matrix::new(weight, inputs).transposed(),
    );
    product((rows, inputs, outputs), x, weight, bias)
}

/// The gradients of what is tracked, from that of the result.
pub(crate) fn backward<T: Real>(
    x: Operand<'_>,
    weight: Operand<'_>,
    bias_tracked: bool,
    grad: &[T],
) -> Result<[Option<Vec<T>>; 3]> {
    let tracked = [x.is_tracked(), weight.is_tracked(), bias_tracked];
    let outputs = weight.dims()[0];
    Ok(gradients(
        &x.values()?,
        &weight.values()?,
        outputs,
        tracked,
        grad,
    ))
}

/// The gradients of input, weight and bias, those that are `tracked`, from that of the result.
pub(crate) fn gradients<T: Real>(
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

/// The sum over the rows of a row-major matrix.
fn column_sums<T: Real>(values: &[T], width: usize) -> Vec<T> {
    let rows = values.len().checked_div(width).unwrap_or(0);
    let sums = sums(values, [1, rows, width]);
    sums.into_iter().map(T::of).collect()
}

/// Whether an affine map can be one op with what is around it: on the CPU, where shapes and dtypes fit. Half precision
/// goes by way of f32, and what does not fit has its error in [`crate::linear`].
pub(crate) fn fits_one_op(x: &Tensor, weight: &Tensor, bias: &Tensor) -> bool {
    let fits = x.rank() > 0
        && weight.rank() == 2
        && x.dims().last() == weight.dims().last()
        && bias.dims() == [weight.dims()[0]];
    let fused = matches!(x.dtype(), DType::F32 | DType::F64)
        && x.dtype() == weight.dtype()
        && x.dtype() == bias.dtype();
    fits && fused && has_cpu_kernels(x)
}

/// Rows, inputs and outputs, and the shape of the result.
pub(crate) fn linear_shape(x: &Layout, weight: &Layout) -> ((usize, usize, usize), Vec<usize>) {
    let (inputs, outputs) = (weight.dims()[1], weight.dims()[0]);
    let mut shape = x.dims().to_vec();
    shape.pop();
    let rows = shape.iter().product();
    shape.push(outputs);
    ((rows, inputs, outputs), shape)
}
