//! The op beside PyTorch's, and at its edges.

use candle_core::{DType, Device, Tensor};

use crate::{
    self as ops,
    reference::{Checks, some, zeros},
};

pub(crate) const CHECKS: Checks = Checks {
    reference: b"",
    cases: &[],
    edges: &[],
    errors: &[],
    otherwise: &[("sum_of_squares", "it_is_the_sum_of_all_squares")],
};

#[test]
fn it_is_the_sum_of_all_squares() {
    let long = Tensor::full(0.1f32, 70_001, &Device::Cpu).unwrap();
    let turned = some(&[3, 5]).unwrap().t().unwrap();
    let none = zeros(&[0, 2]).unwrap();
    let half = some(&[7]).unwrap().to_dtype(DType::F16).unwrap();
    let tensors = [&long, &turned, &none, &half];
    let expected: f64 = tensors
        .iter()
        .flat_map(|x| {
            let x = x.flatten_all().unwrap().to_dtype(DType::F64).unwrap();
            x.to_vec1::<f64>().unwrap()
        })
        .map(|value| value * value)
        .sum();
    for found in [
        ops::sum_of_squares(&tensors).unwrap(),
        ops::composed(|| ops::sum_of_squares(&tensors)).unwrap(),
    ] {
        assert!(
            (found - expected).abs() < 1e-5 * expected,
            "{found} and {expected}"
        );
    }
    assert_eq!(ops::sum_of_squares(&[]).unwrap(), 0.0);
    assert!(ops::sum_of_squares(&[&Tensor::zeros(2, DType::U8, &Device::Cpu).unwrap()]).is_err());
}
