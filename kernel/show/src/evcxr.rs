//! Items that the evcxr engine finds in the SDK.
//!
//! evcxr shows the last expression of a cell by a method `evcxr_display`, if its type has one, and by
//! `Debug` if not. The SDK's own types have the method; a tensor, which is candle's, is shown by `Debug`
//! there. A trait would reach it, but where any trait of any crate has a method of this name, the compiler
//! tells numbers of no certain type in another way, which evcxr takes for an error of the user's.

use patchbay_cell::channel;
use patchbay_protocol::Output;

use crate::{Figure, Image, ImageGrid, Show, Table, display::Content};

/// Gives types that are shown the method by which evcxr shows a value.
#[doc(hidden)]
#[macro_export]
macro_rules! evcxr_display {
    ($($shown:ty),* $(,)?) => {$(
        impl $shown {
            /// The method by which evcxr shows a value.
            #[doc(hidden)]
            pub fn evcxr_display(&self) {
                $crate::evcxr::show(self);
            }
        }
    )*};
}

evcxr_display!(Content, Figure, Image, ImageGrid, Table);

#[doc(hidden)]
pub fn show(value: &dyn Show) {
    channel::output(Output::Result {
        bundle: value.show(),
    });
}
