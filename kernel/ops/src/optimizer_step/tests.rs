//! The op beside PyTorch's, and at its edges.

use candle_core::{DType, Device, Tensor, Var};

use crate::{self as ops, AdamRule, OptimizerRule, reference::Checks};

pub(crate) const CHECKS: Checks = Checks {
    reference: b"",
    cases: &[],
    edges: &[],
    errors: &[],
    otherwise: &[(
        "optimizer_step",
        "the_first_step_of_adam_is_the_learning_rate",
    )],
};

/// The kernels are compared with PyTorch in `kernel/sdk/tests/nn_parity.rs`; here compositions are compared with them.
#[test]
fn the_composition_takes_the_kernels_steps() {
    let adam = |decoupled, step| {
        OptimizerRule::Adam(AdamRule {
            learning_rate: 0.1,
            beta1: 0.9,
            beta2: 0.99,
            eps: 1e-8,
            weight_decay: 0.2,
            decoupled,
            step,
        })
    };
    let sgd = |nesterov, step| OptimizerRule::Sgd {
        learning_rate: 0.1,
        momentum: 0.9,
        dampening: if nesterov { 0.0 } else { 0.3 },
        weight_decay: 0.2,
        nesterov,
        first: step == 1,
    };
    for (rows, variant) in [(2, true), (2, false), (1, true), (1, false)] {
        let make = || Var::new(&[[1.0f64, -2.0], [0.5, 3.0]], &Device::Cpu).unwrap();
        let (fused, plain) = (make(), make());
        let zeros = Tensor::zeros((rows, 4), DType::F64, &Device::Cpu).unwrap();
        let (mut fused_moments, mut plain_moments) = (zeros.copy().unwrap(), zeros);
        for step in 1..4 {
            let grad = Tensor::new(&[[0.3f64, -1.0], [step as f64, 0.1]], &Device::Cpu).unwrap();
            let rule = if rows == 2 {
                adam(variant, step)
            } else {
                sgd(variant, step)
            };
            fused_moments = ops::optimizer_step(&fused, &grad, fused_moments, rule).unwrap();
            let step = || ops::optimizer_step(&plain, &grad, plain_moments.clone(), rule);
            plain_moments = ops::composed(step).unwrap();
        }
        let values = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let difference = patchbay_compare::largest_difference(
            &values(fused.as_tensor()),
            &values(plain.as_tensor()),
        );
        assert!(difference < 1e-12, "{rows} {variant}");
    }
}

/// Kingma and Ba (2015), section 2.1: the corrected moments of the first step are the gradient and its square.
#[test]
fn the_first_step_of_adam_is_the_learning_rate() {
    let rule = OptimizerRule::Adam(AdamRule {
        learning_rate: 0.1,
        beta1: 0.9,
        beta2: 0.999,
        eps: 0.0,
        weight_decay: 0.0,
        decoupled: false,
        step: 1,
    });
    for composed in [false, true] {
        let parameter = Var::new(&[1.0f64, -2.0, 3.0], &Device::Cpu).unwrap();
        let grad = Tensor::new(&[4.0f64, -1e-3, 1e3], &Device::Cpu).unwrap();
        let moments = Tensor::zeros((2, 3), DType::F64, &Device::Cpu).unwrap();
        let step = || ops::optimizer_step(&parameter, &grad, moments, rule);
        if composed {
            ops::composed(step)
        } else {
            step()
        }
        .unwrap();
        for (now, expected) in parameter
            .to_vec1::<f64>()
            .unwrap()
            .iter()
            .zip([0.9, -1.9, 2.9])
        {
            assert!((now - expected).abs() < 1e-12, "{now}, expected {expected}");
        }
    }
}

#[test]
fn a_gradient_of_another_shape_or_dtype_is_refused() {
    let rule = OptimizerRule::Sgd {
        learning_rate: 0.1,
        momentum: 0.0,
        dampening: 0.0,
        weight_decay: 0.0,
        nesterov: false,
        first: true,
    };
    let parameter = Var::new(&[1.0f64, -2.0], &Device::Cpu).unwrap();
    for grad in [
        Tensor::new(&[1.0f64], &Device::Cpu).unwrap(),
        Tensor::new(&[1.0f32, 1.0], &Device::Cpu).unwrap(),
    ] {
        let moments = Tensor::zeros((0, 2), DType::F64, &Device::Cpu).unwrap();
        let error = ops::optimizer_step(&parameter, &grad, moments, rule).unwrap_err();
        assert!(error.to_string().contains("they must agree"), "{error}");
    }
}
