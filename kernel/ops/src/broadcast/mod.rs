//! Arithmetic of tensors of different shapes, whose gradients are summed without loss.
//!
//! candle's `broadcast_add` and its like have the gradient of the smaller operand summed in its own type, value by value: the
//! gradient of a bias, a position or a temperature over a large batch is wrong in its fifth place. The values are
//! candle's own; an operand that no variable leads to gets no gradient.

#[cfg(test)]
pub(crate) mod tests;

use candle_core::{
    CpuStorage, CudaStorage, CustomOp2, Layout, Result, Shape, Tensor,
    backend::BackendStorage,
    op::{Add, Div, Mul, Sub},
};

use crate::{storage::same_dtype, sum_keepdim};

/// `left + right`, of shapes that broadcast.
///
/// # Errors
///
/// Fails where the shapes do not broadcast or the dtypes differ.
pub fn broadcast_add(left: &Tensor, right: &Tensor) -> Result<Tensor> {
    apply(left, right, Arithmetic::Add)
}

/// `left - right`, of shapes that broadcast.
///
/// # Errors
///
/// As [`broadcast_add`].
pub fn broadcast_sub(left: &Tensor, right: &Tensor) -> Result<Tensor> {
    apply(left, right, Arithmetic::Subtract)
}

/// `left · right`, of shapes that broadcast.
///
/// # Errors
///
/// As [`broadcast_add`].
pub fn broadcast_mul(left: &Tensor, right: &Tensor) -> Result<Tensor> {
    apply(left, right, Arithmetic::Multiply)
}

/// `left / right`, of shapes that broadcast.
///
/// # Errors
///
/// As [`broadcast_add`].
pub fn broadcast_div(left: &Tensor, right: &Tensor) -> Result<Tensor> {
    apply(left, right, Arithmetic::Divide)
}

/// `x` repeated to `shape`, as a tensor of its own.
///
/// # Errors
///
/// Fails where the shape of `x` does not broadcast to `shape`.
pub fn broadcast_as(x: &Tensor, shape: impl Into<Shape>) -> Result<Tensor> {
    let shape = shape.into();
    let repeated = x.broadcast_as(shape.clone())?;
    if !x.track_op() {
        return Ok(repeated);
    }
    broadcast_add(&Tensor::zeros(shape, x.dtype(), x.device())?, x)
}

fn apply(left: &Tensor, right: &Tensor, op: Arithmetic) -> Result<Tensor> {
    same_dtype(op.name(), left, "the right operand", right)?;
    let shape = left
        .shape()
        .broadcast_shape_binary_op(right.shape(), op.name())?;
    left.apply_op2(right, Broadcast { op, shape })
}

#[derive(Clone, Copy)]
enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Arithmetic {
    fn name(self) -> &'static str {
        match self {
            Arithmetic::Add => "broadcast-add",
            Arithmetic::Subtract => "broadcast-sub",
            Arithmetic::Multiply => "broadcast-mul",
            Arithmetic::Divide => "broadcast-div",
        }
    }
}

struct Broadcast {
    op: Arithmetic,
    shape: Shape,
}

impl Broadcast {
    fn run<S: BackendStorage>(
        &self,
        left: (&S, &Layout),
        right: (&S, &Layout),
    ) -> Result<(S, Shape)> {
        let (at, other) = (
            left.1.broadcast_as(self.shape.clone())?,
            right.1.broadcast_as(self.shape.clone())?,
        );
        let (left, right) = (left.0, right.0);
        let out = match self.op {
            Arithmetic::Add => left.binary_impl::<Add>(right, &at, &other),
            Arithmetic::Subtract => left.binary_impl::<Sub>(right, &at, &other),
            Arithmetic::Multiply => left.binary_impl::<Mul>(right, &at, &other),
            Arithmetic::Divide => left.binary_impl::<Div>(right, &at, &other),
        }?;
        Ok((out, self.shape.clone()))
    }
}

/// The sum of a gradient over the dimensions along which an operand of this shape was repeated.
fn summed(grad: &Tensor, shape: &Shape) -> Result<Tensor> {
    if grad.shape() == shape {
        return Ok(grad.clone());
    }
    let added = grad.rank() - shape.rank();
    let repeated = |&dim: &usize| dim < added || shape.dims()[dim - added] != grad.dims()[dim];
    let dims: Vec<usize> = (0..grad.rank()).filter(repeated).collect();
    sum_keepdim(grad, dims)?.reshape(shape)
}

impl CustomOp2 for Broadcast {
    fn name(&self) -> &'static str {
        self.op.name()
    }

    fn cpu_fwd(
        &self,
        left: &CpuStorage,
        left_layout: &Layout,
        right: &CpuStorage,
        right_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.run((left, left_layout), (right, right_layout))
    }

    fn cuda_fwd(
        &self,
        left: &CudaStorage,
        left_layout: &Layout,
        right: &CudaStorage,
        right_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.run((left, left_layout), (right, right_layout))
    }

    fn bwd(
        &self,
        left: &Tensor,
        right: &Tensor,
        out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (a, b, out) = (left.detach(), right.detach(), out.detach());
        let of_left = || match self.op {
            Arithmetic::Add | Arithmetic::Subtract => Ok(grad.clone()),
            Arithmetic::Multiply => grad.broadcast_mul(&b),
            Arithmetic::Divide => grad.broadcast_div(&b),
        };
        let of_right = || match self.op {
            Arithmetic::Add => Ok(grad.clone()),
            Arithmetic::Subtract => grad.neg(),
            Arithmetic::Multiply => grad.broadcast_mul(&a),
            Arithmetic::Divide => (grad * &out)?.broadcast_div(&b)?.neg(),
        };
        let to = |tracked: bool, grad: &dyn Fn() -> Result<Tensor>, shape: &Shape| {
            tracked.then(|| summed(&grad()?, shape)).transpose()
        };
        Ok((
            to(left.track_op(), &of_left, left.shape())?,
            to(right.track_op(), &of_right, right.shape())?,
        ))
    }
}
