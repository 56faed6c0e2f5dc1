//! Picks what computes an op: a kernel of the CPU, a kernel of the GPU, or a composition of candle's ops.

use std::cell::Cell;

use candle_core::Tensor;

thread_local! {
    static COMPOSING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` with the ops of this thread composed of candle's, as on a device that has no kernels of ours.
///
/// Values and gradients are the same; time and memory are candle's. It is there to compare with. An op that has no
/// composition (`kth_largest`, `box_filter`, `min_filter`) takes its kernel.
pub fn composed<R>(f: impl FnOnce() -> R) -> R {
    /// Also where `f` panics.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            COMPOSING.set(self.0);
        }
    }
    let _before = Before(COMPOSING.replace(true));
    f()
}

/// Whether ops are composed, wherever their tensors are.
pub(crate) fn is_composing() -> bool {
    COMPOSING.get()
}

/// Whether the tensor is where the CPU's kernels are, and they are wanted.
pub(crate) fn has_cpu_kernels(x: &Tensor) -> bool {
    x.device().is_cpu() && !is_composing()
}

/// Whether the tensor is where the GPU's kernels are, and of a type that they compute in.
#[cfg(feature = "cuda")]
pub(crate) fn has_cuda_kernels(x: &Tensor) -> bool {
    crate::cuda::computes_in(x.dtype()) && x.device().is_cuda()
}

/// Ends the function with what computes an op for the tensor `$x`: the first that fits of
///
/// - `composed => ..`, within [`composed`];
/// - `cuda => ..`, on an NVIDIA GPU, with `cuda if .. => ..` only where the kernel fits;
/// - `composed => ..`, on all other devices;
/// - `cpu(x) => ..`, with `x` in f32 where it comes in half precision, and the result in its dtype again; `cpu => ..`, as it is.
macro_rules! dispatch {
    (
        $x:expr;
        $(cuda $(if $fits:expr)? => $cuda:expr;)?
        $(composed => $composed:expr;)?
        cpu($wide:ident) => $cpu:expr $(;)?
    ) => {
        $crate::dispatch::dispatch! {
            $x;
            $(cuda $(if $fits)? => $cuda;)?
            $(composed => $composed;)?
            cpu => $crate::storage::widened($x, |$wide| $cpu)
        }
    };
    (
        $x:expr;
        $(cuda $(if $fits:expr)? => $cuda:expr;)?
        $(composed => $composed:expr;)?
        cpu => $cpu:expr $(;)?
    ) => {{
        let place: &candle_core::Tensor = $x;
        // With an arm for the CPU alone it is looked at by nothing.
        let _ = place;
        $(
            if $crate::dispatch::is_composing() {
                return $composed;
            }
        )?
        $(
            #[cfg(feature = "cuda")]
            if $crate::dispatch::has_cuda_kernels(place) $(&& $fits)? {
                return $cuda;
            }
        )?
        $(
            if !place.device().is_cpu() {
                return $composed;
            }
        )?
        $cpu
    }};
}
pub(crate) use dispatch;
