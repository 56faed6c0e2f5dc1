//! The op beside PyTorch's, and at its edges.

use crate::{
    self as ops,
    reference::{Checks, zeros},
};

pub(crate) const CHECKS: Checks = Checks {
    reference: include_bytes!("reference.safetensors"),
    cases: &[("linear_gelu/", |x| ops::linear_gelu(&x[0], &x[1], &x[2]))],
    edges: &[
        ("linear_gelu", &[0, 4], |x| {
            ops::linear_gelu(x, &zeros(&[3, 4])?, &zeros(&[3])?)
        }),
        ("linear_gelu of one value", &[0, 1], |x| {
            ops::linear_gelu(x, &zeros(&[1, 1])?, &zeros(&[1])?)
        }),
    ],
    errors: &[],
    otherwise: &[],
};
