//! What the evcxr engine finds in the SDK.
//!
//! evcxr shows the last expression of a cell by a method `evcxr_display`, if its type has one, and by
//! `Debug` if not. The SDK's own types have the method; a tensor, which is candle's, is shown by `Debug`
//! there. A trait would reach it, but where any trait of any crate has a method of this name, the compiler
//! tells numbers of no certain type in another way, which evcxr takes for an error of the user's.

use patchbay_protocol::Output;

use crate::{
    Figure, Image, ImageGrid, Show, Table, channel,
    display::Content,
    plugin::{Description, History, Listing, LoadReport, SwapReport},
};

macro_rules! evcxr_display {
    ($($shown:ty),* $(,)?) => {$(
        impl $shown {
            /// The method by which evcxr shows a value.
            #[doc(hidden)]
            pub fn evcxr_display(&self) {
                show(self);
            }
        }
    )*};
}

evcxr_display!(
    Content,
    Description,
    Figure,
    History,
    Image,
    ImageGrid,
    Listing,
    LoadReport,
    SwapReport,
    Table,
);

fn show(value: &dyn Show) {
    channel::output(Output::Result {
        bundle: value.show(),
    });
}
