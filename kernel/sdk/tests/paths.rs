//! The paths by which cells and plugins name what the facade hands on.

use std::io;

use patchbay::{Result, candle, cell};

/// Names that are functions and modules at once are both.
#[test]
fn functions_have_the_names_of_their_modules() {
    let _: fn(&str) -> io::Result<String> = patchbay::input;
    let _: fn(&str) -> io::Result<String> = patchbay::input::input;
    let _: fn(&str) -> io::Result<String> = patchbay::prelude::input;
    let _: fn() -> candle::Device = patchbay::device;
    let _: fn() -> candle::Device = patchbay::device::device;
    let _: fn(patchbay::Table) -> patchbay::DisplayHandle = patchbay::display;
    let _: fn(patchbay::Table) -> patchbay::DisplayHandle = patchbay::display::display;
    let _: fn(&str, i32) -> Result<i32> = patchbay::parameter;
    let _: fn(&str, i32) -> Result<i32> = patchbay::parameter::parameter;
    let bar: patchbay::Progress<_> = patchbay::progress(0..3);
    assert_eq!(bar.count(), 3);
    assert_eq!(patchbay::progress::progress(0..3).count(), 3);
    let picture =
        candle::Tensor::zeros((1, 2, 2), candle::DType::F32, &patchbay::device()).unwrap();
    assert!(patchbay::image(&picture).is_ok());
    assert!(patchbay::image::image(&picture).is_ok());
}

/// The lowest crate has been told what the others add before anything of the SDK is called: without that nobody would know what a
/// tensor is.
#[test]
fn the_parts_are_installed_when_the_library_is_loaded() {
    let variables = cell::Variables::default();
    let mut cell = cell::Cell::new(&variables);
    let tensor = candle::Tensor::zeros(3, candle::DType::F32, &candle::Device::Cpu).unwrap();
    cell.put("tensor", 1, tensor);
    cell.put("number", 1, 3);
    let (stored, failure) = cell.finish();
    assert!(failure.is_none(), "{failure:?}");
    let bytes: Vec<usize> = stored
        .iter()
        .map(|variable| variable.tensor_bytes)
        .collect();
    assert_eq!(bytes, [12, 0]);
}
