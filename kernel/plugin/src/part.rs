//! What this crate adds to every cell.

use std::any::Any;

use patchbay_cell::{
    keep::Clones,
    parts::{Part, TensorBytes},
    shared_clones,
};
use patchbay_show::memory::bytes_of;

use crate::{
    Balancer, Encoder, Forecaster, ImageTransform, Kind, Loss, Objective, Slot, Tool, Window,
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
    of_component::<dyn Encoder>(value)
        .or_else(|| of_component::<dyn Objective>(value))
        .or_else(|| of_component::<dyn Forecaster>(value))
        .or_else(|| of_component::<dyn Loss>(value))
        .or_else(|| of_component::<dyn Balancer>(value))
        .or_else(|| of_component::<dyn ImageTransform>(value))
        .or_else(|| of_component::<dyn Tool>(value))
}

/// The bytes of a component of kind `K`; `None` for other values.
fn of_component<K: ?Sized + Kind>(value: &dyn Any) -> Option<TensorBytes> {
    let variables = value.downcast_ref::<Slot<K>>()?.variables();
    Some(bytes_of(
        variables.iter().map(|named| named.var.as_tensor()),
    ))
}

fn clones(clones: &mut Clones) {
    shared_clones!(clones;
        Window,
        Slot<dyn Balancer>,
        Slot<dyn Encoder>,
        Slot<dyn Forecaster>,
        Slot<dyn ImageTransform>,
        Slot<dyn Loss>,
        Slot<dyn Objective>,
        Slot<dyn Tool>,
    );
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
