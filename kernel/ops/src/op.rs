//! An op of our own as candle takes it: a value and the gradients of its inputs.
//!
//! candle has a trait for each number of inputs, over storages that may lie on any device. An op of this crate implements
//! [`Op`], over numbers on the CPU, and [`apply`] makes the rest of it.

use std::borrow::Cow;

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Storage, Tensor,
    backend::BackendStorage,
};

use crate::{
    real::Real,
    storage::{by_dtype, cpu_storage, output, tensor, values},
};

/// An input of an op, its result, or a gradient. Nothing is read before it is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Operand<'a> {
    storage: &'a CpuStorage,
    layout: &'a Layout,
    tracked: bool,
}

impl<'a> Operand<'a> {
    fn new(op: &'static str, storage: &'a Storage, layout: &'a Layout) -> Result<Operand<'a>> {
        Ok(Operand {
            storage: cpu_storage(storage, op)?,
            layout,
            tracked: false,
        })
    }

    /// The values in row-major order; copied only where they do not lie so.
    pub(crate) fn values<T: Real>(&self) -> Result<Cow<'a, [T]>> {
        values::<T>(self.storage, self.layout)
    }

    /// All values of the storage, of which the layout says which are the tensor's.
    pub(crate) fn all<T: Real>(&self) -> Result<&'a [T]> {
        self.storage.as_slice::<T>()
    }

    /// For what is of another dtype: indices, masks.
    pub(crate) fn storage(&self) -> &'a CpuStorage {
        self.storage
    }

    pub(crate) fn layout(&self) -> &'a Layout {
        self.layout
    }

    pub(crate) fn shape(&self) -> &'a Shape {
        self.layout.shape()
    }

    pub(crate) fn dims(&self) -> &'a [usize] {
        self.layout.dims()
    }

    /// In a backward pass, whether a variable leads to this input: others need no gradient.
    pub(crate) fn is_tracked(&self) -> bool {
        self.tracked
    }
}

/// An op of `N` inputs on the CPU. `T` is f32 or f64, as the first input is.
pub(crate) trait Op<const N: usize>: Send + Sync {
    /// What errors call it.
    fn name(&self) -> &'static str;

    /// The values of the result in row-major order, and its shape. Runs once.
    fn forward<T: Real>(&self, inputs: [Operand<'_>; N]) -> Result<(Vec<T>, Shape)>;

    /// The gradients of the inputs, in row-major order and of the inputs' shapes, from the result and its gradient; none for
    /// an input that has none.
    fn backward<T: Real>(
        &self,
        _inputs: [Operand<'_>; N],
        _result: Operand<'_>,
        _grad: Operand<'_>,
    ) -> Result<[Option<Vec<T>>; N]> {
        candle_core::bail!("{} has no gradient", self.name())
    }
}

/// The op of these inputs as a tensor, which leads back to them.
pub(crate) fn apply<O, const N: usize>(op: O, inputs: [&Tensor; N]) -> Result<Tensor>
where
    for<'a> [&'a Tensor; N]: Inputs<O>,
{
    inputs.tracked(op)
}

/// [`apply`] without a way back.
pub(crate) fn apply_without_gradient<O: Op<1>>(op: &O, x: &Tensor) -> Result<Tensor> {
    x.apply_op1_no_bwd(&Borrowed(op))
}

/// As many inputs as an op of this sort takes.
pub(crate) trait Inputs<O> {
    fn tracked(self, op: O) -> Result<Tensor>;
}

impl<O: Op<1> + 'static> Inputs<O> for [&Tensor; 1] {
    fn tracked(self, op: O) -> Result<Tensor> {
        self[0].apply_op1(Owned(op))
    }
}

impl<O: Op<2> + 'static> Inputs<O> for [&Tensor; 2] {
    fn tracked(self, op: O) -> Result<Tensor> {
        self[0].apply_op2(self[1], Owned(op))
    }
}

impl<O: Op<3> + 'static> Inputs<O> for [&Tensor; 3] {
    fn tracked(self, op: O) -> Result<Tensor> {
        self[0].apply_op3(self[1], self[2], Owned(op))
    }
}

fn forward<O: Op<N>, const N: usize>(
    op: &O,
    inputs: [(&CpuStorage, &Layout); N],
) -> Result<(CpuStorage, Shape)> {
    let inputs = inputs.map(|(storage, layout)| Operand {
        storage,
        layout,
        tracked: false,
    });
    by_dtype!(inputs[0].storage.dtype(), op.name(), T => {
        let (values, shape) = op.forward::<T>(inputs)?;
        Ok(output(values, shape))
    })
}

fn backward<O: Op<N>, const N: usize>(
    op: &O,
    inputs: [&Tensor; N],
    result: &Tensor,
    grad: &Tensor,
) -> Result<[Option<Tensor>; N]> {
    let name = op.name();
    let (result, result_layout) = result.storage_and_layout();
    let (grad, grad_layout) = grad.storage_and_layout();
    let result = Operand::new(name, &result, result_layout)?;
    let grad = Operand::new(name, &grad, grad_layout)?;
    let guards = inputs.map(Tensor::storage_and_layout);
    let mut operands = [result; N];
    for ((operand, (storage, layout)), input) in operands.iter_mut().zip(&guards).zip(inputs) {
        *operand = Operand::new(name, storage, layout)?;
        operand.tracked = input.track_op();
    }
    by_dtype!(inputs[0].dtype(), name, T => {
        let mut tensors = [const { None }; N];
        let grads = op.backward::<T>(operands, result, grad)?;
        for ((to, values), input) in tensors.iter_mut().zip(grads).zip(inputs) {
            *to = values.map(|values| tensor(values, input.shape())).transpose()?;
        }
        Ok(tensors)
    })
}

/// An op that the graph keeps for the way back.
struct Owned<O>(O);

impl<O: Op<1>> CustomOp1 for Owned<O> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn cpu_fwd(&self, a: &CpuStorage, a_layout: &Layout) -> Result<(CpuStorage, Shape)> {
        forward(&self.0, [(a, a_layout)])
    }

    fn bwd(&self, a: &Tensor, result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let [a] = backward(&self.0, [a], result, grad)?;
        Ok(a)
    }
}

impl<O: Op<2>> CustomOp2 for Owned<O> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        forward(&self.0, [(a, a_layout), (b, b_layout)])
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        backward(&self.0, [a, b], result, grad).map(<(_, _)>::from)
    }
}

impl<O: Op<3>> CustomOp3 for Owned<O> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
        c: &CpuStorage,
        c_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        forward(&self.0, [(a, a_layout), (b, b_layout), (c, c_layout)])
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        backward(&self.0, [a, b, c], result, grad).map(<(_, _, _)>::from)
    }
}

/// An op that is done once it has run; it may borrow what it needs.
struct Borrowed<'a, O>(&'a O);

impl<O: Op<1>> CustomOp1 for Borrowed<'_, O> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn cpu_fwd(&self, a: &CpuStorage, a_layout: &Layout) -> Result<(CpuStorage, Shape)> {
        forward(self.0, [(a, a_layout)])
    }
}
