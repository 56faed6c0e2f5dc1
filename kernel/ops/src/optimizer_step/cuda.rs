//! The kernels of the GPU.
#![cfg(feature = "cuda")]

use std::cell::RefCell;

use candle_core::{
    CpuStorage, CudaDevice, CudaStorage, InplaceOp1, InplaceOp2, Layout, Result, Tensor, Var,
    backend::BackendStorage,
    cuda_backend::{
        WrapErr,
        cudarc::driver::{CudaView, CudaViewMut, PushKernelArg},
    },
};

use super::rule::{AdamFactors, OptimizerRule};
use crate::cuda::{
    kernels::{Number, by_number, elementwise, kernel, ptx, view, view_mut},
    op::not_on_cpu,
};

/// The step; the moments are updated in place.
///
/// # Errors
///
/// Fails where the GPU does.
pub(super) fn step(
    parameter: &Var,
    grad: &Tensor,
    moments: &Tensor,
    rule: OptimizerRule,
) -> Result<()> {
    parameter.inplace_op2(&grad.contiguous()?, &Step { moments, rule })
}

struct Step<'a> {
    moments: &'a Tensor,
    rule: OptimizerRule,
}

impl InplaceOp2 for Step<'_> {
    fn name(&self) -> &'static str {
        "optimizer-step"
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<()> {
        not_on_cpu(self.name())
    }

    fn cuda_fwd(
        &self,
        parameter: &mut CudaStorage,
        layout: &Layout,
        grad: &CudaStorage,
        grad_layout: &Layout,
    ) -> Result<()> {
        by_number!(grad.dtype(), self.name(), T => {
            let device = parameter.device().clone();
            let grad = view::<T>(grad, grad_layout)?;
            let mut parameter = view_mut::<T>(parameter, layout)?;
            if matches!(self.rule, OptimizerRule::Sgd { momentum: 0.0, .. }) {
                return launch::<T>(&device, &mut parameter, &grad, None, self.rule);
            }
            let parameter = RefCell::new(parameter);
            // The moments are locked while the parameter is: both are written in the one pass.
            self.moments.inplace_op1(&Moments { parameter, grad, rule: self.rule })
        })
    }
}

struct Moments<'a, T> {
    parameter: RefCell<CudaViewMut<'a, T>>,
    grad: CudaView<'a, T>,
    rule: OptimizerRule,
}

impl<T: Number> InplaceOp1 for Moments<'_, T> {
    fn name(&self) -> &'static str {
        "optimizer-step"
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout) -> Result<()> {
        not_on_cpu(self.name())
    }

    fn cuda_fwd(&self, moments: &mut CudaStorage, layout: &Layout) -> Result<()> {
        let device = moments.device().clone();
        let mut moments = view_mut::<T>(moments, layout)?;
        let parameter = &mut *self.parameter.borrow_mut();
        launch::<T>(
            &device,
            parameter,
            &self.grad,
            Some(&mut moments),
            self.rule,
        )
    }
}

/// Runs the rule's kernel; SGD without momentum has no moments.
fn launch<T: Number>(
    device: &CudaDevice,
    parameter: &mut CudaViewMut<'_, T>,
    grad: &CudaView<'_, T>,
    mut moments: Option<&mut CudaViewMut<'_, T>>,
    rule: OptimizerRule,
) -> Result<()> {
    let count = grad.len();
    let (name, rows) = match rule {
        OptimizerRule::Adam(_) => ("adam", 2),
        OptimizerRule::Sgd { momentum, .. } => ("sgd", usize::from(momentum != 0.0)),
    };
    let given = moments.as_ref().map_or(0, |moments| moments.len());
    if parameter.len() != count || given < rows * count {
        candle_core::bail!(
            "optimizer-step: {} parameters, {count} gradients and {given} moments: there must be one gradient and {rows} \
             moments for each parameter",
            parameter.len(),
        )
    }
    let kernel = kernel::<T>(device, name, "patchbay_optimizer_step", ptx::OPTIMIZER_STEP)?;
    let mut launch = kernel.builder();
    launch.arg(&count).arg(parameter).arg(grad);
    // The address of no memory.
    let none = 0u64;
    match &mut moments {
        Some(moments) => launch.arg(&mut **moments),
        None => launch.arg(&none),
    };
    match rule {
        OptimizerRule::Adam(adam) => {
            let AdamFactors {
                rate,
                root_scale,
                shrink,
                decay,
            } = adam.factors();
            launch.arg(&rate).arg(&adam.beta1).arg(&adam.beta2);
            launch.arg(&adam.eps).arg(&shrink).arg(&decay);
            launch.arg(&root_scale);
            // SAFETY: the arguments are those of `adam_*` in optimizer_step.cu; `count` parameters and gradients and twice as many
            // moments were checked above.
            unsafe { launch.launch(elementwise(count)) }.w()?;
        }
        OptimizerRule::Sgd {
            learning_rate,
            momentum,
            dampening,
            weight_decay,
            nesterov,
            first,
        } => {
            let rest = if first { 1.0 } else { 1.0 - dampening };
            let nesterov = i32::from(nesterov);
            launch.arg(&learning_rate).arg(&momentum).arg(&rest);
            launch.arg(&weight_decay).arg(&nesterov);
            // SAFETY: the arguments are those of `sgd_*` in optimizer_step.cu; `count` parameters and gradients, and with momentum
            // as many moments, were checked above, and without momentum the kernel reads none.
            unsafe { launch.launch(elementwise(count)) }.w()?;
        }
    }
    Ok(())
}
