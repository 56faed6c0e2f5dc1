//! The op beside PyTorch's, and at its edges.

use candle_core::{DType, Tensor};

use crate::{
    self as ops,
    reference::{Checks, some},
};

pub(crate) const CHECKS: Checks = Checks {
    reference: include_bytes!("reference.safetensors"),
    cases: &[("masked_fill/", |x| ops::masked_fill(&x[0], &x[1], -2.5))],
    edges: &[("masked_fill", &[0, 4], |x| {
        ops::masked_fill(x, &Tensor::ones(4, DType::U8, x.device())?, 1.0)
    })],
    errors: &[(
        || {
            let x = some(&[2, 3])?;
            ops::masked_fill(&x, &x, 0.0)
        },
        "must be u8",
    )],
    otherwise: &[],
};
