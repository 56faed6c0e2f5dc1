//! The op beside PyTorch's, and at its edges.

use candle_core::D;

use crate::{self as ops, reference::Checks};

pub(crate) const CHECKS: Checks = Checks {
    reference: include_bytes!("reference.safetensors"),
    cases: &[
        ("sum_all/", |x| ops::sum_all(&x[0])),
        ("sum/last", |x| ops::sum(&x[0], D::Minus1)),
        ("sum/middle", |x| ops::sum(&x[0], 1)),
        ("sum/several", |x| ops::sum(&x[0], (0, 2))),
        ("sum_keepdim/", |x| ops::sum_keepdim(&x[0], 0)),
        ("mean_all/", |x| ops::mean_all(&x[0])),
        ("mean/last", |x| ops::mean(&x[0], D::Minus1)),
        ("mean/middle", |x| ops::mean(&x[0], 1)),
        ("mean/several", |x| ops::mean(&x[0], (0, 2))),
        ("mean_keepdim/", |x| ops::mean_keepdim(&x[0], 0)),
        ("var_all/", |x| ops::var_all(&x[0])),
        ("var/last", |x| ops::var(&x[0], D::Minus1)),
        ("var/middle", |x| ops::var(&x[0], 1)),
        ("var/several", |x| ops::var(&x[0], (0, 2))),
        ("var_keepdim/", |x| ops::var_keepdim(&x[0], 0)),
        ("var_with/biased", |x| {
            ops::var_with(&x[0], (1, 2), 0.0, false)
        }),
    ],
    edges: &[
        ("sum", &[0, 4], |x| ops::sum(x, 1)),
        ("mean", &[0, 1], |x| ops::mean(x, 1)),
        ("sum_all", &[0, 3], |x| ops::sum_all(x)),
        ("var_with", &[0, 4], |x| ops::var_with(x, 1, 0.0, false)),
    ],
    errors: &[],
    otherwise: &[],
};
