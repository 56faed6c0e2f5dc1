//! An op on the GPU as candle takes it, as [`crate::op`] is on the CPU.

use candle_core::{CpuStorage, CudaStorage, CustomOp1, CustomOp3, Layout, Result, Shape, Tensor};

/// An op of `N` inputs, all contiguous, on the GPU.
pub(crate) trait Op<const N: usize>: Send + Sync {
    /// What errors call it.
    fn name(&self) -> &'static str;

    /// The result. Runs once.
    fn forward(&self, inputs: [(&CudaStorage, &Layout); N]) -> Result<(CudaStorage, Shape)>;

    /// The gradients of the inputs, from the result and its gradient.
    fn backward(
        &self,
        _inputs: [&Tensor; N],
        _result: &Tensor,
        _grad: &Tensor,
    ) -> Result<[Option<Tensor>; N]> {
        candle_core::bail!("{} has no gradient", self.name())
    }
}

/// The op of one input.
pub(crate) fn apply1<O: Op<1> + 'static>(op: O, x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(OnGpu(op))
}

/// The op of three inputs.
pub(crate) fn apply3<O: Op<3> + 'static>(op: O, [a, b, c]: [&Tensor; 3]) -> Result<Tensor> {
    a.contiguous()?
        .apply_op3(&b.contiguous()?, &c.contiguous()?, OnGpu(op))
}

struct OnGpu<O>(O);

impl<O: Op<1>> CustomOp1 for OnGpu<O> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        not_on_cpu(self.0.name())
    }

    fn cuda_fwd(&self, a: &CudaStorage, a_layout: &Layout) -> Result<(CudaStorage, Shape)> {
        self.0.forward([(a, a_layout)])
    }

    fn bwd(&self, a: &Tensor, result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let [a] = self.0.backward([a], result, grad)?;
        Ok(a)
    }
}

impl<O: Op<3>> CustomOp3 for OnGpu<O> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        not_on_cpu(self.0.name())
    }

    fn cuda_fwd(
        &self,
        a: &CudaStorage,
        a_layout: &Layout,
        b: &CudaStorage,
        b_layout: &Layout,
        c: &CudaStorage,
        c_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.0
            .forward([(a, a_layout), (b, b_layout), (c, c_layout)])
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        self.0
            .backward([a, b, c], result, grad)
            .map(<(_, _, _)>::from)
    }
}

/// What an op of the GPU answers on the CPU, where it is never called.
pub(crate) fn not_on_cpu<T>(op: &str) -> Result<T> {
    candle_core::bail!("{op}: this form of the op is for GPUs")
}
