//! The values of losses of many elements. With `PATCHBAY_LONG_TESTS=1` up to 10^8, which takes a few gigabytes.

#[path = "../examples/sum_errors/cases.rs"]
mod cases;
mod forms;

use cases::{cases, found_and_expected};
use forms::{Form, form, ids};
use patchbay::plugin::{self, prelude::*};

fn largest() -> usize {
    match std::env::var_os("PATCHBAY_LONG_TESTS") {
        Some(_) => 100_000_000,
        None => 10_000_000,
    }
}

#[test]
fn losses_of_many_elements_keep_their_digits() {
    patchbay_losses::register().unwrap();
    let mut failures = Vec::new();
    for (name, config) in cases() {
        for count in [20_000, largest()] {
            let (found, expected) = found_and_expected(name, &config, count).unwrap();
            let error = (found / expected - 1.0).abs();
            // NaN is no number that is small enough.
            if error.partial_cmp(&1e-6) != Some(std::cmp::Ordering::Less) {
                failures.push(format!(
                    "{name} {config} of {count}: {found}, expected {expected}"
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn all_losses_of_means_are_tried() {
    for id in ids() {
        let all_with_all = form(id) == Form::Contrast;
        let id = id.trim_start_matches("loss/");
        assert!(
            all_with_all || cases().iter().any(|(name, _)| *name == id),
            "{id} is not tried with many elements"
        );
    }
}

/// Equal logits of images: ln 2, and what follows from it.
#[test]
fn equal_logits_of_large_images() {
    patchbay_losses::register().unwrap();
    let half = std::f64::consts::LN_2;
    for side in [512usize, 1024] {
        let logits = Tensor::zeros((8, 2, side, side), DType::F32, &Device::Cpu).unwrap();
        let target = Tensor::zeros((8, side, side), DType::U8, &Device::Cpu).unwrap();
        for (id, expected) in [
            ("loss/cross_entropy", half),
            ("loss/poly1", half + 0.5),
            ("loss/focal", half / 4.0),
        ] {
            let loss = plugin::create::<dyn Loss>(id, json!({})).unwrap();
            let value = loss.forward(&logits, &target).unwrap();
            let value = f64::from(value.to_scalar::<f32>().unwrap());
            assert!(
                (value / expected - 1.0).abs() < 1e-6,
                "{id} {side}: {value}"
            );
        }
    }
}
