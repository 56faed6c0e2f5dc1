//! How the components of a kind are called in tests.

use super::{Inputs, Kind, Outputs, Slot};

/// A kind whose components can be tried on their samples. `kind!` writes it, with the function behind `tried`.
pub trait Tried: Kind {
    /// Calls a component on the inputs of its sample, as tests do.
    ///
    /// # Errors
    ///
    /// Fails where the component does, or an input is missing.
    fn try_out(slot: &Slot<Self>, inputs: &Inputs) -> patchbay_show::Result<Outputs>;
}
