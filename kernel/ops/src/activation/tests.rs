//! The op beside PyTorch's, and at its edges.

use candle_core::{Device, Tensor};

use crate::{self as ops, reference::Checks};

pub(crate) const CHECKS: Checks = Checks {
    reference: include_bytes!("reference.safetensors"),
    cases: &[
        ("gelu/", |x| ops::gelu(&x[0])),
        ("gelu_tanh/", |x| ops::gelu_tanh(&x[0])),
        ("relu/", |x| ops::relu(&x[0])),
        ("silu/", |x| ops::silu(&x[0])),
        ("sigmoid/", |x| ops::sigmoid(&x[0])),
    ],
    edges: &[
        ("gelu", &[0, 3], |x| ops::gelu(x)),
        ("relu", &[0, 1], |x| ops::relu(x)),
        ("sigmoid", &[0, 1, 1], |x| ops::sigmoid(x)),
    ],
    errors: &[(|| ops::gelu(&indices()), "must be f32, f64")],
    otherwise: &[],
};

fn indices() -> Tensor {
    Tensor::new(&[1i64, 7], &Device::Cpu).unwrap()
}
