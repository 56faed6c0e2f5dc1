//! The op beside PyTorch's, and at its edges.

use crate::{self as ops, reference::Checks};

pub(crate) const CHECKS: Checks = Checks {
    reference: include_bytes!("reference.safetensors"),
    cases: &[
        ("l2_normalize/last", |x| ops::l2_normalize(&x[0], -1, 1e-12)),
        ("l2_normalize/zero", |x| ops::l2_normalize(&x[0], -1, 1e-3)),
        ("l2_normalize/first", |x| ops::l2_normalize(&x[0], 0, 1e-12)),
    ],
    edges: &[
        ("l2_normalize", &[0, 4], |x| ops::l2_normalize(x, -1, 1e-12)),
        ("l2_normalize of one value", &[0, 1], |x| {
            ops::l2_normalize(x, -1, 1e-12)
        }),
    ],
    errors: &[],
    otherwise: &[],
};
