//! The op beside PyTorch's, and at its edges.

use candle_core::{Device, Tensor};

use crate::{
    self as ops,
    reference::{Checks, some, values},
};

pub(crate) const CHECKS: Checks = Checks {
    reference: include_bytes!("reference.safetensors"),
    cases: &[("box_filter/", |x| ops::box_filter(&x[0], 2))],
    edges: &[
        ("box_filter", &[0, 4, 5], |x| ops::box_filter(x, 2)),
        ("box_filter of one value", &[0, 1, 1], |x| {
            ops::box_filter(x, 1)
        }),
    ],
    errors: &[(
        || ops::min_filter(&some(&[2])?, 1),
        "must be [..., height, width]",
    )],
    otherwise: &[(
        "min_filter",
        "the_least_of_windows_is_the_largest_of_what_is_negated",
    )],
};

#[test]
fn the_least_of_windows_is_the_largest_of_what_is_negated() {
    let x = some(&[2, 3, 9, 8]).unwrap();
    for radius in [0, 1, 3] {
        let side = 2 * radius + 1;
        let expected = ops::max_pool2d(&x.neg().unwrap(), (side, side), (1, 1), (radius, radius))
            .unwrap()
            .neg()
            .unwrap();
        assert_eq!(
            values(&ops::min_filter(&x, radius).unwrap()),
            values(&expected)
        );
    }
    let missing = Tensor::new(&[[1.0f32, f32::NAN, 3.0, 4.0, 0.5]], &Device::Cpu).unwrap();
    let least = values(&ops::min_filter(&missing, 1).unwrap());
    assert!(least[..3].iter().all(|value| value.is_nan()), "{least:?}");
    assert_eq!(least[3..], [0.5, 0.5]);
}
