//! The op beside PyTorch's, and at its edges.

use crate::{
    self as ops,
    reference::{Checks, zeros},
};

pub(crate) const CHECKS: Checks = Checks {
    reference: include_bytes!("reference.safetensors"),
    cases: &[("gelu_linear/", |x| ops::gelu_linear(&x[0], &x[1], &x[2]))],
    edges: &[
        ("gelu_linear", &[0, 4], |x| {
            ops::gelu_linear(x, &zeros(&[3, 4])?, &zeros(&[3])?)
        }),
        ("gelu_linear of one value", &[0, 1], |x| {
            ops::gelu_linear(x, &zeros(&[1, 1])?, &zeros(&[1])?)
        }),
    ],
    errors: &[],
    otherwise: &[],
};
