//! The op beside PyTorch's, and at its edges.

use crate::{self as ops, Interpolate, Interpolation, reference::Checks};

pub(crate) const CHECKS: Checks = Checks {
    reference: include_bytes!("reference.safetensors"),
    cases: &[
        ("interpolate/nearest_up", |x| {
            ops::interpolate(&x[0], (9, 11), Interpolation::Nearest)
        }),
        ("interpolate/nearest_down", |x| {
            ops::interpolate(&x[0], (3, 4), Interpolation::Nearest)
        }),
        ("interpolate/nearest_one", |x| {
            ops::interpolate(&x[0], (3, 3), Interpolation::Nearest)
        }),
        ("interpolate/bilinear_up", |x| {
            ops::interpolate(&x[0], (9, 11), Interpolation::Bilinear)
        }),
        ("interpolate/bilinear_down", |x| {
            ops::interpolate(&x[0], (3, 4), Interpolation::Bilinear)
        }),
        ("interpolate/bilinear_one", |x| {
            ops::interpolate(&x[0], (3, 3), Interpolation::Bilinear)
        }),
        ("interpolate/bicubic_up", |x| {
            ops::interpolate(&x[0], (9, 11), Interpolation::Bicubic)
        }),
        ("interpolate/bicubic_down", |x| {
            ops::interpolate(&x[0], (3, 4), Interpolation::Bicubic)
        }),
        ("interpolate/bicubic_one", |x| {
            ops::interpolate(&x[0], (3, 3), Interpolation::Bicubic)
        }),
        ("interpolate_with/bilinear_down", |x| {
            ops::interpolate_with(&x[0], (3, 4), &smooth(Interpolation::Bilinear))
        }),
        ("interpolate_with/bilinear_up", |x| {
            ops::interpolate_with(&x[0], (9, 11), &smooth(Interpolation::Bilinear))
        }),
        ("interpolate_with/bilinear_both", |x| {
            ops::interpolate_with(&x[0], (5, 12), &smooth(Interpolation::Bilinear))
        }),
        ("interpolate_with/bicubic_down", |x| {
            ops::interpolate_with(&x[0], (3, 4), &smooth(Interpolation::Bicubic))
        }),
        ("interpolate_with/bicubic_up", |x| {
            ops::interpolate_with(&x[0], (9, 11), &smooth(Interpolation::Bicubic))
        }),
        ("interpolate_with/bicubic_both", |x| {
            ops::interpolate_with(&x[0], (5, 12), &smooth(Interpolation::Bicubic))
        }),
    ],
    edges: &[
        ("interpolate", &[0, 2, 4, 4], |x| {
            ops::interpolate(x, (8, 8), Interpolation::Bicubic)
        }),
        ("interpolate of one pixel", &[0, 1, 1, 1], |x| {
            ops::interpolate(x, (1, 1), Interpolation::Bilinear)
        }),
    ],
    errors: &[],
    otherwise: &[],
};

/// With a low-pass filter.
fn smooth(how: Interpolation) -> Interpolate {
    Interpolate {
        antialias: true,
        ..how.into()
    }
}
