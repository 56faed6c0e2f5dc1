//! The op beside PyTorch's, and at its edges.

use crate::{
    self as ops,
    reference::{Checks, zeros},
};

pub(crate) const CHECKS: Checks = Checks {
    reference: include_bytes!("reference.safetensors"),
    cases: &[
        ("broadcast_add/", |x| ops::broadcast_add(&x[0], &x[1])),
        ("broadcast_sub/", |x| ops::broadcast_sub(&x[0], &x[1])),
        ("broadcast_mul/", |x| ops::broadcast_mul(&x[0], &x[1])),
        ("broadcast_div/", |x| ops::broadcast_div(&x[0], &x[1])),
        ("broadcast_as/", |x| ops::broadcast_as(&x[0], (4, 3, 5))),
    ],
    edges: &[
        ("broadcast_mul", &[0, 3], |x| {
            ops::broadcast_mul(x, &zeros(&[3])?)
        }),
        ("broadcast_sub", &[0, 1, 1], |x| {
            ops::broadcast_sub(x, &zeros(&[1])?)
        }),
    ],
    errors: &[],
    otherwise: &[],
};
