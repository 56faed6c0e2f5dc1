//! The memory that tensors take, on the processor and on the GPU.

use std::{
    any::Any,
    collections::{BTreeMap, HashMap},
};

use candle_core::{Device, DeviceLocation, Result, Tensor, Var, backprop::GradStore};
use patchbay_cell::{keep::Clones, shared_clones};
use patchbay_protocol::{TensorFacts, readable_bytes};
use serde::Serialize;

pub use patchbay_cell::parts::TensorBytes;

/// The sum of the bytes of tensors.
#[doc(hidden)]
pub fn bytes_of<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> TensorBytes {
    let mut bytes = TensorBytes::default();
    for tensor in tensors {
        let own = tensor.elem_count() * tensor.dtype().size_in_bytes();
        bytes.all += own;
        if !tensor.device().is_cpu() {
            bytes.gpu += own;
        }
    }
    bytes
}

/// Shape, dtype and device of a tensor; `None` for other values.
pub(crate) fn facts_of(value: &dyn Any) -> Option<TensorFacts> {
    let tensor = value
        .downcast_ref::<Tensor>()
        .or_else(|| Some(value.downcast_ref::<Var>()?.as_tensor()))?;
    let device = match tensor.device().location() {
        DeviceLocation::Cpu => "cpu".to_owned(),
        DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
        DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
    };
    Some(TensorFacts {
        shape: format!("{:?}", tensor.dims()),
        dtype: tensor.dtype().as_str().to_owned(),
        device,
    })
}

/// The bytes of a tensor or of a collection of tensors; `None` for other values.
pub(crate) fn tensors_of(value: &dyn Any) -> Option<TensorBytes> {
    Some(if let Some(tensor) = value.downcast_ref::<Tensor>() {
        bytes_of([tensor])
    } else if let Some(var) = value.downcast_ref::<Var>() {
        bytes_of([var.as_tensor()])
    } else if let Some(tensor) = value.downcast_ref::<Option<Tensor>>() {
        bytes_of(tensor)
    } else if let Some(tensors) = value.downcast_ref::<Vec<Tensor>>() {
        bytes_of(tensors)
    } else if let Some(vars) = value.downcast_ref::<Vec<Var>>() {
        bytes_of(vars.iter().map(Var::as_tensor))
    } else if let Some(tensors) = value.downcast_ref::<Vec<(String, Tensor)>>() {
        bytes_of(tensors.iter().map(|(_, tensor)| tensor))
    } else if let Some((first, second)) = value.downcast_ref::<(Tensor, Tensor)>() {
        bytes_of([first, second])
    } else if let Some(tensors) = value.downcast_ref::<HashMap<String, Tensor>>() {
        bytes_of(tensors.values())
    } else if let Some(tensors) = value.downcast_ref::<BTreeMap<String, Tensor>>() {
        bytes_of(tensors.values())
    } else if let Some(batches) = value.downcast_ref::<Vec<BTreeMap<String, Tensor>>>() {
        bytes_of(batches.iter().flat_map(BTreeMap::values))
    } else if let Some(grads) = value.downcast_ref::<GradStore>() {
        bytes_of(grads.get_ids().filter_map(|&id| grads.get_id(id)))
    } else {
        return None;
    })
}

/// Tensors and collections of them: a clone shares their memory.
pub(crate) fn clones(clones: &mut Clones) {
    shared_clones!(clones;
        Tensor,
        Var,
        Device,
        Option<Tensor>,
        Option<Var>,
        Vec<Tensor>,
        Vec<Var>,
        (Tensor, Tensor),
        (Tensor, Tensor, Tensor),
        Vec<(Tensor, Tensor)>,
        Vec<(String, Tensor)>,
        HashMap<String, Tensor>,
        BTreeMap<String, Tensor>,
        Vec<BTreeMap<String, Tensor>>,
        HashMap<String, Var>,
        BTreeMap<String, Var>,
    );
}

/// The memory of the GPU of [`crate::device()`], in bytes.
#[derive(Clone, Debug, Serialize)]
pub struct GpuMemory {
    /// The device's name.
    pub name: String,
    /// Taken by all processes, without what this one keeps for its next tensors.
    pub used: usize,
    /// The bytes that there are.
    pub total: usize,
}

/// The memory of the GPU, if [`crate::device`] is one and has been asked for.
#[cfg(feature = "cuda")]
pub fn gpu_memory() -> Option<GpuMemory> {
    let Some(candle_core::Device::Cuda(device)) = crate::device::device_in_use() else {
        return None;
    };
    let memory = patchbay_ops::cuda::device::memory(&device).ok()?;
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
        patchbay_ops::cuda::device::release_unused(&device)?;
    }
    Ok(())
}

/// An allocation that the GPU's driver refused.
#[derive(Clone, Copy)]
struct Refused {
    bytes: usize,
    /// Bytes that were free at that moment, and all that the GPU has.
    free_of: Option<(usize, usize)>,
}

/// The last allocation of this thread, if it was refused.
fn refused() -> Option<Refused> {
    #[cfg(feature = "cuda")]
    return patchbay_ops::cuda::allocation::refused().map(|refused| Refused {
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

/// Message where the GPU has no more memory: how much was asked for and is there, and what helps.
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
    use candle_core::DType;

    use super::*;

    #[test]
    fn the_tensors_of_a_value_are_counted() {
        let tensor = Tensor::zeros((3, 5), DType::F16, &Device::Cpu).unwrap();
        let both = |all| Some(TensorBytes { all, gpu: 0 });
        assert_eq!(tensors_of(&tensor), both(30));
        assert_eq!(tensors_of(&vec![tensor.clone(), tensor.clone()]), both(60));
        assert_eq!(tensors_of(&Var::from_tensor(&tensor).unwrap()), both(30));
        assert_eq!(tensors_of(&7), None);
        assert_eq!(tensors_of(&Some(tensor.clone())), both(30));
        assert_eq!(tensors_of(&None::<Tensor>), both(0));
        let named = vec![
            ("a".to_owned(), tensor.clone()),
            ("b".to_owned(), tensor.clone()),
        ];
        assert_eq!(tensors_of(&named), both(60));
        let batch = BTreeMap::from_iter(named);
        assert_eq!(tensors_of(&batch), both(60));
        assert_eq!(tensors_of(&vec![batch.clone(), batch]), both(120));
    }

    #[test]
    fn gradients_are_counted() {
        let var = Var::ones(10, DType::F32, &Device::Cpu).unwrap();
        let loss = var.sqr().unwrap().sum_all().unwrap();
        assert!(tensors_of(&loss.backward().unwrap()).unwrap().all >= 40);
    }

    #[test]
    fn a_kept_tensor_shares_its_memory() {
        let var = Var::from_vec(vec![1.0f32, 2.0], 2, &Device::Cpu).unwrap();
        let mut known = Clones::default();
        clones(&mut known);
        let kept = known.of(&var).unwrap().downcast::<Var>().unwrap();
        var.set(&Tensor::new(&[3.0f32, 4.0], &Device::Cpu).unwrap())
            .unwrap();
        assert_eq!(kept.to_vec1::<f32>().unwrap(), [3.0, 4.0]);
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
