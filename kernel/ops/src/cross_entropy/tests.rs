//! The op beside PyTorch's, and at its edges.

use candle_core::{DType, Device, Result, Tensor};

use crate::{
    self as ops, CrossEntropy, Reduction,
    reference::{Checks, some, zeros},
};

pub(crate) const CHECKS: Checks = Checks {
    reference: include_bytes!("reference.safetensors"),
    cases: &[
        ("cross_entropy/ignore_3", |x| {
            ops::cross_entropy_with(
                &x[0],
                &x[1],
                &CrossEntropy {
                    ignore_index: 3,
                    ..Default::default()
                },
            )
        }),
        ("cross_entropy/weight", weighted),
        ("cross_entropy/wide_weight", weighted),
        ("cross_entropy/vocabulary_weight", weighted),
        ("cross_entropy/sum", |x| {
            let settings = CrossEntropy {
                label_smoothing: 0.2,
                reduction: Reduction::Sum,
                ..Default::default()
            };
            ops::cross_entropy_with(&x[0], &x[1], &settings)
        }),
        ("cross_entropy/none", none),
        ("cross_entropy/soft_pixels", none),
        ("cross_entropy/pixels", |x| {
            ops::cross_entropy_with(
                &x[0],
                &x[1],
                &CrossEntropy {
                    ignore_index: 255,
                    ..Default::default()
                },
            )
        }),
        ("cross_entropy/pixels_none", |x| {
            let settings = CrossEntropy {
                ignore_index: 255,
                reduction: Reduction::None,
                ..Default::default()
            };
            ops::cross_entropy_with(&x[0], &x[1], &settings)
        }),
        ("cross_entropy/soft_weight", |x| {
            let settings = CrossEntropy {
                weight: Some(x[2].clone()),
                label_smoothing: 0.1,
                reduction: Reduction::Sum,
                ..Default::default()
            };
            ops::cross_entropy_with(&x[0], &x[1], &settings)
        }),
        ("cross_entropy/", |x| ops::cross_entropy(&x[0], &x[1])),
    ],
    edges: &[
        ("cross_entropy", &[0, 4], |x| {
            let classes = Tensor::zeros(x.dim(0)?, DType::I64, x.device())?;
            let settings = CrossEntropy {
                reduction: Reduction::None,
                ..Default::default()
            };
            ops::cross_entropy_with(x, &classes, &settings)
        }),
        ("cross_entropy of one class", &[0, 1], |x| {
            let classes = Tensor::zeros(x.dim(0)?, DType::I64, x.device())?;
            let settings = CrossEntropy {
                reduction: Reduction::Sum,
                ..Default::default()
            };
            ops::cross_entropy_with(x, &classes, &settings)
        }),
    ],
    errors: &[
        (
            || ops::cross_entropy(&some(&[2, 3])?, &indices()),
            "must be from 0 to 2",
        ),
        (
            || ops::cross_entropy(&some(&[2, 3])?, &some(&[3, 2])?),
            "probabilities have the logits' shape",
        ),
    ],
    otherwise: &[(
        "ignored_value",
        "a_number_below_0_in_u32_is_what_stands_for_it",
    )],
};

fn weighted(x: &[Tensor]) -> Result<Tensor> {
    let settings = CrossEntropy {
        weight: Some(x[2].clone()),
        label_smoothing: 0.1,
        ..Default::default()
    };
    ops::cross_entropy_with(&x[0], &x[1], &settings)
}

fn none(x: &[Tensor]) -> Result<Tensor> {
    ops::cross_entropy_with(
        &x[0],
        &x[1],
        &CrossEntropy {
            reduction: Reduction::None,
            ..Default::default()
        },
    )
}

fn indices() -> Tensor {
    Tensor::new(&[1i64, 7], &Device::Cpu).unwrap()
}

/// A mean over nothing is not a number, a sum is zero.
#[test]
fn nothing_has_no_mean_and_a_sum_of_zero() {
    let (logits, none) = (
        zeros(&[0, 4]).unwrap(),
        Tensor::zeros(0, DType::I64, &Device::Cpu).unwrap(),
    );
    let of = |loss: Result<Tensor>| loss.unwrap().to_scalar::<f32>().unwrap();
    assert!(of(ops::cross_entropy(&logits, &none)).is_nan());
    let sum = CrossEntropy {
        reduction: Reduction::Sum,
        ..CrossEntropy::default()
    };
    assert_eq!(of(ops::cross_entropy_with(&logits, &none, &sum)), 0.0);
}

#[test]
fn a_number_below_0_in_u32_is_what_stands_for_it() {
    assert_eq!(
        ops::ignored_value(DType::U32, ops::IGNORE_INDEX),
        4_294_967_196
    );
    for dtype in [DType::I64, DType::I32, DType::I16, DType::U8] {
        assert_eq!(ops::ignored_value(dtype, ops::IGNORE_INDEX), -100);
    }
    assert_eq!(ops::ignored_value(DType::U32, 255), 255);
}
