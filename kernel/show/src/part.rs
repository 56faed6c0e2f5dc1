//! Additions of this crate to every cell.

use patchbay_cell::{keep::Clones, parts::Part, shared_clones};

use crate::{display::DisplayHandle, live, memory, widgets};

/// Tensors are counted and kept, growing plots and the changes of widgets are sent at the end of a segment, and errors of a GPU are
/// explained.
pub static PART: Part = Part {
    at_end: &[live::finish_all, widgets::send_held],
    probes: &[live::probe, widgets::probe, probe_generators],
    tensors: Some(memory::tensors_of),
    facts: Some(memory::facts_of),
    clones: Some(clones),
    explain: Some(memory::explained),
};

/// Takes the lock of the seeds of tensors; the driver of a GPU has locks of its own.
fn probe_generators() {
    let _ = patchbay_ops::random_state();
    let _ = memory::gpu_memory();
}

fn clones(clones: &mut Clones) {
    memory::clones(clones);
    shared_clones!(clones;
        DisplayHandle,
        widgets::Button,
        widgets::Checkbox,
        widgets::Dropdown,
        widgets::ProgressBar,
        widgets::Slider,
    );
}
