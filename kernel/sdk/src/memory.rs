//! The memory that tensors take, on the processor and on the GPU.

use std::{any::Any, collections::HashMap};

use candle_core::{Result, Tensor, Var, backprop::GradStore};
use candle_nn::VarMap;
use patchbay_protocol::readable_bytes;
use serde::Serialize;

use crate::{
    nn::{self, Optimizer, OptimizerState},
    plugin::{
        Batch, Kind, Slot, Window,
        kinds::{Visitor, each},
    },
};

/// Bytes of the tensors in a value. Tensors that share their memory each count in full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TensorBytes {
    /// On all devices together.
    pub all: usize,
    /// On GPUs.
    pub gpu: usize,
}

impl TensorBytes {
    fn add(&mut self, tensor: &Tensor) {
        let bytes = tensor.elem_count() * tensor.dtype().size_in_bytes();
        self.all += bytes;
        if !tensor.device().is_cpu() {
            self.gpu += bytes;
        }
    }
}

/// The tensors in a variable of the notebook: a tensor, a component, the variables of a model, an optimiser's moments, or a
/// collection of tensors. Types that are not known here have none.
///
/// What a variable refers to and another one shows is not counted twice: an optimiser has its moments and not the parameters.
pub(crate) fn tensors_of(value: &dyn Any) -> TensorBytes {
    let mut bytes = TensorBytes::default();
    if !of_collection(value, &mut bytes) && !of_training(value, &mut bytes) {
        each(&mut OfComponent {
            value,
            bytes: &mut bytes,
        });
    }
    bytes
}

/// Adds the tensors of a tensor or of a collection of them; says whether the value is one.
fn of_collection(value: &dyn Any, bytes: &mut TensorBytes) -> bool {
    if let Some(tensor) = value.downcast_ref::<Tensor>() {
        bytes.add(tensor);
    } else if let Some(var) = value.downcast_ref::<Var>() {
        bytes.add(var);
    } else if let Some(tensor) = value.downcast_ref::<Option<Tensor>>() {
        tensor.iter().for_each(|tensor| bytes.add(tensor));
    } else if let Some(tensors) = value.downcast_ref::<Vec<Tensor>>() {
        tensors.iter().for_each(|tensor| bytes.add(tensor));
    } else if let Some(vars) = value.downcast_ref::<Vec<Var>>() {
        vars.iter().for_each(|var| bytes.add(var));
    } else if let Some(tensors) = value.downcast_ref::<Vec<(String, Tensor)>>() {
        tensors.iter().for_each(|(_, tensor)| bytes.add(tensor));
    } else if let Some((first, second)) = value.downcast_ref::<(Tensor, Tensor)>() {
        bytes.add(first);
        bytes.add(second);
    } else if let Some(tensors) = value.downcast_ref::<HashMap<String, Tensor>>() {
        tensors.values().for_each(|tensor| bytes.add(tensor));
    } else if let Some(tensors) = value.downcast_ref::<Batch>() {
        tensors.values().for_each(|tensor| bytes.add(tensor));
    } else if let Some(batches) = value.downcast_ref::<Vec<Batch>>() {
        let tensors = batches.iter().flat_map(Batch::values);
        tensors.for_each(|tensor| bytes.add(tensor));
    } else if let Some(variables) = value.downcast_ref::<VarMap>() {
        variables.all_vars().iter().for_each(|var| bytes.add(var));
    } else if let Some(window) = value.downcast_ref::<Window>() {
        let covariates = [
            &window.known,
            &window.observed,
            &window.attributes,
            &window.series,
        ];
        bytes.add(&window.past);
        let given = covariates.into_iter().flatten();
        given.for_each(|tensor| bytes.add(tensor));
    } else {
        return false;
    }
    true
}

/// Adds what training keeps besides the parameters; says whether the value is of that sort.
fn of_training(value: &dyn Any, bytes: &mut TensorBytes) -> bool {
    if let Some(grads) = value.downcast_ref::<GradStore>() {
        let all = grads.get_ids().filter_map(|&id| grads.get_id(id));
        all.for_each(|tensor| bytes.add(tensor));
    } else if let Some(average) = value.downcast_ref::<nn::Ema>() {
        average
            .averages()
            .iter()
            .for_each(|tensor| bytes.add(tensor));
    } else {
        return optimiser::<nn::AdamW>(value, bytes)
            || optimiser::<nn::Adam>(value, bytes)
            || optimiser::<nn::SGD>(value, bytes);
    }
    true
}

