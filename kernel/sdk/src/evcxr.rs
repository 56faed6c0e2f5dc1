//! What the evcxr engine finds in the SDK.
//!
//! evcxr shows the last expression of a cell by a method `evcxr_display`, if its type has one, and by
//! `Debug` if not. This trait gives the method to all that shows itself through [`Show`]. Reference: the
//! section on custom display in evcxr's documentation.

use patchbay_protocol::Output;

use crate::{channel, show::Show};

/// The method by which evcxr shows a value.
pub trait EvcxrDisplay {
    /// Shows the value as the cell's result.
    fn evcxr_display(&self);
}

impl<T: Show + ?Sized> EvcxrDisplay for T {
    fn evcxr_display(&self) {
        channel::output(Output::Result {
            bundle: self.show(),
        });
    }
}
