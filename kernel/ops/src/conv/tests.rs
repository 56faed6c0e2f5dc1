//! The op beside PyTorch's, and at its edges.

use crate::{
    self as ops, Conv1d, Conv2d,
    reference::{Checks, zeros},
};

pub(crate) const CHECKS: Checks = Checks {
    reference: include_bytes!("reference.safetensors"),
    cases: &[
        ("conv2d/plain", |x| {
            ops::conv2d(&x[0], &x[1], Some(&x[2]), Conv2d::default())
        }),
        ("conv2d/pointwise", |x| {
            ops::conv2d(&x[0], &x[1], Some(&x[2]), Conv2d::default())
        }),
        ("conv2d/strided", |x| {
            let settings = Conv2d {
                stride: (2, 3),
                padding: (1, 2),
                dilation: (2, 1),
                groups: 1,
            };
            ops::conv2d(&x[0], &x[1], Some(&x[2]), settings)
        }),
        ("conv2d/groups", |x| {
            ops::conv2d(
                &x[0],
                &x[1],
                None,
                Conv2d {
                    padding: (1, 1),
                    groups: 2,
                    ..Default::default()
                },
            )
        }),
        ("conv2d/patches", |x| {
            ops::conv2d(
                &x[0],
                &x[1],
                Some(&x[2]),
                Conv2d {
                    stride: (4, 4),
                    ..Default::default()
                },
            )
        }),
        ("conv2d/directions", |x| {
            let settings = Conv2d {
                stride: (3, 2),
                padding: (1, 2),
                dilation: (2, 1),
                groups: 2,
            };
            ops::conv2d(&x[0], &x[1], Some(&x[2]), settings)
        }),
        ("conv1d/groups", |x| {
            let settings = Conv1d {
                stride: 3,
                padding: 2,
                groups: 2,
                ..Default::default()
            };
            ops::conv1d(&x[0], &x[1], Some(&x[2]), settings)
        }),
        ("conv1d/dilated", |x| {
            let settings = Conv1d {
                stride: 2,
                dilation: 3,
                ..Default::default()
            };
            ops::conv1d(&x[0], &x[1], Some(&x[2]), settings)
        }),
    ],
    edges: &[
        ("conv2d", &[0, 2, 5, 5], |x| {
            ops::conv2d(x, &zeros(&[3, 2, 3, 3])?, None, Conv2d::default())
        }),
        ("conv2d of one pixel", &[0, 1, 1, 1], |x| {
            ops::conv2d(x, &zeros(&[1, 1, 1, 1])?, None, Conv2d::default())
        }),
        ("conv1d", &[0, 2, 5], |x| {
            ops::conv1d(x, &zeros(&[3, 2, 3])?, None, Conv1d::default())
        }),
    ],
    errors: &[],
    otherwise: &[],
};
