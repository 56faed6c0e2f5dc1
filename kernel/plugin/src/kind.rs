//! Trait of a kind of component, as slots and the registry see it.

use super::{Component, Memory};

/// A kind, implemented by its trait object. `kind!` writes it.
pub trait Kind: Send + Sync + 'static {
    /// The first half of the ids of this kind.
    const NAME: &'static str;

    /// State that a slot of this kind keeps across swaps; `()` where there is none.
    type Memory: Memory;

    /// Values that are read of a component once, when it is made.
    type Constants: Send + Sync;

    /// The component behind the trait object.
    fn as_component(&self) -> &dyn Component;

    /// Reads what a slot answers for the component from then on.
    fn constants(&self) -> Self::Constants;

    /// Measures what `describe` tells of a component with default settings: name and value.
    fn facts(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}
