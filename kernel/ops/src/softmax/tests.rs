//! The op beside PyTorch's, and at its edges.

use crate::{
    self as ops,
    reference::{Checks, some},
};

pub(crate) const CHECKS: Checks = Checks {
    reference: include_bytes!("reference.safetensors"),
    cases: &[
        ("softmax/last", |x| ops::softmax(&x[0])),
        ("softmax/short", |x| ops::softmax(&x[0])),
        ("softmax/middle", |x| ops::softmax_dim(&x[0], 1)),
        ("softmax/wide", |x| ops::softmax_dim(&x[0], 1)),
        ("softmax/first", |x| ops::softmax_dim(&x[0], -2)),
        ("softmax/", |x| ops::softmax(&x[0])),
        ("log_softmax/last", |x| ops::log_softmax(&x[0])),
        ("log_softmax/short", |x| ops::log_softmax(&x[0])),
        ("log_softmax/middle", |x| ops::log_softmax_dim(&x[0], 1)),
        ("log_softmax/wide", |x| ops::log_softmax_dim(&x[0], 1)),
        ("log_softmax/first", |x| ops::log_softmax_dim(&x[0], 0)),
        ("log_softmax/", |x| ops::log_softmax(&x[0])),
    ],
    edges: &[
        ("softmax", &[0, 64], |x| ops::softmax(x)),
        ("log_softmax", &[0, 5], |x| ops::log_softmax(x)),
        ("softmax of one value", &[0, 1], |x| ops::softmax(x)),
    ],
    errors: &[(
        || ops::softmax_dim(&some(&[2, 3])?, 2),
        "must be from -2 to 1",
    )],
    otherwise: &[],
};