/// Adds the moments of an optimiser of type `O`, by itself or in mixed precision; says whether the value is one.
fn optimiser<O: OptimizerState + Optimizer + 'static>(
    value: &dyn Any,
    bytes: &mut TensorBytes,
) -> bool {
    let mixed = value.downcast_ref::<nn::MixedPrecision<O>>();
    if let Some(mixed) = mixed {
        mixed.copies().for_each(|copy| bytes.add(copy));
    }
    let optimiser = mixed.map_or_else(|| value.downcast_ref::<O>(), |mixed| Some(&mixed.optimiser));
    let Some(optimiser) = optimiser else {
        return false;
    };
    optimiser
        .moments()
        .iter()
        .for_each(|tensor| bytes.add(tensor));
    true
}

/// Adds the tensors of a component, of whatever kind, if the value is one.
struct OfComponent<'a> {
    value: &'a dyn Any,
    bytes: &'a mut TensorBytes,
}

impl Visitor for OfComponent<'_> {
    fn visit<K: ?Sized + Kind>(&mut self) {
        if let Some(slot) = self.value.downcast_ref::<Slot<K>>() {
            let variables = slot.variables();
            variables
                .iter()
                .for_each(|named| self.bytes.add(&named.var));
        }
    }
}

/// The memory of the GPU of [`crate::device`], in bytes.
#[derive(Clone, Debug, Serialize)]
pub struct GpuMemory {
    pub name: String,
    /// Taken by all processes, without what this one keeps for its next tensors.
    pub used: usize,
    pub total: usize,
}

/// The memory of the GPU, if [`crate::device`] is one and has been asked for.
#[cfg(feature = "cuda")]
pub fn gpu_memory() -> Option<GpuMemory> {
    let Some(candle_core::Device::Cuda(device)) = crate::device::device_in_use() else {
        return None;
    };
    let memory = crate::ops::cuda::device::memory(&device).ok()?;
    Some(GpuMemory {
        name: memory.name,
        used: memory.used,
        total: memory.total,
    })
}

/// The memory of the GPU; without the feature `cuda` there is none.
#[cfg(not(feature = "cuda"))]
pub fn gpu_memory() -> Option<GpuMemory> {
    None
}

/// Gives the memory of tensors that have been dropped back to the system, for other processes on the GPU. For this process it is
/// free already.
///
/// # Errors
///
/// Fails where the GPU does.
pub fn release_unused() -> Result<()> {
    #[cfg(feature = "cuda")]
    if let Some(candle_core::Device::Cuda(device)) = crate::device::device_in_use() {
        crate::ops::cuda::device::release_unused(&device)?;
    }
    Ok(())
}

/// An allocation that the GPU's driver refused.
#[derive(Clone, Copy)]
struct Refused {
    bytes: usize,
    /// What was free at that moment, and all that the GPU has.
    free_of: Option<(usize, usize)>,
}

/// The last allocation of this thread, if it was refused.
fn refused() -> Option<Refused> {
    #[cfg(feature = "cuda")]
    return crate::ops::cuda::allocation::refused().map(|refused| Refused {
        bytes: refused.bytes,
        free_of: refused.free_of,
    });
    #[cfg(not(feature = "cuda"))]
    None
}

/// The message of an error or a panic, after what it means and what helps if it came from the GPU.
pub(crate) fn explained(message: String) -> String {
    let meaning = if message.contains("OUT_OF_MEMORY") {
        out_of_memory(refused(), gpu_memory())
    } else if message.contains("CUBLAS_STATUS_ALLOC_FAILED") {
        // cuBLAS allocates by itself and does not say how much.
        out_of_memory(None, gpu_memory())
    } else if message.contains("CUDA_ERROR_ASSERT")
        || message.contains("CUDA_ERROR_ILLEGAL_ADDRESS")
    {
        "an earlier op on the GPU read or wrote outside of a tensor, and CUDA has ended this process's work there: restart \
         the kernel. The ops of `patchbay::ops` check indices before they use them; candle's `index_select`, `gather` and \
         `scatter` do not on a GPU: an index is to be below the length of the dimension"
            .to_owned()
    } else {
        return message;
    };
    format!("{meaning}\n{message}")
}

