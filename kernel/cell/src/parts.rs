//! What the crates above add to what happens to every cell.
//!
//! A crate of the SDK has one [`Part`], and the facade lists them. [`install`] is called when the SDK's library is loaded, before
//! anything else of it runs, so a program that links the SDK finds the parts there whatever it calls first. Where only some of the
//! SDK's crates are linked, as in their own tests, nobody installs any, and there are none.

use std::{any::Any, sync::OnceLock};

use patchbay_protocol::TensorFacts;

use crate::keep::Clones;

/// Bytes of the tensors in a value. Tensors that share their memory each count in full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TensorBytes {
    /// On all devices together.
    pub all: usize,
    /// On GPUs.
    pub gpu: usize,
}

/// What a crate adds.
pub struct Part {
    /// Called at the end of each segment of a cell: what is held back is drawn or sent.
    pub at_end: &'static [fn()],
    /// Takes each of the crate's locks that a cell may hold for a moment, and lets go of it.
    pub probes: &'static [fn()],
    /// Counts the tensors of a value, if it is of a type of the crate's.
    pub tensors: Option<fn(&dyn Any) -> Option<TensorBytes>>,
    /// Tells the shape, the dtype and the device of a value, if it is a tensor.
    pub facts: Option<fn(&dyn Any) -> Option<TensorFacts>>,
    /// Names the types of which a clone is cheap.
    pub clones: Option<fn(&mut Clones)>,
    /// Puts what an error or a panic means, and what helps, before its message, where the crate knows it.
    pub explain: Option<fn(String) -> String>,
}

impl Part {
    /// Adds nothing.
    pub const NONE: Part = Part {
        at_end: &[],
        probes: &[],
        tensors: None,
        facts: None,
        clones: None,
        explain: None,
    };
}

/// The identity of a build of the SDK; `patchbay::build` documents the fields.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    pub build_id: &'static str,
    pub compiler: &'static str,
    pub target: &'static str,
    pub flags: &'static str,
    pub features: &'static str,
    pub sources: &'static str,
}

/// The SDK as a whole.
pub struct Sdk {
    pub identity: Identity,
    pub parts: &'static [&'static Part],
}

/// Without the facade.
static NO_SDK: Sdk = Sdk {
    identity: Identity {
        build_id: "none",
        compiler: "none",
        target: "none",
        flags: "none",
        features: "none",
        sources: "none",
    },
    parts: &[],
};

static SDK: OnceLock<&'static Sdk> = OnceLock::new();

/// Makes the SDK known. Only the first call has an effect.
pub fn install(sdk: &'static Sdk) {
    let _ = SDK.set(sdk);
}

fn sdk() -> &'static Sdk {
    SDK.get().copied().unwrap_or(&NO_SDK)
}

/// The identity of this build of the SDK.
pub fn identity() -> &'static Identity {
    &sdk().identity
}

/// The parts, the lowest crate's first.
pub(crate) fn all() -> impl Iterator<Item = &'static Part> {
    sdk().parts.iter().copied()
}

/// The tensors in a variable of the notebook. Types that no part knows have none.
///
/// What a variable refers to and another one shows is not counted twice: an optimizer has its moments and not the parameters.
pub fn tensors_of(value: &dyn Any) -> TensorBytes {
    all()
        .filter_map(|part| part.tensors)
        .find_map(|tensors| tensors(value))
        .unwrap_or_default()
}

/// Shape, dtype and device of a variable that is a tensor.
pub(crate) fn facts_of(value: &dyn Any) -> Option<TensorFacts> {
    all()
        .filter_map(|part| part.facts)
        .find_map(|facts| facts(value))
}

/// The message of an error or a panic, after what it means and what helps where a part knows that.
pub(crate) fn explained(message: String) -> String {
    all()
        .filter_map(|part| part.explain)
        .fold(message, |message, explain| explain(message))
}
