//! Additions of this crate to every cell.

use std::any::Any;

use patchbay_cell::{
    keep::Clones,
    parts::{Part, TensorBytes},
    shared_clones,
};
use patchbay_show::memory::bytes_of;

use crate::{
    Slot, Tried, Window,
    kinds::{Visitor, each},
    loader, registry,
};

/// Components and windows are counted; a clone of a slot is the same slot.
pub static PART: Part = Part {
    probes: &[registry::probe, loader::probe],
    tensors: Some(tensors_of),
    clones: Some(clones),
    ..Part::NONE
};

/// The bytes of a component or of a window; `None` for other values.
fn tensors_of(value: &dyn Any) -> Option<TensorBytes> {
    if let Some(window) = value.downcast_ref::<Window>() {
        let covariates = [
            &window.known,
            &window.observed,
            &window.attributes,
            &window.series,
        ];
        return Some(bytes_of(
            covariates.into_iter().flatten().chain([&window.past]),
        ));
    }
    struct OfComponent<'a> {
        value: &'a dyn Any,
        bytes: Option<TensorBytes>,
    }
    impl Visitor for OfComponent<'_> {
        fn visit<K: ?Sized + Tried>(&mut self) {
            if let Some(slot) = self.value.downcast_ref::<Slot<K>>() {
                let variables = slot.variables();
                self.bytes = Some(bytes_of(
                    variables.iter().map(|named| named.var.as_tensor()),
                ));
            }
        }
    }
    let mut found = OfComponent { value, bytes: None };
    each(&mut found);
    found.bytes
}

fn clones(clones: &mut Clones) {
    struct Slots<'a>(&'a mut Clones);
    impl Visitor for Slots<'_> {
        fn visit<K: ?Sized + Tried>(&mut self) {
            self.0.shared::<Slot<K>>();
        }
    }
    shared_clones!(clones; Window);
    each(&mut Slots(clones));
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};

    use super::*;

    #[test]
    fn the_tensors_of_a_window_are_counted() {
        let tensor = Tensor::zeros((3, 5), DType::F16, &Device::Cpu).unwrap();
        let window = Window {
            known: Some(tensor.clone()),
            ..Window::new(tensor.clone())
        };
        assert_eq!(tensors_of(&window).unwrap().all, 60);
        assert_eq!(tensors_of(&tensor), None);
    }
}
