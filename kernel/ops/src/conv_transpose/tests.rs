//! The op beside PyTorch's, and at its edges.

use crate::{
    self as ops, ConvTranspose1d, ConvTranspose2d,
    reference::{Checks, zeros},
};

pub(crate) const CHECKS: Checks = Checks {
    reference: include_bytes!("reference.safetensors"),
    cases: &[
        ("conv_transpose2d/directions", |x| {
            let settings = ConvTranspose2d {
                stride: (2, 3),
                padding: (1, 2),
                output_padding: (1, 2),
                dilation: (3, 1),
                groups: 2,
            };
            ops::conv_transpose2d(&x[0], &x[1], Some(&x[2]), settings)
        }),
        ("conv_transpose2d/output_padding", |x| {
            let settings = ConvTranspose2d {
                stride: (2, 2),
                padding: (1, 1),
                output_padding: (1, 1),
                ..Default::default()
            };
            ops::conv_transpose2d(&x[0], &x[1], Some(&x[2]), settings)
        }),
        ("conv_transpose1d/groups", |x| {
            let settings = ConvTranspose1d {
                stride: 3,
                padding: 2,
                output_padding: 2,
                dilation: 2,
                groups: 2,
            };
            ops::conv_transpose1d(&x[0], &x[1], Some(&x[2]), settings)
        }),
    ],
    edges: &[
        ("conv_transpose2d", &[0, 2, 5, 5], |x| {
            ops::conv_transpose2d(x, &zeros(&[2, 3, 3, 3])?, None, ConvTranspose2d::default())
        }),
        ("conv_transpose1d", &[0, 1, 1], |x| {
            ops::conv_transpose1d(x, &zeros(&[1, 1, 1])?, None, ConvTranspose1d::default())
        }),
    ],
    errors: &[],
    otherwise: &[],
};
