//! What the tests share: the hash that weights are made of, and comparison.
#![allow(dead_code)]

use patchbay::plugin::{self, prelude::*};
use patchbay::serde_json::Value;

pub fn encoder(id: &str, config: Value) -> Slot<dyn Encoder> {
    patchbay_encoders::register().unwrap();
    plugin::create::<dyn Encoder>(id, config).unwrap()
}

pub fn splitmix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn fnv(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The tensor that a name stands for, in [-1, 1).
pub fn named(name: &str, shape: &[usize]) -> Tensor {
    let first = fnv(name);
    let values: Vec<f32> = (0..shape.iter().product::<usize>() as u64)
        .map(|i| ((splitmix(first.wrapping_add(i)) >> 40) as f64 / f64::from(1 << 23) - 1.0) as f32)
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Norm, largest entry, then entries at places that the hash says.
pub fn digest(x: &Tensor, length: usize) -> Vec<f32> {
    let flat: Vec<f32> = x.flatten_all().unwrap().to_vec1().unwrap();
    let norm = flat.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
    let largest = patchbay_compare::largest(&flat) as f32;
    let mut all = vec![norm.sqrt() as f32, largest];
    all.extend((0..length as u64 - 2).map(|i| flat[(splitmix(i) % flat.len() as u64) as usize]));
    all
}

/// The largest difference over the largest entry of `expected`.
pub fn error(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    let plain = |x: &Tensor| -> Vec<f64> {
        let x = x.detach().to_dtype(DType::F64).unwrap();
        x.flatten_all().unwrap().to_vec1().unwrap()
    };
    patchbay_compare::relative_difference(&plain(found), &plain(expected), 0.0)
}
