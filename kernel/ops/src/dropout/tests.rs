//! The op beside PyTorch's, and at its edges.

use candle_core::{DType, Device, Tensor, Var};

use crate::{
    self as ops,
    reference::{Checks, GENERATOR, some, values},
};

pub(crate) const CHECKS: Checks = Checks {
    reference: b"",
    cases: &[],
    edges: &[
        ("dropout", &[0, 4], |x| ops::dropout(x, 0.5, true)),
        ("dropout of one value", &[0, 1], |x| {
            ops::dropout(x, 0.5, true)
        }),
    ],
    errors: &[(
        || ops::dropout(&some(&[2])?, 1.5, true),
        "must be from 0 to 1",
    )],
    otherwise: &[(
        "dropout",
        "dropout_drops_its_share_and_its_gradient_has_the_same_mask",
    )],
};

#[test]
fn dropout_drops_its_share_and_its_gradient_has_the_same_mask() {
    let _generator = GENERATOR.lock();
    ops::seed(7);
    let x = Var::from_tensor(&Tensor::ones(100_003, DType::F32, &Device::Cpu).unwrap()).unwrap();
    let y = ops::dropout(&x, 0.3, true).unwrap();
    let grads = y.sum_all().unwrap().backward().unwrap();
    assert_eq!(values(&y), values(grads.get(&x).unwrap()));
    let kept = values(&y).iter().filter(|&&y| y != 0.0).count() as f64 / 100_003.0;
    assert!((kept - 0.7).abs() < 0.006, "{kept}");
    assert!(
        values(&y)
            .iter()
            .all(|&y| y == 0.0 || (y - 1.0 / 0.7).abs() < 1e-6)
    );
    let other = ops::dropout(&x, 0.3, true).unwrap();
    assert_ne!(values(&y), values(&other), "two calls have two masks");
    ops::seed(7);
    assert_eq!(
        values(&y),
        values(&ops::dropout(&x, 0.3, true).unwrap()),
        "equal seeds have equal masks"
    );
    assert_eq!(values(&ops::dropout(&x, 0.3, false).unwrap()), values(&x));
    assert!(ops::dropout(&x, 1.5, true).is_err());
}
