//! The op beside PyTorch's, and at its edges.

use candle_core::Var;

use crate::{
    self as ops,
    reference::{Checks, some, zeros},
};

pub(crate) const CHECKS: Checks = Checks {
    reference: include_bytes!("reference.safetensors"),
    cases: &[
        ("matmul/", |x| ops::matmul(&x[0], &x[1])),
        ("linear/plain", |x| ops::linear(&x[0], &x[1], None)),
        ("linear/", |x| ops::linear(&x[0], &x[1], Some(&x[2]))),
    ],
    edges: &[
        ("linear", &[0, 4], |x| {
            ops::linear(x, &zeros(&[3, 4])?, Some(&zeros(&[3])?))
        }),
        ("matmul", &[0, 2, 4], |x| ops::matmul(x, &zeros(&[4, 3])?)),
        ("matmul of one value", &[0, 1], |x| {
            ops::matmul(x, &zeros(&[1, 1])?)
        }),
    ],
    errors: &[(
        || ops::linear(&some(&[2, 3])?, &some(&[4, 5])?, None),
        "[..., in] and [out, in]",
    )],
    otherwise: &[],
};

#[test]
fn untracked_operands_get_no_gradient() {
    let x = Var::from_tensor(&some(&[4, 8]).unwrap()).unwrap();
    let queue = some(&[8, 100]).unwrap();
    let grads = ops::matmul(&x, &queue)
        .unwrap()
        .sum_all()
        .unwrap()
        .backward()
        .unwrap();
    assert!(grads.get(&x).is_some() && grads.get(&queue).is_none());
    let weight = some(&[5, 8]).unwrap();
    let grads = ops::linear(&x, &weight, None)
        .unwrap()
        .sum_all()
        .unwrap()
        .backward()
        .unwrap();
    assert!(grads.get(&x).is_some() && grads.get(&weight).is_none());
}
