//! What a kind of component is to slots and the registry.

use super::{Component, Memory};

/// A kind, implemented by its trait object. `kind!` writes it.
pub trait Kind: Send + Sync + 'static {
    /// The first half of the ids of this kind.
    const NAME: &'static str;

    /// What a slot of this kind remembers across swaps; `()` where nothing.
    type Memory: Memory;

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
}
