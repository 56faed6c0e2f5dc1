//! The op beside PyTorch's, and at its edges.

use crate::{
    self as ops,
    reference::{Checks, some, zeros},
};

pub(crate) const CHECKS: Checks = Checks {
    reference: include_bytes!("reference.safetensors"),
    cases: &[
        ("layer_norm/plain", |x| {
            ops::layer_norm(&x[0], None, None, 1e-6)
        }),
        ("layer_norm/weight", |x| {
            ops::layer_norm(&x[0], Some(&x[1]), None, 1e-5)
        }),
        ("layer_norm/", |x| {
            ops::layer_norm(&x[0], Some(&x[1]), Some(&x[2]), 1e-5)
        }),
        ("rms_norm/plain", |x| ops::rms_norm(&x[0], None, 1e-5)),
        ("rms_norm/", |x| ops::rms_norm(&x[0], Some(&x[1]), 1e-6)),
    ],
    edges: &[
        ("layer_norm", &[0, 4], |x| {
            ops::layer_norm(x, Some(&zeros(&[4])?), Some(&zeros(&[4])?), 1e-5)
        }),
        ("layer_norm of one value", &[0, 1], |x| {
            ops::layer_norm(x, None, None, 1e-5)
        }),
        ("rms_norm", &[0, 4], |x| {
            ops::rms_norm(x, Some(&zeros(&[4])?), 1e-5)
        }),
    ],
    errors: &[(
        || ops::layer_norm(&some(&[2, 3])?, Some(&some(&[2])?), None, 1e-5),
        "the last dimensions of the input are [3]",
    )],
    otherwise: &[],
};
