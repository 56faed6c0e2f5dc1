//! The op beside PyTorch's, and at its edges.

use crate::{self as ops, BinaryCrossEntropy, Reduction, reference::Checks};

pub(crate) const CHECKS: Checks = Checks {
    reference: include_bytes!("reference.safetensors"),
    cases: &[
        ("binary_cross_entropy_with_logits/plain", |x| {
            ops::binary_cross_entropy_with_logits(&x[0], &x[1])
        }),
        ("binary_cross_entropy_with_logits/large", |x| {
            let settings = BinaryCrossEntropy {
                reduction: Reduction::None,
                ..Default::default()
            };
            ops::binary_cross_entropy_with_logits_with(&x[0], &x[1], &settings)
        }),
        ("binary_cross_entropy_with_logits/weights", |x| {
            let settings = BinaryCrossEntropy {
                weight: Some(x[2].clone()),
                pos_weight: Some(x[3].clone()),
                reduction: Reduction::Sum,
            };
            ops::binary_cross_entropy_with_logits_with(&x[0], &x[1], &settings)
        }),
    ],
    edges: &[("binary_cross_entropy_with_logits", &[0, 4], |x| {
        let settings = BinaryCrossEntropy {
            reduction: Reduction::None,
            ..Default::default()
        };
        ops::binary_cross_entropy_with_logits_with(x, &x.detach().zeros_like()?, &settings)
    })],
    errors: &[],
    otherwise: &[],
};