/// What to say where the GPU has no more memory: how much was asked for and is there, and what helps.
fn out_of_memory(refused: Option<Refused>, now: Option<GpuMemory>) -> String {
    let room = match (refused, now) {
        (
            Some(Refused {
                bytes,
                free_of: Some((free, total)),
            }),
            _,
        ) => format!(
            ": {} were asked for when {} of {} were free",
            readable_bytes(bytes),
            readable_bytes(free),
            readable_bytes(total),
        ),
        (
            Some(Refused {
                bytes,
                free_of: None,
            }),
            _,
        ) => {
            format!(": {} were asked for", readable_bytes(bytes))
        }
        (None, Some(memory)) => format!(
            ": now that the cell has ended {} of the {} of {} are free",
            readable_bytes(memory.total - memory.used),
            readable_bytes(memory.total),
            memory.name
        ),
        (None, None) => String::new(),
    };
    format!(
        "the GPU has not enough memory left{room}. All variables are still there: `%who` says what each takes; `drop(name)` or \
         a new value frees one. Smaller batches, bf16 (`plugin::Options {{ dtype: DType::BF16, ..Default::default() }}`) and \
         `.detach()` on what needs no gradient take less"
    )
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    #[test]
    fn the_tensors_of_a_value_are_counted() {
        let tensor = Tensor::zeros((3, 5), DType::F16, &Device::Cpu).unwrap();
        let both = |all| TensorBytes { all, gpu: 0 };
        assert_eq!(tensors_of(&tensor), both(30));
        assert_eq!(tensors_of(&vec![tensor.clone(), tensor.clone()]), both(60));
        assert_eq!(tensors_of(&Var::from_tensor(&tensor).unwrap()), both(30));
        assert_eq!(tensors_of(&7), both(0));
        assert_eq!(tensors_of(&Some(tensor.clone())), both(30));
        assert_eq!(tensors_of(&None::<Tensor>), both(0));
        let named = vec![
            ("a".to_owned(), tensor.clone()),
            ("b".to_owned(), tensor.clone()),
        ];
        assert_eq!(tensors_of(&named), both(60));
        let batch = Batch::from_iter(named);
        assert_eq!(tensors_of(&batch), both(60));
        assert_eq!(tensors_of(&vec![batch.clone(), batch]), both(120));
        let window = Window {
            known: Some(tensor.clone()),
            ..Window::new(tensor.clone())
        };
        assert_eq!(tensors_of(&window), both(60));
    }

    #[test]
    fn what_training_keeps_is_counted_besides_the_parameters() {
        let gpu = 0;
        let f32s = |count: usize| TensorBytes {
            all: 4 * count,
            gpu,
        };
        let var = Var::ones(10, DType::F32, &Device::Cpu).unwrap();
        let loss = || var.sqr().unwrap().sum_all().unwrap();
        let vars = || vec![var.clone()];
        let adam = |vars| nn::AdamW::new_lr(vars, 0.1);

        let mut adamw = adam(vars()).unwrap();
        assert_eq!(tensors_of(&adamw), f32s(0));
        adamw.backward_step(&loss()).unwrap();
        assert_eq!(tensors_of(&adamw), f32s(20));
        let mut plain = nn::SGD::new(vars(), 0.1).unwrap();
        plain.backward_step(&loss()).unwrap();
        assert_eq!(tensors_of(&plain), f32s(0));
        let settings = nn::ParamsSgd {
            momentum: 0.9,
            ..0.1.into()
        };
        let mut momentum = nn::SGD::with_settings(vars(), settings);
        momentum.backward_step(&loss()).unwrap();
        assert_eq!(tensors_of(&momentum), f32s(10));
        assert_eq!(tensors_of(&nn::Ema::new(vars(), 0.9).unwrap()), f32s(10));

        // In mixed precision a copy in f32 of what is in half precision, and none of what is not.
        let mut mixed = nn::MixedPrecision::new(vars(), nn::LossScale::none(), adam).unwrap();
        mixed.backward_step(&loss()).unwrap();
        assert_eq!(tensors_of(&mixed), f32s(20));
        let half = Var::ones(10, DType::BF16, &Device::Cpu).unwrap();
        let mut mixed =
            nn::MixedPrecision::new(vec![half.clone()], nn::LossScale::none(), adam).unwrap();
        mixed.backward_step(&half.sum_all().unwrap()).unwrap();
        assert_eq!(tensors_of(&mixed), f32s(30));

        let grads = loss().backward().unwrap();
        assert!(tensors_of(&grads).all >= 40);
    }

    #[test]
    fn errors_of_the_gpu_say_what_they_mean() {
        let refused = Refused {
            bytes: 5 << 30,
            free_of: Some((3 << 30, 80 << 30)),
        };
        let text = out_of_memory(Some(refused), None);
        for part in ["5.0 GiB", "3.0 GiB of 80", "`%who`", "drop(name)"] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
        let memory = GpuMemory {
            name: "a card".to_owned(),
            used: 70 << 30,
            total: 80 << 30,
        };
        let text = out_of_memory(None, Some(memory));
        assert!(text.contains("now that the cell has ended 10"), "{text}");
        assert!(text.contains("of a card are free"), "{text}");

        let message = "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")";
        let text = explained(message.to_owned());
        assert!(
            text.starts_with("the GPU has not enough memory left. All"),
            "{text}"
        );
        assert!(text.ends_with(message), "{text}");
        let text = explained("CublasError(CUBLAS_STATUS_ALLOC_FAILED)".to_owned());
        assert!(
            text.starts_with("the GPU has not enough memory left"),
            "{text}"
        );
        let text = explained("DriverError(CUDA_ERROR_ASSERT, \"device-side assert\")".to_owned());
        assert!(text.contains("restart the kernel"), "{text}");
        assert_eq!(explained("something else".to_owned()), "something else");
    }
}
