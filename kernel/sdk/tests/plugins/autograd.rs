//! One tensor library in the process, and gradients that go through a plugin as through a cell.

use std::{collections::BTreeSet, fs, process::Command};

use patchbay::plugin::{self, prelude::*};

use crate::support::{build, loss, release};

/// The loss that is compiled twice: into this test and, as text, into a plugin.
fn direct(prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
    let shifted = prediction.broadcast_sub(&prediction.max_keepdim(1)?.detach())?;
    let log = shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(1)?.log()?)?;
    let picked = log.gather(&target.unsqueeze(1)?, 1)?;
    (picked.exp()?.affine(-1.0, 1.0)?.powf(1.5)? * picked.neg()?)?.mean_all()
}

/// The text of the body above, from this very file.
fn body_text() -> &'static str {
    let (_, rest) = include_str!("autograd.rs")
        .split_once("-> Result<Tensor> {\n")
        .unwrap();
    rest.split_once("\n}\n").unwrap().0
}

#[test]
fn gradients_through_a_plugin_are_those_of_the_same_code_here() {
    plugin::load(build("same_code", &loss("loss/same_code", body_text()))).unwrap();
    let slot: Slot<dyn Loss> = plugin::create("loss/same_code", json!({})).unwrap();
    let inputs = Tensor::randn(0f32, 1.0, (16, 8), &Device::Cpu).unwrap();
    let target = Tensor::from_iter((0..16).map(|index| index % 5), &Device::Cpu)
        .unwrap()
        .to_dtype(DType::U32)
        .unwrap();
    let weight = Var::randn(0f32, 1.0, (8, 5), &Device::Cpu).unwrap();
    let logits = inputs.matmul(weight.as_tensor()).unwrap();
    let bits = |value: Tensor| -> (u32, Vec<u32>) {
        let gradients = value.backward().unwrap();
        let gradient = gradients
            .get(&weight)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap();
        (
            value.to_scalar::<f32>().unwrap().to_bits(),
            gradient.into_iter().map(f32::to_bits).collect(),
        )
    };
    let here = bits(direct(&logits, &target).unwrap());
    assert_eq!(bits(slot.forward(&logits, &target).unwrap()), here);
    assert!(here.1.iter().any(|&bits| bits != 0));
}

#[test]
fn the_process_has_one_tensor_library() {
    let library = build(
        "one_library",
        &loss("loss/one_library", "prediction.sum_all()"),
    );
    plugin::load(&library).unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mapped = |name: &str| -> BTreeSet<&str> {
        maps.lines()
            .filter_map(|line| line.find('/').map(|at| &line[at..]))
            .filter(|path| path.contains(name))
            .collect()
    };
    assert_eq!(
        mapped("libpatchbay.so").len(),
        1,
        "{:?}",
        mapped("libpatchbay.so")
    );
    assert_eq!(mapped("libstd-").len(), 1);
    assert_eq!(mapped("one_library.so").len(), 1);

    // A plugin defines its two functions and no symbol of the SDK or of candle.
    let built = [library, release().join("libpatchbay_losses.so")];
    for plugin in built.iter().filter(|path| path.exists()) {
        let output = Command::new("nm")
            .args(["-D", "--defined-only"])
            .arg(plugin)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let names: BTreeSet<&str> = text
            .lines()
            .filter_map(|line| line.split(' ').next_back())
            .collect();
        assert_eq!(
            names,
            BTreeSet::from(["patchbay_plugin_anchor", "patchbay_plugin_components"])
        );
    }
}
