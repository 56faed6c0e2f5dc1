//! The op beside PyTorch's, and at its edges.

use crate::{self as ops, reference::Checks};

pub(crate) const CHECKS: Checks = Checks {
    reference: include_bytes!("reference.safetensors"),
    cases: &[
        ("focal/half", |x| ops::focal(&x[0], 0.5)),
        ("focal/one", |x| ops::focal(&x[0], 1.0)),
        ("focal/two", |x| ops::focal(&x[0], 2.0)),
        ("focal/more", |x| ops::focal(&x[0], 3.5)),
    ],
    edges: &[("focal", &[0, 4], |x| ops::focal(x, 2.0))],
    errors: &[],
    otherwise: &[],
};
