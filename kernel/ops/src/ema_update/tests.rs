//! The op beside PyTorch's, and at its edges.

use candle_core::Tensor;

use crate::{
    self as ops,
    reference::{Checks, some, values},
};

pub(crate) const CHECKS: Checks = Checks {
    reference: b"",
    cases: &[],
    edges: &[],
    errors: &[],
    otherwise: &[("ema_update", "averages_move_in_place")],
};

#[test]
fn averages_move_in_place() {
    let (average, value) = (
        some(&[40_000]).unwrap(),
        some(&[200, 200]).unwrap().flatten_all().unwrap(),
    );
    let average = average.affine(1.0, 1.0).unwrap();
    let before = values(&average);
    ops::ema_update(
        std::slice::from_ref(&average),
        std::slice::from_ref(&value),
        0.75,
    )
    .unwrap();
    for ((now, before), value) in values(&average).iter().zip(before).zip(values(&value)) {
        assert!((now - (0.75 * before + 0.25 * value)).abs() < 1e-6);
    }
    assert!(ops::ema_update(&[average], &[some(&[3]).unwrap()], 0.5).is_err());
}

#[test]
fn a_composition_moves_the_same_memory() {
    let (average, value) = (
        some(&[6]).unwrap(),
        some(&[6]).unwrap().affine(2.0, 1.0).unwrap(),
    );
    let (here, there) = (average.copy().unwrap(), average.copy().unwrap());
    let moved = |average: &Tensor| {
        ops::ema_update(
            std::slice::from_ref(average),
            std::slice::from_ref(&value),
            0.75,
        )
        .unwrap();
        values(average)
    };
    let (here, there) = (moved(&here), ops::composed(|| moved(&there)));
    for (a, b) in here.iter().zip(there) {
        assert!((a - b).abs() < 1e-6, "{a} and {b}");
    }
}
