//! The kinds of component: small traits over tensors.
//!
//! A kind is one file: the trait, [`Kind`] for its trait object, and the trait for the
//! [`Slot`](super::Slot), which forwards through [`Slot::call`](super::Slot::call).

mod balancer;
mod encoder;
mod forecaster;
mod image_transform;
mod loss;
mod objective;
mod presence;
mod tool;

pub use balancer::{Balanced, Balancer};
pub use encoder::{Encoder, EncoderInput, Encoding};
pub use forecaster::{Fit, Forecaster, Window};
pub use image_transform::ImageTransform;
pub use loss::Loss;
pub use objective::{Batch, Objective, Parts};
pub use presence::{Absent, Present};
pub use tool::{Tool, tool};

use super::Component;

/// A kind, implemented by its trait object.
pub trait Kind: Send + Sync + 'static {
    /// The first half of the ids of this kind.
    const NAME: &'static str;

    /// What a slot of this kind remembers across swaps; `()` where nothing.
    type Memory: Default + Send + Sync;

    /// The component behind the trait object.
    fn as_component(&self) -> &dyn Component;

    /// What `describe` measures on a component with default settings: name and value.
    fn facts(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// Implements [`Component`] for a slot, so that it may stand where a component is wanted.
macro_rules! slot_is_component {
    ($kind:ty) => {
        impl $crate::Component for $crate::Slot<$kind> {
            fn begin_epoch(&self, epoch: usize) {
                // The error is kept in the slot's history; this form has no way to return it.
                let _ = $crate::Slot::begin_epoch(self, epoch);
            }
        }
    };
}
pub(crate) use slot_is_component;
