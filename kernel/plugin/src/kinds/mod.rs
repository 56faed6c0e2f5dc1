//! The kinds of component: small traits over tensors.
//!
//! A kind is one file, the trait in a [`kind!`](declare), and one line here. What there is of each kind follows from that: the
//! slot's forwarding, `describe`, what `%who` says of memory, the handles that outlive a cell, the names of the preludes,
//! `%%plugin` cells of one function, and the tests that each component is put to ([`trial`](super::trial)). What
//! `patchbay plugin new --kind NAME` writes is `kernel/toolchain/src/plugin/template/NAME.rs`.

pub(crate) mod declare;
mod presence;

pub use presence::{Absent, Present};

use super::{Component, Inputs, Outputs, Slot};

declare::kinds! {
    balancer::Balancer,
    encoder::Encoder,
    forecaster::Forecaster,
    image_transform::ImageTransform,
    loss::Loss,
    objective::Objective,
    tool::Tool,
}

/// A kind, implemented by its trait object. [`kind!`](declare) writes it.
pub trait Kind: Send + Sync + 'static {
    /// The first half of the ids of this kind.
    const NAME: &'static str;

    /// What a slot of this kind remembers across swaps; `()` where nothing.
    type Memory: Default + Send + Sync;

    /// What is read of a component once, when it is made.
    type Constants: Send + Sync;

    /// The component behind the trait object.
    fn as_component(&self) -> &dyn Component;

    /// Reads what a slot answers for the component from then on.
    fn constants(&self) -> Self::Constants;

    /// What `describe` measures on a component with default settings: name and value.
    fn facts(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Calls a component on the inputs of its sample, as tests do.
    ///
    /// # Errors
    ///
    /// Fails where the component does, or an input is missing.
    fn try_out(slot: &Slot<Self>, inputs: &Inputs) -> patchbay_show::Result<Outputs>;
}

/// What is done for each kind, one after the other.
pub trait Visitor {
    fn visit<K: ?Sized + Kind>(&mut self);
}

/// The names of the kinds, the first halves of ids.
pub fn kinds() -> Vec<&'static str> {
    struct Names(Vec<&'static str>);
    impl Visitor for Names {
        fn visit<K: ?Sized + Kind>(&mut self) {
            self.0.push(K::NAME);
        }
    }
    let mut names = Names(Vec::new());
    each(&mut names);
    names.0
}
