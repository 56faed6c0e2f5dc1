//! The op beside PyTorch's, and at its edges.

use crate::{self as ops, reference::Checks};

pub(crate) const CHECKS: Checks = Checks {
    reference: include_bytes!("reference.safetensors"),
    cases: &[
        ("max_pool2d/plain", |x| {
            ops::max_pool2d(&x[0], (2, 2), (2, 2), (0, 0))
        }),
        ("max_pool2d/strided", |x| {
            ops::max_pool2d(&x[0], (3, 2), (2, 1), (1, 1))
        }),
        ("avg_pool2d/plain", |x| {
            ops::avg_pool2d(&x[0], (2, 3), (2, 1), (0, 0))
        }),
        ("avg_pool2d/padded", |x| {
            ops::avg_pool2d(&x[0], (3, 3), (2, 2), (1, 1))
        }),
        ("adaptive_avg_pool2d/plain", |x| {
            ops::adaptive_avg_pool2d(&x[0], (3, 2))
        }),
        ("adaptive_avg_pool2d/one", |x| {
            ops::adaptive_avg_pool2d(&x[0], (1, 1))
        }),
    ],
    edges: &[
        ("max_pool2d", &[0, 2, 4, 4], |x| {
            ops::max_pool2d(x, (2, 2), (2, 2), (0, 0))
        }),
        ("avg_pool2d", &[0, 1, 1, 1], |x| {
            ops::avg_pool2d(x, (1, 1), (1, 1), (0, 0))
        }),
        ("max_pool2d of one pixel", &[0, 1, 1, 1], |x| {
            ops::max_pool2d(x, (1, 1), (1, 1), (0, 0))
        }),
    ],
    errors: &[],
    otherwise: &[],
};
