//! The op beside PyTorch's, and at its edges.

use candle_core::{Device, Tensor};

use crate::{
    self as ops,
    reference::{Checks, some},
};

pub(crate) const CHECKS: Checks = Checks {
    reference: b"",
    cases: &[],
    edges: &[],
    errors: &[(
        || ops::kth_largest(&some(&[2, 4])?, 5),
        "from 1 to the length",
    )],
    otherwise: &[("kth_largest", "each_row_has_its_own")],
};

#[test]
fn each_row_has_its_own() {
    let x = Tensor::new(
        &[[3f32, -1.0, 2.0, 3.0], [0.0, -5.0, 7.0, 1.0]],
        &Device::Cpu,
    )
    .unwrap();
    let kth = |k| ops::kth_largest(&x, k).unwrap().to_vec2::<f32>().unwrap();
    assert_eq!(kth(1), [[3.0], [7.0]]);
    assert_eq!(kth(2), [[3.0], [1.0]]);
    assert_eq!(kth(4), [[-1.0], [-5.0]]);
    let error = ops::kth_largest(&x, 5).unwrap_err().to_string();
    assert!(error.contains("from 1 to the length"), "{error}");
}
